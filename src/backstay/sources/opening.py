"""From what the user wrote to a source: `live`, a data directory, or a file.

Called by the command line and jobs. `live` needs a client, which only the caller can make, and gRPC, which is loaded only
then.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from backstay import errors
from backstay.snapshot.opened import open_directory, open_file
from backstay.sources.source import Source
from backstay.sources.stored import StoredSource

if TYPE_CHECKING:
    from backstay.etcd.client import Client

LIVE = "live"
"""The source that is a living etcd; a file of this name is `./live`."""


def open_source(text: str, *, connect: Callable[[], Client] | None = None) -> Source:
    """The source that `text` names; `connect` makes the client for `live`.

    Raises `SOURCE_NOT_FOUND`, `SOURCE_UNREADABLE`, `SOURCE_UNKNOWN`, `DIRECTORY_IN_USE`, `DIRECTORY_INCONSISTENT`, `FormatError`,
    and what `connect` raises.
    """
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
