"""Run the checks and the tests, stage by stage: `make test` and `make lint`.

The first stage that fails ends the run, and the last lines say which it was, what ran, and what could not. Arguments
after `--` go to pytest. Stages: ruff, mypy, import-linter, house rules, pytest; then the fast suites on the other
Pythons of this machine, one of them with the oldest dependencies that we promise to work with.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
PROGRAMS = Path(PYTHON).parent
OTHER_PYTHONS = {"3.12": ["requirements/dev.lock", "requirements/oldest.lock"], "3.13": ["requirements/dev.lock"]}
FAST_SUITES = ("tests/unit", "tests/contract", "tests/cli")
NOTHING_COLLECTED = 5  # pytest's exit status

Stage = tuple[str, Callable[[], int]]


def main(arguments: list[str]) -> int:
    """Run `lint` or `test`; returns the status of the first failing stage."""
    if not arguments or arguments[0] not in ("lint", "test"):
        sys.stderr.write("usage: python -m tools.run_tests lint|test [-- PYTEST_ARGUMENT...]\n")
        return 2
    extra = arguments[arguments.index("--") + 1 :] if "--" in arguments else []
    notes: list[str] = []
    stages = lint_stages()
    if arguments[0] == "test":
        stages.append(("pytest", partial(pytest, PYTHON, [], extra)))
        if not extra:
            stages += other_python_stages(notes)
    passed: list[str] = []
    for name, stage in stages:
        begun = time.monotonic()
        say(f"== {name}")
        status = stage()
        if status != 0:
            for note in notes:
                say(f"note: {note}")
            say(f"FAILED at `{name}` (status {status}); passed before it: {', '.join(passed) or 'nothing'}")
            return status
        passed.append(f"{name} {time.monotonic() - begun:.0f} s")
    for note in notes:
        say(f"note: {note}")
    say(f"PASSED: {', '.join(passed)}")
    return 0


def lint_stages() -> list[Stage]:
    """Everything that reads the code without running it."""
    return [
        ("ruff check", lambda: run([program("ruff"), "check", "--quiet", "."])),
        ("ruff format", lambda: run([program("ruff"), "format", "--check", "--quiet", "."], "run `make format`")),
        ("mypy", lambda: run([program("mypy"), "--no-error-summary"])),
        ("import-linter", lambda: quiet([program("lint-imports"), "--no-cache"])),
        ("house rules", lambda: run([PYTHON, "-m", "tools.check_house"])),
    ]


def other_python_stages(notes: list[str]) -> list[Stage]:
    """The fast suites on every other Python that we promise and this machine has; what it has not goes into `notes`."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    stages: list[Stage] = []
    suites = [suite for suite in FAST_SUITES if any((ROOT / suite).glob("**/test_*.py"))]
    for version, locks in OTHER_PYTHONS.items():
        if version == own:
            continue
        python = find_python(version)
        if python is None:
            notes.append(f"Python {version} is not on this machine: the fast suites did not run on it")
        elif suites:
            with_oldest = " with the oldest dependencies" if len(locks) > 1 else ""
            stage = partial(on_other_python, version, python, locks, suites)
            stages.append((f"Python {version}{with_oldest}", stage))
    return stages


def find_python(version: str) -> str | None:
    """The interpreter of a version: from PATH, or from pyenv's versions, only if it really answers that version."""
    candidates = [shutil.which(f"python{version}")]
    if pyenv := os.environ.get("PYENV_ROOT") or shutil.which("pyenv"):
        versions = Path(pyenv if Path(pyenv).is_dir() else Path(pyenv).resolve().parent.parent) / "versions"
    else:
        versions = Path("~/.pyenv/versions").expanduser()
    candidates += [str(path) for path in sorted(versions.glob(f"{version}.*/bin/python{version}"))]
    for candidate in candidates:
        if candidate is None:
            continue
        question = "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)"
        answer = subprocess.run([candidate, "-c", question], capture_output=True, text=True, check=False)
        if answer.returncode == 0 and answer.stdout.split(maxsplit=1)[0] == version:
            return answer.stdout.split(maxsplit=1)[1].strip()
    return None


def on_other_python(version: str, python: str, locks: list[str], suites: list[str]) -> int:
    """The fast suites in an environment of that Python."""
    directory = f".venv-{version}"
    setup = [PYTHON, str(ROOT / "tools" / "setup_environment.py"), "--directory", directory, "--python", python]
    for lock in locks:
        setup += ["--lock", lock]
    return run(setup) or pytest(str(ROOT / directory / "bin" / "python"), suites, ["-q"])


def pytest(python: str, suites: list[str], extra: list[str]) -> int:
    """One pytest run. An explicit `-n` or `-p no:xdist` in `extra` wins over ours."""
    workers = [] if any(argument.startswith(("-n", "--pdb", "no:xdist")) for argument in extra) else ["-n", "2"]
    status = run([python, "-m", "pytest", *workers, *suites, *extra])
    return 0 if status == NOTHING_COLLECTED and not extra else status


def program(name: str) -> str:
    """A program of the environment that this runs in."""
    return str(PROGRAMS / name)


def run(command: list[str], advice: str = "") -> int:
    """Run one program with its output shown."""
    status = subprocess.run(command, cwd=ROOT, check=False).returncode
    if status != 0 and advice:
        say(advice)
    return status


def quiet(command: list[str]) -> int:
    """Run one program and show its output only when it fails."""
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        sys.stdout.write(done.stdout)
    return done.returncode


def say(line: str) -> None:
    """One line, in order with the output of the programs we start."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
