"""Run the tests of a compiled suite, each in a process of its own with bounded time, and keep what each case said.

    place/results/e2e-published-backstay.json     test -> cases (outcome, seconds) and the starts that the shim saw
    place/results/e2e-published-backstay/Test.log what the test printed

A test that runs for longer than it may is ended with every etcd that it started. Results are kept after each test, so an
interrupted run goes on where it was.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tools.etcd_suite.building import Suite
from tools.peers import catalogue
from tools.peers.catalogue import PeerRelease

SERVERS = ("etcd", "backstay")
TEST_SECONDS = 300
"""etcd's own CI gives thirty minutes to everything; the slowest test takes two minutes here."""
GRACE_SECONDS = 20.0
PASSED, FAILED, SKIPPED, TIMED_OUT = "passed", "failed", "skipped", "timed out"
_OUTCOMES = {"PASS": PASSED, "FAIL": FAILED, "SKIP": SKIPPED}
_LINE = re.compile(r"--- (PASS|FAIL|SKIP): (\S+) \(([\d.]+)s\)")
_NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9 \-_]+")
_LAST_RELEASE = "3.6.16"


@dataclass(frozen=True, slots=True)
class Start:
    """A member that a test started: its name, how many members its store has, which server it became, its flags."""

    pid: int
    name: str
    members: int
    server: str
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """One case of a test: the whole test when it has no cases."""

    name: str
    outcome: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Result:
    """What one run of one test gave."""

    cases: tuple[Case, ...]
    starts: tuple[Start, ...] = field(default=())

    def starts_of(self, case: Case) -> tuple[Start, ...]:
        """The members that this case used: its own, else those of the test around it, else all of the run."""
        name = case.name
        while name:
            wanted = f"{_NOT_IN_A_NAME.sub('', name)}-test-"
            if found := tuple(start for start in self.starts if start.name.startswith(wanted)):
                return found
            name = name.rpartition("/")[0]
        return self.starts


class Runner:
    """The tests of one package in one form against one server; results and logs go to `place`, by default the suite's."""

    def __init__(self, suite: Suite, package: str, form: str, server: str, place: Path | None = None) -> None:
        place = place or suite.place
        self._suite = suite
        self._place = place
        self._package = package
        self._binary = suite.binary(package, form)
        self._name = f"{package}-{form}-{server}"
        self._server = server
        self._results = place / "results" / f"{self._name}.json"
        self._logs = place / "results" / self._name

    def tests(self) -> tuple[str, ...]:
        """The names of all tests, in the suite's order."""
        with self._workplace() as (directory, _):
            done = subprocess.run(
                [str(self._binary), "-test.list", "."], cwd=directory, capture_output=True, text=True, check=True
            )
        return tuple(line for line in done.stdout.splitlines() if line.startswith("Test"))

    def known(self) -> dict[str, Result]:
        """What earlier runs have given."""
        return load(self._results)

    def run(self, test: str, skipped: Iterable[str] = (), only: str = "") -> Result:
        """Run one test without the cases named in `skipped`, or only those that match `only`, and keep the result."""
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self.log_of(test)
        with self._workplace() as (directory, journal):
            command = [str(self._binary), "-test.v", "-test.run", f"^{test}${only}", f"-test.timeout={TEST_SECONDS}s"]
            if pattern := "|".join("/".join(f"^{re.escape(part)}$" for part in case.split("/")) for case in skipped):
                command += ["-test.skip", pattern]
            command += ["-bin-dir", str(directory.parent / "bin"), "-cert-dir", str(self._suite.fixtures)]
            if self._package == "e2e" and (last := _last_release()) is not None:
                command += ["-bin-last-release", str(last)]
            begun = time.monotonic()
            environment = {**os.environ, "RESULTS_DIR": str(self._logs)}  # where the robustness tests put their reports
            with log.open("wb") as output:
                process = subprocess.Popen(
                    command,
                    cwd=directory,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
                try:
                    process.wait(TEST_SECONDS + GRACE_SECONDS)
                except subprocess.TimeoutExpired:
                    pass
                finally:
                    process.kill()
                    process.wait()
                    starts = starts_in(journal)
                    end_leftovers(starts)
            seconds = time.monotonic() - begun
        result = Result(cases_in(log.read_text(errors="replace"), test, process.returncode, seconds), starts)
        known = self.known()
        known[test] = result
        save(self._results, known)
        return result

    def log_of(self, test: str) -> Path:
        """What the test printed when it ran last."""
        return self._logs / f"{test}.log"

    @contextmanager
    def _workplace(self) -> Iterator[tuple[Path, Path]]:
        """The directory that the test runs in, with what it expects beside it, and the shim's journal."""
        place = self._place / "work" / self._name
        directory, programs, journal = place / self._package, place / "bin", place / "starts"
        if directory.exists():
            shutil.rmtree(directory)  # some tests leave a store in the directory they run in
        for made in (directory, programs):
            made.mkdir(parents=True, exist_ok=True)
        for link, target in ((place / "fixtures", self._suite.fixtures), *self._programs(programs)):
            link.unlink(missing_ok=True)
            link.symlink_to(target)
        own = [sys.executable, "-m", "backstay", "serve"] if self._server == "backstay" else None
        settings = {"etcd": str(_etcd(self._suite.version) / "etcd"), "own": own, "journal": str(journal)}
        (place / "shim.json").write_text(json.dumps(settings))
        shim = Path(__file__).with_name("shim.py")
        script = programs / "etcd"
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{shim}" "{place / "shim.json"}" "$@"\n')
        script.chmod(0o755)
        journal.write_text("")
        yield directory, journal

    def _programs(self, place: Path) -> Iterator[tuple[Path, Path]]:
        for name in ("etcdctl", "etcdutl"):
            yield place / name, _etcd(self._suite.version) / name


@contextmanager
def only_one(place: Path, column: str = "network") -> Iterator[None]:
    """The suite uses fixed ports: a second run in the same network waits for the first, and so does one of the same column."""
    network = Path("/proc/self/ns/net").stat().st_ino if sys.platform.startswith("linux") else 0
    with (place / f".lock-{network if column == 'network' else column}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def cases_in(text: str, test: str, status: int, seconds: float) -> tuple[Case, ...]:
    """The cases that a test's output names; those around others are left out. A run without an end timed out or died."""
    found = {name: Case(name, _OUTCOMES[word], float(took)) for word, name, took in _LINE.findall(text)}
    begun = [name for name in re.findall(r"^=== RUN\s+(\S+)", text, re.MULTILINE) if name not in found]
    for name in begun:
        outcome = TIMED_OUT if "panic: test timed out" in text or status < 0 else FAILED
        found[name] = Case(name, outcome, seconds)
    if not found:
        return (Case(test, FAILED if status else SKIPPED, seconds),)
    # The name of one case may hold slashes of its own, so every beginning of a name may be the test around it.
    parents = {name[:end] for name in found for end, letter in enumerate(name) if letter == "/"}
    leaves = tuple(case for case in found.values() if case.name not in parents)
    whole = found.get(test)
    if (
        whole is not None
        and whole.outcome in (FAILED, TIMED_OUT)
        and all(c.outcome in (PASSED, SKIPPED) for c in leaves)
    ):
        leaves += (whole,)
    return leaves


def starts_in(journal: Path) -> tuple[Start, ...]:
    """What the shim has written down."""
    return tuple(start_of(json.loads(line)) for line in journal.read_text().splitlines())


def start_of(fields: dict[str, Any]) -> Start:
    """A start from its JSON."""
    return Start(**{**fields, "words": tuple(fields.get("words", ()))})


def end_leftovers(starts: Iterable[Start]) -> None:
    """Kill the members that a test has left behind: processes with the shim's pid that still have their flags."""
    for start in starts:
        try:
            words = Path(f"/proc/{start.pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if set(start.words) <= set(words):
            os.kill(start.pid, signal.SIGKILL)


def load(path: Path) -> dict[str, Result]:
    """Results from a file; none when there is no file."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return {
        test: Result(tuple(Case(*case) for case in each["cases"]), tuple(map(start_of, each["starts"])))
        for test, each in document.items()
    }


def save(path: Path, results: Mapping[str, Result]) -> None:
    """Write results as a whole."""
    document = {
        test: {
            "cases": [[case.name, case.outcome, case.seconds] for case in result.cases],
            "starts": [asdict(start) for start in result.starts],
        }
        for test, result in results.items()
    }
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(document, indent=1), encoding="utf-8")
    unfinished.rename(path)


def _etcd(version: str) -> Path:
    return catalogue.place(_release(version), catalogue.cache_directory())


def _last_release() -> Path | None:
    """The etcd of the minor version before, which the tests of upgrades and downgrades start."""
    program = _etcd(_LAST_RELEASE) / "etcd"
    return program if program.is_file() else None


def _release(version: str) -> PeerRelease:
    return next(release for release in catalogue.wanted() if release.key == version)
