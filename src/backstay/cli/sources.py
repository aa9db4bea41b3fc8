"""How a command opens a SOURCE: a snapshot file, a data directory, `live`, or a point of a repository.

The one home of that, for every command that looks into something:

    @source_options                        -> sources: Sources     (connection, --at, --cluster, --identity, ...)
    with sources.open(source, reporting) as opened:                 a `backstay.sources.Source`
    with sources.open(other, reporting, at="latest") as second:     another one; `at` instead of what --at said

A repository is an address, a directory with a `backstay.json`, or a name of the configuration; a file or directory that is
there goes before a name. `REPO@POINT` says the point in the same word, so that two sources can have one each.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backstay import errors
from backstay.cli.groups import CommandBody, Option
from backstay.cli.options import attach, connection_options
from backstay.cli.reach import connect
from backstay.cli.reporting import Reporting
from backstay.cli.repository.named import Named, look_up
from backstay.cli.repository.opened import KEYS, Access, opened_repository, repository_options
from backstay.cli.settings import ConnectionSettings
from backstay.errors import FormatError

if TYPE_CHECKING:
    from backstay.sources import Source


NO_CACHE = "none"


@dataclass(frozen=True, slots=True)
class Sources:
    """What was said about how sources are opened."""

    connection: ConnectionSettings
    access: Access
    at: str = ""
    cluster: str = ""
    cache: str = ""

    @contextmanager
    def open(self, source: str, reporting: Reporting, *, at: str | None = None) -> Iterator[Source]:
        """The source that `source` names, with warnings of what opening noticed; closed at the end of the block.

        Raises as `open_source`, `reach` and opening a repository do; damage that is met while reading a file is told
        with its name.
        """
        try:
            with self._opened(source, reporting, self.at if at is None else at) as opened:
                for finding in opened.findings:
                    reporting.warn(str(finding), code=finding.code)
                yield opened
        except FormatError as problem:
            raise errors.FORMAT_INVALID.error(
                problem.what,
                where=f"{source}, {problem.where}",
                why=problem.why,
                next_step=f"run `backstay snapshot verify {source}` for all findings, and take another copy of the file",
            ) from problem

    def _cache(self, access: Access) -> Path | None:
        """Where blocks of remote repositories are kept; None where they are not to be."""
        if self.cache == NO_CACHE:
            return None
        if said := self.cache or access.environment.get("BACKSTAY_CACHE_DIR", ""):
            return Path(said)
        base = access.environment.get("XDG_CACHE_HOME", "")
        home = access.environment.get("HOME", "")
        if not base and not home:
            return None
        return (Path(base) if base else Path(home) / ".cache") / "backstay"

    @contextmanager
    def _opened(self, source: str, reporting: Reporting, at: str) -> Iterator[Source]:
        from backstay.sources.opening import open_source

        found = find_repository(source, self.access)
        if found is None:
            with open_source(
                source, connect=lambda: connect(self.connection, reporting), at=at, cluster=self.cluster
            ) as opened:
                yield opened
            return
        from backstay.sources.repository import open_point

        location, point, access = found
        if point and at:
            raise errors.USAGE.error(f"two points are named: `{point}` and `{at}`", where="--at")
        with (
            opened_repository(location, access, reporting, cache=self._cache(access)) as repository,
            open_point(repository, at=point or at or "latest", cluster=self.cluster) as looked_into,
        ):
            yield looked_into


def source_options(function: CommandBody) -> CommandBody:
    """Add the options that say how a SOURCE is opened; the body gets `sources`."""

    @functools.wraps(function)
    def with_sources(*arguments: Any, **values: Any) -> int | None:
        said = [values.pop(name) for name in ("connection", "access", "at", "cluster", "cache")]
        return function(*arguments, sources=Sources(*said), **values)

    parameters = [
        Option(["--at"], default="", metavar="POINT", section=KEYS,
               help="Of a repository: latest, a tag, an id, a revision, a time, before-delete:KEY."),
        Option(["--cluster"], default="", metavar="NAME", section=KEYS, help="Of a repository: only points of this cluster."),
        Option(["--cache"], default="", metavar="DIR|none", section=KEYS,
               help="Where what was read of a remote repository is kept, encrypted as it is; ~/.cache/backstay unless said."),
    ]  # fmt: skip
    return connection_options(repository_options(attach(with_sources, parameters)))


def find_repository(source: str, access: Access) -> tuple[str, str, Access] | None:
    """Location, point (empty where none is said) and access of the repository that `source` names; None for others."""
    from backstay.sources.opening import LIVE

    if source == LIVE:
        return None
    whole = _location(source, access)
    if whole is not None:
        return whole[0], "", whole[1]
    before, separator, point = source.rpartition("@")
    if not separator or not point or Path(source).exists():
        return None
    parted = _location(before, access)
    return (parted[0], point, parted[1]) if parted is not None else None


def _location(text: str, access: Access) -> tuple[str, Access] | None:
    from backstay.sources.opening import is_repository_text

    _, has_scheme, rest = text.partition("://")
    if has_scheme:
        # The `@` behind a path is a point's, the one before a host is a user's.
        path = rest.partition("/")[2]
        return (text, access) if is_repository_text(text) and "@" not in path else None
    if is_repository_text(text):
        return text, access
    if Path(text).exists():
        return None
    named = _named(text, access)
    return None if named is None else (named.entry.location, replace(access, named=named))


def _named(text: str, access: Access) -> Named | None:
    try:
        return look_up(text, access.config, access.environment, Path())
    except errors.BackstayError as problem:
        if problem.kind is not errors.USAGE:
            raise
        return None  # what is neither there nor configured is told as a missing file
