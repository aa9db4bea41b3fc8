"""Finding a real etcd on this machine: the program that proves a restored directory by starting on it.

Called by drill and recover. Nothing is installed or fetched; what is not there is reported with where it was looked for.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from backstay import errors

USUAL_PLACES = ("/usr/local/bin/etcd", "/usr/bin/etcd", "/opt/etcd/etcd", "/opt/bin/etcd")
ANSWER_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class EtcdProgram:
    """An etcd that runs here. `version` is MAJOR.MINOR.PATCH."""

    path: Path
    version: str


def find_etcd(named: Path | None, search_path: str, also: Iterable[Path] = ()) -> EtcdProgram | None:
    """The etcd that was named, else the first of `search_path` (as in $PATH), `also` and the usual places that runs.

    Raises `ETCD_PROGRAM_MISSING` only when a named one does not run.
    """
    if named is not None:
        version = _version(named)
        if version is None:
            raise errors.ETCD_PROGRAM_MISSING.error(f"`{named}` is no etcd that runs here", where=str(named))
        return EtcdProgram(named, version)
    folders = [Path(folder) / "etcd" for folder in search_path.split(os.pathsep) if folder]
    for path in dict.fromkeys([*folders, *also, *map(Path, USUAL_PLACES)]):
        version = _version(path)
        if version is not None:
            return EtcdProgram(path, version)
    return None


def _version(path: Path) -> str | None:
    if not path.is_file() or not os.access(path, os.X_OK):
        return None
    try:
        done = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"etcd Version: (\d+\.\d+\.\d+)", done.stdout)
    return found[1] if found else None
