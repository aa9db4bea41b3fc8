"""The real etcd releases that tests run against: what `make peers` has installed, and why something is missing.

Tests take the fixture `etcd_peer` (every release) or `newest_peer` (one), or call `peer("3.5.35")`. A release that is
not there skips the test with `NOT_FOUND` and the recorded reason; `conftest` counts those for the summary.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tools.peers import catalogue

NOT_FOUND = "peer not found: etcd "
VERSIONS = tuple(release.version for release in catalogue.wanted())


@dataclass(frozen=True, slots=True)
class Peer:
    """The programs of one release of etcd. `etcdutl` came with 3.5."""

    version: str
    etcd: Path
    etcdctl: Path
    etcdutl: Path | None

    @property
    def release(self) -> tuple[int, int]:
        """(3, 5) of 3.5.35: what decides about formats and rules."""
        major, minor, _ = self.version.split(".")
        return int(major), int(minor)

    def __str__(self) -> str:
        return f"etcd {self.version}"


@cache
def find(version: str) -> Peer | str:
    """The peer of a version, or the reason why it is not here."""
    releases = {release.version: release for release in catalogue.wanted()}
    if version not in releases:
        raise LookupError(f"etcd {version} is not in tools/peers/versions.toml")
    release, directory = releases[version], catalogue.cache_directory()
    place = catalogue.place(release, directory)
    if fault := catalogue.fault(release, place):
        return catalogue.recorded_reasons(directory).get(version, f"{fault}; `make peers` installs it")
    utility = place / "etcdutl" if "etcdutl" in release.programs else None
    return Peer(version, place / "etcd", place / "etcdctl", utility)


def peer(version: str) -> Peer:
    """The peer of a version; skips the running test when it is not here."""
    found = find(version)
    if isinstance(found, str):
        pytest.skip(f"{NOT_FOUND}{version}: {found}")
    return found


def newest() -> Peer:
    """The newest release that is here; skips the running test when there is none."""
    for version in sorted(VERSIONS, key=lambda v: [int(part) for part in v.split(".")], reverse=True):
        found = find(version)
        if isinstance(found, Peer):
            return found
    pytest.skip(f"{NOT_FOUND}any: `make peers` installs them")


def missing() -> dict[str, str]:
    """version -> reason of every release that is not here."""
    found = {version: find(version) for version in VERSIONS}
    return {version: reason for version, reason in found.items() if isinstance(reason, str)}
