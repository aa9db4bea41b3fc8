"""YAML, for clusters with `--storage-media-type=application/yaml`: the plain subset that Go's writer makes of JSON.

Aliases are refused, since a few of them can stand for gigabytes, and so are tags: nothing is made but JSON values.
"""

from __future__ import annotations

from typing import Any

from backstay.errors import FormatError

_SIZE_LIMIT = 2 << 20
"""No value of etcd is larger by default; YAML is slow to read."""


def decode(data: bytes) -> Any:
    """The JSON value that the YAML in `data` stands for. Raises `FormatError`."""
    import yaml

    if len(data) > _SIZE_LIMIT:
        raise FormatError("YAML is too large", offset=0)

    class Loader(yaml.SafeLoader):
        """Without aliases and timestamps."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError("aliases are not read")
            return super().compose_node(parent, index)

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    try:
        value = yaml.load(data.decode("utf-8", "replace"), Loader)
    except (yaml.YAMLError, ValueError, TypeError) as problem:
        raise FormatError("YAML is malformed", offset=0, why=str(problem).partition("\n")[0]) from problem
    except RecursionError as problem:
        raise FormatError("YAML is nested too deeply", offset=0) from problem
    return value
