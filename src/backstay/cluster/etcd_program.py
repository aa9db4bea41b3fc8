"""Finding a real etcd on this machine: the program that proves a restored directory by starting on it.

Called by drill, recover and `cluster up`. Nothing is installed or fetched; what is not there is reported with where it was
looked for.
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

_RELEASE = re.compile(r"etcd-(\d+\.\d+\.\d+)", re.ASCII)


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


def cached_etcds(cache: Path) -> tuple[Path, ...]:
    """The programs that `make peers` has put into `cache` (`etcd-VERSION/etcd`), the newest release first."""
    found = [(match[1], path) for path in cache.glob("etcd-*/etcd") if (match := _RELEASE.fullmatch(path.parent.name))]
    return tuple(path for _, path in sorted(found, key=lambda each: version_numbers(each[0]), reverse=True))


def version_numbers(version: str) -> tuple[int, ...]:
    """`3.7.3` as numbers that can be compared."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def etcd_environment() -> dict[str, str]:
    """The environment for an etcd that takes its settings from its flags alone, on any machine."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ETCD")}
    return environment | {"ETCD_UNSUPPORTED_ARCH": os.uname().machine}


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
