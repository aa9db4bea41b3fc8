"""Renaming within one file system so that it lasts: nothing is replaced, and both directories are on disk afterwards.

Called by recover for manifests and data directories.
"""

from __future__ import annotations

import os
from pathlib import Path

from backstay import errors
from backstay.durable import Disk, LocalDisk, translated


def move(source: Path, target: Path, disk: Disk | None = None) -> None:
    """Rename `source` to `target`. Raises `TARGET_EXISTS` and what the operating system says as a declared error.

    Nobody else may create `target` meanwhile: a rename cannot refuse to replace a file, so that is looked at before.
    """
    disk = disk or LocalDisk()
    if os.path.lexists(target):
        raise errors.TARGET_EXISTS.error(f"`{target}` exists", where=str(target))
    with translated(target):
        os.rename(source, target)
        disk.sync_directory(target.parent)
        if source.parent != target.parent:
            disk.sync_directory(source.parent)
