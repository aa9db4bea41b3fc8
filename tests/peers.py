"""The real etcds and other servers (tools) that tests run against: what `make peers` installed, and what is missing.

Tests take the fixture `etcd_peer` (every release) or `newest_peer` (one), or call `peer("3.5.35")`; for another server
they call `tool("sshd")`. What is not there skips the test with `NOT_FOUND` and the recorded reason; `conftest` counts
those for the summary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tools.peers import catalogue
from tools.peers.catalogue import PeerRelease

NOT_FOUND = "peer not found: "
VERSIONS = tuple(release.version for release in catalogue.wanted() if release.is_etcd)
TOOLS = tuple(release.name for release in catalogue.wanted() if not (release.is_etcd or release.is_on_demand))


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


@dataclass(frozen=True, slots=True)
class Tool:
    """Another server: the directory of its programs and libraries, and the environment that they run in."""

    name: str
    version: str
    directory: Path
    environment: Mapping[str, str]

    @property
    def program(self) -> Path:
        """The program that bears the tool's name."""
        return self.directory / self.name


@cache
def find(version: str) -> Peer | str:
    """The peer of a version, or the reason why it is not here."""
    found = locate(version)
    if isinstance(found, str):
        return found
    release, place = found
    utility = place / "etcdutl" if "etcdutl" in release.programs else None
    return Peer(version, place / "etcd", place / "etcdctl", utility)


@cache
def find_tool(name: str) -> Tool | str:
    """The tool of a name, or the reason why it is not here."""
    found = locate(name)
    if isinstance(found, str):
        return found
    release, place = found
    return Tool(name, release.version, place, catalogue.running_environment(release, place))


def locate(key: str) -> tuple[PeerRelease, Path] | str:
    """An entry of the versions file and its directory, or the reason why it is not here."""
    releases = {release.key: release for release in catalogue.wanted()}
    if key not in releases:
        raise LookupError(f"`{key}` is not in tools/peers/versions.toml")
    release, directory = releases[key], catalogue.cache_directory()
    place = catalogue.place(release, directory)
    if fault := catalogue.fault(release, place):
        return catalogue.recorded_reasons(directory).get(key, f"{fault}; `make peers` installs it")
    return release, place


def peer(version: str) -> Peer:
    """The peer of a version; skips the running test when it is not here."""
    found = find(version)
    if isinstance(found, str):
        pytest.skip(f"{NOT_FOUND}etcd {version}: {found}")
    return found


def tool(name: str) -> Tool:
    """The tool of a name; skips the running test when it is not here."""
    found = find_tool(name)
    if isinstance(found, str):
        pytest.skip(f"{NOT_FOUND}{name}: {found}")
    return found


def newest() -> Peer:
    """The newest release that is here; skips the running test when there is none."""
    for version in sorted(VERSIONS, key=lambda v: [int(part) for part in v.split(".")], reverse=True):
        found = find(version)
        if isinstance(found, Peer):
            return found
    pytest.skip(f"{NOT_FOUND}any etcd: `make peers` installs them")


def missing() -> dict[str, str]:
    """Name -> reason of every release and tool that `make peers` installs and that is not here."""
    found: dict[str, Peer | Tool | str] = {f"etcd {version}": find(version) for version in VERSIONS}
    found |= {name: find_tool(name) for name in TOOLS}
    return {name: reason for name, reason in found.items() if isinstance(reason, str)}
