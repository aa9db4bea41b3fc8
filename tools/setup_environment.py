"""Make the project's own virtual environment, with the locked dependencies and the project itself in editable form.

Every `make` target calls this first. Standard library only, for it runs on a bare machine. A stamp in the environment
holds the hash of all that went into it; while that agrees, nothing is done and nothing is said.

    python3 tools/setup_environment.py [--directory .venv] [--python python3.12] [--lock requirements/dev.lock ...]
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = (3, 11)
STAMP = "backstay-stamp"


class SetupFailed(Exception):
    """The environment cannot be made; the message names the next step."""


def main(arguments: list[str]) -> int:
    """Make or complete one environment; returns the exit status."""
    if sys.version_info < OLDEST_PYTHON:
        sys.stderr.write(f"setup: Python 3.11 or newer is needed, not {sys.version.split()[0]}: make PYTHON=...\n")
        return 2
    parser = argparse.ArgumentParser(description="Make the project's virtual environment.")
    parser.add_argument("--directory", default=".venv", help="where, below the project")
    parser.add_argument("--python", default=sys.executable, help="the interpreter it is made with")
    parser.add_argument("--lock", action="append", help="a lock file; several are installed in turn")
    options = parser.parse_args(arguments)
    locks = [ROOT / lock for lock in options.lock or ["requirements/dev.lock"]]
    try:
        make(ROOT / options.directory, options.python, locks)
    except SetupFailed as failure:
        sys.stderr.write(f"setup: {failure}\n")
        return 1
    return 0


def make(directory: Path, python: str, locks: list[Path]) -> None:
    """Bring `directory` to what the locks and pyproject.toml say. A second caller waits for the first."""
    descriptor = os.open(ROOT / f"{directory.name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        version = version_of(python)
        wanted = fingerprint(version, locks)
        stamp = directory / STAMP
        if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted and (directory / "bin" / "python").exists():
            return
        begun = time.monotonic()
        say(f"setup: making {directory.name}, or bringing it up to date (up to a minute; only inside the project)")
        inside = str(directory / "bin" / "python")
        if not has_pip(inside) or version_of(inside) != version:
            create(directory, python)
        stamp.unlink(missing_ok=True)
        pip = [inside, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", "install"]
        for lock in locks:
            say(f"setup: installing {lock.relative_to(ROOT)}")
            advice = "check that a Python package registry is reachable"
            run([*pip, "--require-hashes", "--no-deps", "-r", str(lock)], advice)
        run(
            [*pip, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)],
            "the project's own pyproject.toml or README.md may be at fault",
        )
        stamp.write_text(wanted, encoding="utf-8")
        say(f"setup: {directory.name} is ready after {time.monotonic() - begun:.0f} s")
    finally:
        os.close(descriptor)


def version_of(python: str) -> str:
    """The full version of an interpreter; not its path, for one interpreter has several."""
    try:
        return subprocess.run(
            [python, "-c", "import sys; sys.stdout.write(sys.version)"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise SetupFailed(f"`{python}` does not run: {error}") from error


def has_pip(python: str) -> bool:
    """Whether an environment's interpreter is there and has pip: an unfinished environment has not."""
    try:
        return subprocess.run([python, "-c", "import pip"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def fingerprint(version: str, locks: list[Path]) -> str:
    """The hash of everything that decides what an environment holds."""
    digest = hashlib.sha256(f"{version}\n{ROOT}\n".encode())
    for path in [*locks, ROOT / "pyproject.toml", Path(__file__)]:
        try:
            digest.update(path.read_bytes())
        except OSError as error:
            raise SetupFailed(f"{path.name} cannot be read: {error.strerror}") from error
    return digest.hexdigest() + "\n"


def create(directory: Path, python: str) -> None:
    """An empty environment with pip in it; by `venv`, or by virtualenv where Debian has taken venv apart."""
    if directory.exists():
        shutil.rmtree(directory)
    whole = subprocess.run([python, "-c", "import ensurepip, venv"], capture_output=True, check=False)
    if whole.returncode == 0:
        run([python, "-m", "venv", str(directory)], "`python3 -m venv` must work; on Debian: apt install python3-venv")
        return
    say("setup: this Python has no ensurepip (Debian ships it in python3-venv); trying virtualenv instead")
    with tempfile.TemporaryDirectory(prefix="backstay-setup-") as scratch:
        advice = "install Debian's python3-venv, or pip, and run this again"
        run([python, "-m", "pip", "install", "--quiet", "--target", scratch, "virtualenv"], advice)
        environment = {**os.environ, "PYTHONPATH": scratch}
        run([python, "-m", "virtualenv", "--quiet", str(directory)], advice, environment)


def run(command: list[str], advice: str, environment: dict[str, str] | None = None) -> None:
    """Run one step; its own words are shown only when it fails."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        sys.stderr.write(done.stdout)
        raise SetupFailed(f"`{' '.join(command[1:4])} ...` failed with status {done.returncode}: {advice}")


def say(line: str) -> None:
    """One line for the person who waits."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
