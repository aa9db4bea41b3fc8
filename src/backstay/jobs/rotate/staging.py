"""The directory where a backup is made before it is sent: readable by its owner only, and gone afterwards.

Called by `run`. A directory of a run that died is removed by the next one; a living run holds a lock on its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from backstay.durable import translated

_PREFIX = ".backstay-rotate-"


@contextlib.contextmanager
def staging(parent: Path) -> Iterator[Path]:
    """A fresh directory in `parent` (mode 0700), removed at the end. Raises what `durable.translated` makes of errors."""
    with translated(parent):
        _sweep(parent)
        directory, descriptor = _make(parent)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(descriptor)


def _make(parent: Path) -> tuple[Path, int]:
    """A new directory under our lock; once more when another run swept it before it was locked."""
    while True:
        directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        try:
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        # Where the file system has no locks nobody can take this one either.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if directory.exists():
            return directory, descriptor
        os.close(descriptor)


def _sweep(parent: Path) -> None:
    for leftover in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # somebody else's, or a living run's
            descriptor = os.open(leftover, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(descriptor).st_uid == os.geteuid():
                    shutil.rmtree(leftover, ignore_errors=True)
            finally:
                os.close(descriptor)
