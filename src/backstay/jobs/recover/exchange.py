"""The old directory out and the new one in, under the same path, so that nothing that names the path must change.

    DATA                       the directory that etcd uses
    DATA.recover-ID            the restored one, until it takes the place
    DATA.before-recover-ID     the old one, kept
    DATA.recovered-ID          what had taken the place, after a rollback

The names are what tells how far an exchange is: while the restored one still has its first name, it is not done. Each
move is one rename, so every state between two moves is one of these, and doing or undoing goes on from any of them.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from backstay import errors
from backstay.cluster.moves import move
from backstay.durable import Disk


@dataclass(frozen=True, slots=True)
class Exchange:
    """One directory to be replaced. All four are on one file system."""

    live: Path
    restored: Path
    kept: Path
    rejected: Path

    @classmethod
    def of(cls, live: Path, identifier: str, restored: Path | None = None) -> Exchange:
        """The exchange of `live`; `restored` lies beside it unless given."""
        name = live.name
        return cls(
            live,
            restored or live.with_name(f"{name}.recover-{identifier}"),
            live.with_name(f"{name}.before-recover-{identifier}"),
            live.with_name(f"{name}.recovered-{identifier}"),
        )

    @property
    def is_done(self) -> bool:
        """Whether the restored directory is in place."""
        return not os.path.lexists(self.restored)


def put_in_place(exchange: Exchange, disk: Disk) -> None:
    """Move the old directory aside (there may be none) and the restored one into its place."""
    if exchange.is_done:
        if not exchange.live.exists():
            raise errors.SOURCE_NOT_FOUND.error(
                "the restored directory is gone", where=f"{exchange.restored}, {exchange.live}"
            )
        return
    if os.path.lexists(exchange.live):
        move(exchange.live, exchange.kept, disk)
    move(exchange.restored, exchange.live, disk)


def take_out(exchange: Exchange, disk: Disk) -> None:
    """Move what was restored out of the place, and the old directory back; call it only when one of them may have moved.

    Nothing is removed here: a rollback that is killed and begun again must see by the names how far the first one was.
    """
    if exchange.is_done and not os.path.lexists(exchange.rejected) and os.path.lexists(exchange.live):
        move(exchange.live, exchange.rejected, disk)
    if os.path.lexists(exchange.kept) and not os.path.lexists(exchange.live):
        move(exchange.kept, exchange.live, disk)
    if not exchange.is_done:
        move(exchange.restored, exchange.rejected, disk)


def remove_tree(directory: Path, disk: Disk) -> None:
    """Remove a directory that only we have ever used; nothing happens when it is not there."""
    if not os.path.lexists(directory):
        return
    shutil.rmtree(directory)
    disk.sync_directory(directory.parent)
