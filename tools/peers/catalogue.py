"""What is known of the test peers: the wanted releases, their place on this machine, what the last installation said.

`install` writes the cache and the report; `tests/peers.py` reads them. Standard library only: `make peers` runs this
before anything is installed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
VERSIONS_FILE = HERE / "versions.toml"
GO_MODULES = HERE / "go"
SOURCES = ("debian", "wheel", "go")
GO_PROGRAMS = {"etcd": "server", "etcdctl": "etcdctl", "etcdutl": "etcdutl"}
ANSWER_SECONDS = 60.0


class CatalogueError(ValueError):
    """`versions.toml` says something this program cannot follow."""


@dataclass(frozen=True, slots=True)
class PeerRelease:
    """One wanted release of etcd and where it comes from."""

    version: str
    source: str
    programs: Mapping[str, str]  # our name of the program -> its place inside what the source delivers
    package_version: str = ""
    packages: tuple[str, ...] = ()
    requirement: str = ""
    sha256: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\d+\.\d+\.\d+", self.version):
            raise CatalogueError(f"peer version `{self.version}` is not of the form MAJOR.MINOR.PATCH")
        if self.source not in SOURCES:
            raise CatalogueError(f"peer {self.version}: source `{self.source}` is not one of {', '.join(SOURCES)}")
        if not {"etcd", "etcdctl"} <= set(self.programs):
            raise CatalogueError(f"peer {self.version}: programs must name etcd and etcdctl")
        if self.source == "debian" and not (self.packages and self.package_version):
            raise CatalogueError(f"peer {self.version}: a debian peer needs packages and package_version")
        if self.source == "wheel" and not self.requirement:
            raise CatalogueError(f"peer {self.version}: a wheel peer needs a requirement")


@dataclass(frozen=True, slots=True)
class Installed:
    """What the last installation says of one release: ready at `path`, or missing for `reason`."""

    version: str
    path: Path
    reason: str = ""

    @property
    def ready(self) -> bool:
        """Whether the release can be used."""
        return not self.reason


def parse(text: str) -> tuple[PeerRelease, ...]:
    """The releases that a versions file names, in its order."""
    try:
        entries = tomllib.loads(text).get("peer", [])
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"versions file: {error}") from error
    releases = []
    for entry in entries:
        values = dict(entry)
        values["packages"] = tuple(values.get("packages", ()))
        if values.get("source") == "go":
            values.setdefault("programs", GO_PROGRAMS)
        try:
            releases.append(PeerRelease(**values))
        except TypeError as error:
            raise CatalogueError(f"peer {values.get('version', '?')}: {error}") from error
    versions = [release.version for release in releases]
    if len(set(versions)) != len(versions):
        raise CatalogueError("versions file: a version is named twice")
    return tuple(releases)


def wanted() -> tuple[PeerRelease, ...]:
    """The releases of this project's versions file."""
    return parse(VERSIONS_FILE.read_text(encoding="utf-8"))


def cache_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """Where peers are kept: `$BACKSTAY_PEERS`, else under the user's cache directory."""
    if chosen := environment.get("BACKSTAY_PEERS"):
        return Path(chosen).expanduser().absolute()
    base = environment.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "backstay" / "peers"


def place(release: PeerRelease, cache: Path) -> Path:
    """The directory of one release inside the cache."""
    return cache / f"etcd-{release.version}"


def fault(release: PeerRelease, directory: Path) -> str:
    """Why `directory` does not hold a working `release`; empty when it does. Runs `etcd --version`."""
    for program in release.programs:
        if not os.access(directory / program, os.X_OK) or not (directory / program).is_file():
            return f"`{program}` is not in the cache"
    try:
        answer = subprocess.run(
            [directory / "etcd", "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
            check=False,
            # 3.4 refuses to start at all on other architectures than amd64 unless it is told so.
            env={**os.environ, "ETCD_UNSUPPORTED_ARCH": os.environ.get("ETCD_UNSUPPORTED_ARCH", os.uname().machine)},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"`etcd --version` does not run: {error}"
    found = re.search(r"etcd Version: (\S+)", answer.stdout)
    if found is None:
        return f"`etcd --version` answered with status {answer.returncode} and no version"
    if found[1] != release.version:
        return f"`etcd --version` answered {found[1]}"
    return ""


def write_report(cache: Path, results: list[Installed]) -> None:
    """Keep what an installation found, for the tests' summary."""
    body = {"peers": [{"version": r.version, "ready": r.ready, "reason": r.reason} for r in results]}
    partial = cache / f".report.{os.getpid()}"
    partial.write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")
    partial.replace(cache / "report.json")


def recorded_reasons(cache: Path) -> dict[str, str]:
    """version -> why the last installation could not provide it; empty when none ran or its report is unreadable."""
    try:
        report = json.loads((cache / "report.json").read_text(encoding="utf-8"))
        return {str(peer["version"]): str(peer["reason"]) for peer in report["peers"] if not peer["ready"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
