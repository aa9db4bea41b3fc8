"""The durable steps of a living store: those of `backstay.durable`, and the few that change a directory in place.

A store's own files are the one place where something is replaced or removed on purpose. Whatever does so goes through
`StoreDisk`, so that tests can cut the power at every step.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from backstay.durable import Disk, LocalDisk


class StoreDisk(Disk, Protocol):
    """The steps of founding, appending, rotating and checkpointing. Every one can fail, or be the last one."""

    def open(self, path: Path) -> int:
        """Open an existing file for reading and writing; returns a file descriptor."""
        ...

    def allocate(self, descriptor: int, size: int) -> None:
        """Make the file at least `size` bytes long, the new part zero, so that later writes change no length."""
        ...

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut the file to `size` bytes."""
        ...

    def sync_data(self, descriptor: int) -> None:
        """Return when the file's bytes, and its length if that changed, are on stable storage."""
        ...

    def replace(self, temporary: Path, final: Path) -> None:
        """Give `temporary` the name `final` in one step, whatever bore it before."""
        ...

    def remove(self, path: Path) -> None:
        """Remove one file."""
        ...


class LocalStoreDisk(LocalDisk):
    """The machine's own file systems."""

    def open(self, path: Path) -> int:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def allocate(self, descriptor: int, size: int) -> None:
        if os.fstat(descriptor).st_size >= size:
            return
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, size)
        else:  # macOS: the length at least, if not the blocks
            os.ftruncate(descriptor, size)

    def truncate(self, descriptor: int, size: int) -> None:
        os.ftruncate(descriptor, size)

    def sync_data(self, descriptor: int) -> None:
        os.fdatasync(descriptor)

    def replace(self, temporary: Path, final: Path) -> None:
        os.replace(temporary, final)

    def remove(self, path: Path) -> None:
        path.unlink()
