"""Companions brought back: below a new directory, each at its path, with its mode and where possible its owner.

Never to where they came from: whoever restores compares and moves. The directory appears whole or not at all, and nothing that
exists is touched. Links are made as they were, but nothing is ever written through one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backstay import errors
from backstay.crypto.slots import AgeIdentity
from backstay.durable import Disk, durable_directory, durable_file, refuse_occupied, translated
from backstay.repository.companions import Companion, companions_of, contents_of
from backstay.repository.reading import PointReader

_DIRECTORY_MODE = 0o700


@dataclass(frozen=True, slots=True)
class RestoredCompanions:
    """What was written. `owners_kept` is false where only root could have given files to their owners."""

    directory: Path
    files: tuple[Companion, ...]
    owners_kept: bool


def require_companions(point: PointReader, directory: Path) -> tuple[Companion, ...]:
    """What `restore_companions` would write. Raises `COMPANIONS_MISSING`, `TARGET_EXISTS`."""
    refuse_occupied(directory)
    listing = companions_of(point)
    if listing is None:
        raise errors.COMPANIONS_MISSING.error("this point has no companions", where=point.manifest.where)
    return listing.files


def restore_companions(
    point: PointReader, directory: Path, identities: Sequence[AgeIdentity], *, disk: Disk, as_root: bool
) -> RestoredCompanions:
    """Write the companions of a point below `directory`; owners are set where `as_root`.

    Raises `COMPANIONS_MISSING`, `COMPANIONS_SEALED`, `OBJECT_DAMAGED`, `TARGET_EXISTS`, and what writing raises; then nothing
    is there.
    """
    require_companions(point, directory)
    listing = companions_of(point)
    assert listing is not None
    written = []
    with durable_directory(disk, directory) as temporary, translated(directory):
        made = {temporary}
        for file in contents_of(point, listing, identities):
            target = temporary / file.listed.path.lstrip("/")
            _make_parents(disk, temporary, target.parent, made)
            if file.listed.link:
                os.symlink(file.listed.link, target)
            else:
                with durable_file(disk, target, mode=0o600) as sink:
                    sink.write([file.content])
            if as_root:
                os.chown(target, file.listed.uid, file.listed.gid, follow_symlinks=False)
            if not file.listed.link:
                os.chmod(target, file.listed.mode)
            written.append(file.listed)
        for each in sorted(made, reverse=True):
            disk.sync_directory(each)
    return RestoredCompanions(directory, tuple(written), as_root)


def _make_parents(disk: Disk, top: Path, parent: Path, made: set[Path]) -> None:
    """The directories up to `parent`; a path that goes through a link or a file that was just written is refused."""
    missing: list[Path] = []
    while parent not in made:
        missing.append(parent)
        parent = parent.parent
    for each in reversed(missing):
        disk.make_directory(each, _DIRECTORY_MODE)
        made.add(each)
