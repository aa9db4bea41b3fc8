"""YAML: the same data as the JSON, keys in the same order. PyYAML is imported only when YAML was asked for."""

from __future__ import annotations

from backstay.cli.render.plain import plain


def yaml_text(value: object) -> str:
    """`value` as block-style YAML, without the last line break."""
    import yaml

    text: str = yaml.safe_dump(plain(value), sort_keys=False, allow_unicode=True, width=120)
    return text.removesuffix("\n").removesuffix("\n...")
