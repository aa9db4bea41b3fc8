"""What `backstay restore --companions DIR` plans, does and says: the files beside etcd's data, below a new directory."""

from __future__ import annotations

import os
from pathlib import Path

from backstay.cli.render.plain import Plain
from backstay.cli.render.tables import columns, printable
from backstay.cli.repository.opened import Access
from backstay.durable import LocalDisk
from backstay.jobs.companions.restoring import require_companions, restore_companions
from backstay.repository.companions import Companion
from backstay.repository.reading import PointReader
from backstay.values import size_text


class CompanionsRestore:
    """The companions of one point on their way to one directory. Raises `COMPANIONS_MISSING`, `TARGET_EXISTS`."""

    def __init__(self, point: PointReader, directory: Path, access: Access) -> None:
        self._point, self._directory, self._access = point, directory, access
        self._files = require_companions(point, directory)
        self._done = False
        self._owners_kept = False

    def run(self) -> None:
        """Bring them. Raises what `restore_companions` raises; then nothing is there."""
        brought = restore_companions(
            self._point, self._directory, self._access.identities(), disk=LocalDisk(), as_root=os.geteuid() == 0
        )
        self._done, self._owners_kept = True, brought.owners_kept

    def as_data(self) -> dict[str, Plain]:
        """What there is, and whether it was brought."""
        return {
            "directory": str(self._directory),
            "changed": self._done,
            "owners_kept": self._owners_kept if self._done else None,
            "files": [companion_plain(each) for each in self._files],
        }

    def as_text(self) -> str:
        """The same for people."""
        word = "Companions in" if self._done else "Would write companions to"
        text = f"{word} {self._directory}:\n\n{companions_table(self._files)}"
        if self._done and not self._owners_kept:
            text += "\n\nThe files belong to whoever ran this: only root can give them to their owners."
        return text


def companion_plain(file: Companion) -> Plain:
    """One file as JSON and YAML have it; never its content."""
    return {
        "path": file.path,
        "kind": file.kind,
        "mode": f"{file.mode:04o}",
        "owner": file.owner or str(file.uid),
        "group": file.group or str(file.gid),
        "size": file.size,
        "link": file.link or None,
    }


def companions_table(files: tuple[Companion, ...]) -> str:
    """Files for people."""
    rows = [
        (
            each.kind,
            f"{each.mode:04o}",
            f"{printable(each.owner) or each.uid}:{printable(each.group) or each.gid}",
            size_text(each.size),
            printable(each.path) + (f" -> {printable(each.link)}" if each.link else ""),
        )
        for each in files
    ]
    return columns(("KIND", "MODE", "OWNER", "SIZE", "PATH"), rows)
