"""REPO as people write it: a location, a directory, or a name that backstay.toml gives to one.

What has a slash or a scheme is a location, and no file is read. Anything else is looked up in the configuration first; a
directory of that name is meant where no configuration has it. A name that is neither is answered with the nearest one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from backstay import errors
from backstay.cli.settings import ConnectionSettings

if TYPE_CHECKING:  # loaded when a name is looked up: most sources are files
    from backstay.config.configuration import Cluster, Configuration, RepositoryEntry


@dataclass(frozen=True, slots=True)
class Named:
    """A repository of the configuration, and the configuration that has it."""

    entry: RepositoryEntry
    configuration: Configuration
    file: Path


def look_up(text: str, config: str, environment: Mapping[str, str], directory: Path) -> Named | None:
    """The configured repository that `text` names; None for a location.

    `config` is what --config said, or empty. Raises `USAGE` for a name that nobody knows and for plain copies,
    `CONFIGURATION_INVALID`, and `CONFIGURATION_NOT_FOUND` for a file that was named.
    """
    if not text or "://" in text or "/" in text or text in (".", ".."):
        return None
    from backstay.config.configuration import Form
    from backstay.config.reading import load
    from backstay.config.search import candidates, find

    is_directory = (directory / text).is_dir()
    if config or environment.get("BACKSTAY_CONFIG"):
        file = find(config, environment, directory)
    else:
        found = next((each for each in candidates(environment, directory) if each.is_file()), None)
        if found is None:
            return None
        file = found
    try:
        configuration = load(file)
    except errors.BackstayError:
        if is_directory:
            return None  # a mistake in a file that nobody named is in nobody's way
        raise
    entry = configuration.repositories.get(text)
    if entry is None:
        if is_directory:
            return None
        raise _unknown(text, configuration, file)
    if entry.form is Form.PLAIN:
        raise errors.USAGE.error(
            f"`{text}` is a plain copy and no repository",
            where=str(file),
            why="it holds dated files, which age, zstd and etcdutl open",
            next_step=f"look at the files in {entry.location}, or name one of the repositories",
        )
    return Named(entry, configuration, file)


def _unknown(text: str, configuration: Configuration, file: Path) -> errors.BackstayError:
    from backstay.config.configuration import Form
    from backstay.config.mistakes import nearest

    names = [name for name, entry in configuration.repositories.items() if entry.form is Form.REPOSITORY]
    better = nearest(text, names)
    return errors.USAGE.error(
        f"the configuration names no repository `{text}`, and there is no such directory",
        where=str(file),
        why=f"it has {', '.join(names) or 'none'}",
        next_step=f"did you mean `{better}`?" if better else f"add it, or write ./{text} for a directory",
    )


def named_cluster(configuration: Configuration, name: str, file: Path) -> Cluster:
    """The cluster of this name. Raises `USAGE` with the nearest one."""
    if name in configuration.clusters:
        return configuration.clusters[name]
    from backstay.config.mistakes import nearest

    better = nearest(name, list(configuration.clusters))
    raise errors.USAGE.error(
        f"the configuration names no cluster {name!r}",
        where=str(file),
        why=f"it has {', '.join(configuration.clusters) or 'none'}",
        next_step=f"did you mean `{better}`?" if better else "add it, or name one of these",
    )


def configured_cluster(named: Named | None, wanted: str) -> Cluster | None:
    """The cluster to take settings from: the one that is `wanted`, else the only one with a copy in the repository."""
    if named is None:
        return None
    if wanted:
        return named.configuration.clusters.get(wanted)
    clusters = named.configuration.clusters_of(named.entry.name)
    return clusters[0] if len(clusters) == 1 else None


def connection_to(cluster: Cluster, said: ConnectionSettings) -> ConnectionSettings:
    """How `cluster` is reached: as the configuration has it, where flags and variables say nothing."""
    if said.endpoints is not None:
        return said

    def path(given: str | None, configured: Path | None) -> str | None:
        return given if given is not None or configured is None else str(configured)

    return replace(
        said,
        endpoints=cluster.endpoints,
        cacert=path(said.cacert, cluster.cacert),
        cert=path(said.cert, cluster.cert),
        key=path(said.key, cluster.key),
        user=said.user if said.user is not None else cluster.user or None,
        origins={**said.origins, "endpoints": f"the configuration of {cluster.name}", "user": "the configuration"},
    )
