"""What of the host a pod must see for the companions of a cluster: directories where a layout says `*`, else single files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from backstay.deploy.deployment import outermost
from backstay.jobs.companions.layouts import LAYOUTS


class HostPath(NamedTuple):
    """What is mounted read-only; `kind` is the `type` of a hostPath. One that may be absent is made, empty."""

    path: PurePosixPath
    kind: str


def companion_paths(companions: Sequence[str]) -> tuple[HostPath, ...]:
    """The paths of these layouts and absolute paths, none inside another one."""
    kinds: dict[PurePosixPath, str] = {}
    for word in companions:
        patterns = [pattern for pattern, _ in LAYOUTS[word].places] if word in LAYOUTS else [word]
        for pattern in patterns:
            if "*" in pattern:
                kinds[PurePosixPath(pattern.partition("*")[0].rpartition("/")[0])] = "DirectoryOrCreate"
            else:
                kinds[PurePosixPath(pattern)] = "File" if word in LAYOUTS else ""
    return tuple(HostPath(path, kinds[path]) for path in outermost(kinds))
