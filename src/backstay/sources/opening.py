"""From what the user wrote to a source: `live`, a data directory, a file, or a point of a repository.

Called by the command line and jobs. `live` needs a client, which only the caller can make, and gRPC, which is loaded only
then; a repository needs the identities that open it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from backstay import errors
from backstay.blobs.location import SCHEMES
from backstay.repository.names import DESCRIPTION
from backstay.snapshot.opened import open_directory, open_file
from backstay.sources.source import Source
from backstay.sources.stored import StoredSource

if TYPE_CHECKING:
    from backstay.crypto.slots import SlotIdentity
    from backstay.etcd.client import Client

_LATEST = "latest"
LIVE = "live"
"""The source that is a living etcd; a file of this name is `./live`."""


def open_source(
    text: str,
    *,
    connect: Callable[[], Client] | None = None,
    at: str = "",
    cluster: str = "",
    identities: Sequence[SlotIdentity] = (),
    environment: Mapping[str, str] | None = None,
) -> Source:
    """The source that `text` names: `live` (`connect` makes the client), a file, a data directory, or a repository.

    A repository is a directory with a `backstay.json`, or an address such as `s3://bucket/prefix`. Of a repository `at`
    says which point is meant (repository.choosing), the newest if it is empty; `identities` open it, `environment` has the
    credentials of its storage.

    Raises `SOURCE_NOT_FOUND`, `SOURCE_UNREADABLE`, `SOURCE_UNKNOWN`, `DIRECTORY_IN_USE`, `DIRECTORY_INCONSISTENT`, `FormatError`,
    what `connect` raises, and of repositories what opening one and choosing in it raises.
    """
    if is_repository_text(text):
        # Loaded only then: cryptography and drivers are slow to import.
        from backstay.sources.repository import open_location

        return open_location(text, at=at or _LATEST, cluster=cluster, identities=identities, environment=environment)
    if at or cluster:
        raise errors.USAGE.error(
            f"`{text}` is no repository, so no point can be chosen in it",
            where=text,
            next_step="leave --at out; an older state of a file is named by its revision",
        )
    if text == LIVE:
        if connect is None:
            raise errors.SOURCE_UNKNOWN.error("`live` is of no use here", where=text)
        from backstay.sources.live import LiveSource

        return LiveSource(connect())
    if "://" in text:
        raise errors.SOURCE_UNKNOWN.error(
            f"`{text}` is an address, not a source",
            where=text,
            next_step=f"write `{LIVE}` for the source, and `--endpoints {text}`",
        )
    path = Path(text)
    is_directory = path.is_dir()
    return StoredSource(open_directory(path) if is_directory else open_file(path, refuse_in_use=True))


def is_repository_text(text: str) -> bool:
    """Whether `text` is the address of a repository, or a directory that is one."""
    scheme, separator, _ = text.partition("://")
    return scheme in SCHEMES if separator else text != LIVE and (Path(text) / DESCRIPTION).is_file()
