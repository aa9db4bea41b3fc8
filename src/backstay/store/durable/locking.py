"""One process per directory: etcd's own locks, so that neither a second store nor a real etcd starts beside this one.

etcd locks `db` and every open segment. A lock belongs to an open file and ends with it, also when the process is killed.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from backstay import errors


class DirectoryLocks:
    """The locks of one store, by path. Closing releases all of them."""

    def __init__(self) -> None:
        self._held: dict[Path, int] = {}

    def take(self, path: Path) -> None:
        """Lock a file or directory. Raises `DIRECTORY_IN_USE` when another process holds it."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            lock_exclusively(descriptor, path)
        except BaseException:
            os.close(descriptor)
            raise
        self._held[path] = descriptor

    def moved(self, before: Path, after: Path) -> None:
        """The locked file `before` has taken the name `after`; whatever was locked there is given up."""
        self.release(after)
        self._held[after] = self._held.pop(before)

    def release(self, path: Path) -> None:
        """Give up one lock; nothing happens when it is not held."""
        if (descriptor := self._held.pop(path, None)) is not None:
            os.close(descriptor)

    def close(self) -> None:
        """Give up every lock."""
        for path in list(self._held):
            self.release(path)


def lock_exclusively(descriptor: int, path: Path) -> None:
    """Lock an open file. Raises `DIRECTORY_IN_USE` when another process holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        if problem.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
            raise errors.DIRECTORY_IN_USE.error(
                f"`{path}` is in use",
                where=str(path),
                why="a running etcd or backstay holds its lock",
                next_step="stop the other process, or choose another data directory",
            ) from problem
        # A file system without locks (some network and user-space ones): nobody can hold one there.
