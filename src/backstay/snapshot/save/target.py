"""Where a snapshot goes: the name inside a directory, and whether the place is writable, free and big enough.

Called before anything is asked of etcd, and again when the stream has said how big it is. Nothing is written here; the
answer can be overtaken by another process, so writing still has to expect every error.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from backstay import errors
from backstay.clock import Clock
from backstay.durable import target_error
from backstay.values import size_text

SUFFIX = ".part"
"""Added to the name of a file that is not proven yet."""

FreeBytes = Callable[[Path], int | None]
"""Bytes that an ordinary user may still write below a directory; None where nobody can know."""


@dataclass(frozen=True, slots=True)
class Target:
    """The file to write. Sizes in bytes."""

    path: Path
    free_bytes: int | None


def resolve_target(text: str, clock: Clock) -> Path:
    """The file that `text` means: itself, or `etcd-backup-YYYYmmdd-HHMMSS.db` in the directory that it names.

    A directory is what exists as one or ends with a slash. The time is local, as `date` prints it, so that the names
    are those of the scripts that people already have.
    """
    path = Path(text)
    if text.endswith(os.sep) or path.is_dir():
        return path / f"etcd-backup-{clock.now().astimezone():%Y%m%d-%H%M%S}.db"
    return path


def free_bytes_of(directory: Path) -> int | None:
    """What the file system of `directory` says. Raises `OSError`."""
    figures = os.statvfs(directory)
    # Some network and user-space file systems do not count blocks at all.
    return figures.f_bavail * figures.f_frsize if figures.f_blocks else None


def check_target(path: Path, needed_bytes: int, *, free_bytes: FreeBytes = free_bytes_of) -> Target:
    """Refuse early what would fail late.

    Raises `TARGET_EXISTS`, `TARGET_UNWRITABLE` or `TARGET_FULL`.
    """
    directory = path.parent
    if os.path.lexists(path):
        raise errors.TARGET_EXISTS.error(
            f"`{path}` exists",
            where=str(path),
            next_step="choose another name, or name the directory with a slash at the end for a name with date and time",
        )
    if not directory.is_dir():
        raise errors.TARGET_UNWRITABLE.error(
            f"cannot write `{path}`", where=str(directory), why="this directory does not exist",
            next_step=f"create it first: `mkdir -p {directory}`",
        )  # fmt: skip
    if not os.access(directory, os.W_OK | os.X_OK):
        raise errors.TARGET_UNWRITABLE.error(
            f"cannot write `{path}`", where=str(directory), why="no permission, or a read-only file system"
        )
    try:
        free = free_bytes(directory)
    except OSError as problem:
        raise target_error(problem, path) from problem
    if free is not None:
        free += _leftover_bytes(path)
    if free is not None and free < needed_bytes:
        raise errors.TARGET_FULL.error(
            f"the snapshot does not fit into `{directory}`",
            where=str(directory),
            why=f"it needs {size_text(needed_bytes)}, and {size_text(free)} are free",
        )
    return Target(path, free)


def _leftover_bytes(path: Path) -> int:
    """What a killed run left, which writing will replace."""
    try:
        return path.with_name(path.name + SUFFIX).stat().st_size
    except OSError:
        return 0  # there is none: what writing will replace is nothing
