"""The files of a host, seen through one root: the only way by which discovery reads.

The root is `/`, or where a container has the host mounted, or a test's scratch directory. Paths come from files that
others wrote, so they are normalised before the root is put in front of them.
"""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path

SIZE_LIMIT_BYTES = 1 << 20
"""A manifest, unit or settings file of more than this is none."""


class Presence(Enum):
    """Whether a file is there, as far as this user can tell."""

    ABSENT = "absent"
    PRESENT = "present"
    FORBIDDEN = "forbidden"


class HostFiles:
    """Reads files of the host whose `/` is `root`. Paths that are given are the host's own."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, host_path: str) -> Path:
        """Where the host's `host_path` is for this process."""
        return self.root / os.path.normpath(f"/{host_path}").lstrip("/")

    def presence(self, host_path: str) -> Presence:
        """Whether `host_path` is there."""
        try:
            self.path(host_path).stat()
        except PermissionError:
            return Presence.FORBIDDEN
        except (OSError, ValueError):  # not there, or no name that a file can have
            return Presence.ABSENT
        return Presence.PRESENT

    def is_present(self, host_path: str) -> bool:
        """Whether `host_path` is surely there."""
        return self.presence(host_path) is Presence.PRESENT

    def read(self, host_path: str) -> str:
        """The text of a file. Raises `OSError`, and `ValueError` for a file that is too large or not text."""
        with self.path(host_path).open("rb") as file:
            content = file.read(SIZE_LIMIT_BYTES + 1)
        if len(content) > SIZE_LIMIT_BYTES:
            raise ValueError(f"it has more than {SIZE_LIMIT_BYTES} bytes")
        return content.decode()

    def why_unreadable(self, host_path: str) -> OSError | None:
        """What opening the file for reading fails with; None when it can be read."""
        try:
            self.path(host_path).open("rb").close()
        except OSError as problem:
            return problem
        return None

    def names(self, host_path: str, suffix: str) -> list[str]:
        """The paths of the files in a directory that end with `suffix`, sorted; nothing where it cannot be listed."""
        try:
            names = sorted(entry.name for entry in self.path(host_path).iterdir() if entry.name.endswith(suffix))
        except OSError:
            return []
        return [f"{host_path}/{name}" for name in names]
