"""What this host remembers of its runs of one cluster, so that it knows what is due without asking anybody.

    STATE/clusters/<cluster>/runs-0000000000000042      JSON: of each copy its last runs, and when it was last cared for
    STATE/clusters/<cluster>/lock                       held by the run that is at work

A new file is written whole, then the older ones are removed. What cannot be read counts as nothing remembered: a damaged
note must not keep backups from being made, and what is really there the places themselves say.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backstay import errors
from backstay.durable import Disk, translated, write_durable
from backstay.policy.schedule import RECENT_RUNS, Run

_FORMAT = 1
_PREFIX = "runs-"
_LARGEST = 1 << 20
_FAILURES = 12
_UNREADABLE = (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True)
class CopyMemory:
    """Of one copy. `problem` is the code of the last failure, empty after a success. Times of `levels`: see `Care`.

    `seen` is the latest date of any of its points, also of those that a clock made which was ahead.
    """

    runs: tuple[Run, ...] = ()
    problem: str = ""
    cared: datetime | None = None
    levels: Mapping[str, datetime] = field(default_factory=dict)
    waiting_since: datetime | None = None
    rebuilt_seconds: float | None = None
    seen: datetime | None = None

    @property
    def last_good(self) -> Run | None:
        """The newest run that left a point."""
        return max((run for run in self.runs if run.good), key=lambda run: run.started, default=None)

    @property
    def failures(self) -> int:
        """How many runs have failed since."""
        last = self.last_good
        return sum(not run.good and (last is None or run.started > last.started) for run in self.runs)

    def after(self, run: Run, problem: str) -> CopyMemory:
        """With one run more; only what a schedule can use is kept.

        Runs that claim to be later than this one were dated by a clock that was ahead. They are forgotten now: when the clock
        has reached their dates, they would pass for the newest ones, and what is due would wait for them.
        """
        runs = [each for each in (*self.runs, run) if each.started <= run.started]
        good = sorted((each for each in runs if each.good), key=lambda each: each.started)[-RECENT_RUNS:]
        failed = [each for each in runs if not each.good][-_FAILURES:]
        seen = max(filter(None, (self.seen, *(each.started for each in self.runs), run.started)))
        return replace(self, runs=(*good, *failed), problem=problem, seen=seen)


@dataclass(frozen=True, slots=True)
class RunMemory:
    """Of one cluster, by the names of its copies. `maintained` is when a maintainer last ended well."""

    copies: Mapping[str, CopyMemory] = field(default_factory=dict)
    maintained: datetime | None = None
    source_problem: str = ""

    def of(self, name: str) -> CopyMemory:
        """What is remembered of a copy."""
        return self.copies.get(name, CopyMemory())

    def with_copy(self, name: str, copy: CopyMemory) -> RunMemory:
        """With something new of one copy."""
        return replace(self, copies={**self.copies, name: copy})


class RunJournal:
    """The files of one cluster."""

    def __init__(self, state: Path, cluster: str, disk: Disk) -> None:
        self._directory = state / "clusters" / cluster
        self._disk = disk

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock. Raises `RUN_AT_WORK`. Where no lock can be had, a full or unwritable disk, the block runs without."""
        descriptor = self._lock()
        try:
            yield
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _lock(self) -> int | None:
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return None  # a backup without a lock is better than none
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise errors.RUN_AT_WORK.error("another run is at work", where=str(self._directory)) from None
        except OSError:
            pass  # a file system without locks: then nobody can hold one
        return descriptor

    def load(self) -> RunMemory:
        """What is remembered; nothing where there is nothing that can be read."""
        for path in reversed(self._files()):
            with contextlib.suppress(*_UNREADABLE), path.open("rb") as file:
                return decode(file.read(_LARGEST))
        return RunMemory()

    def save(self, memory: RunMemory) -> None:
        """Remember. Raises what writing raises."""
        with translated(self._directory):
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        files = self._files()
        number = int(files[-1].name.removeprefix(_PREFIX)) + 1 if files else 1
        write_durable(self._disk, self._directory / f"{_PREFIX}{number:016d}", encode(memory))
        with translated(self._directory):
            for old in files:
                old.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        names = (path for path in self._directory.glob(f"{_PREFIX}*") if path.name.removeprefix(_PREFIX).isdecimal())
        return sorted(names)


def encode(memory: RunMemory) -> bytes:
    """For a file."""
    value = {
        "format": _FORMAT,
        "maintained": _text(memory.maintained),
        "source_problem": memory.source_problem,
        "copies": {
            name: {
                "runs": [[_text(run.started), _text(run.ended), run.good] for run in copy.runs],
                "problem": copy.problem,
                "cared": _text(copy.cared),
                "levels": {level: _text(time) for level, time in copy.levels.items()},
                "waiting_since": _text(copy.waiting_since),
                "rebuilt_seconds": copy.rebuilt_seconds,
                "seen": _text(copy.seen),
            }
            for name, copy in memory.copies.items()
        },
    }
    return json.dumps(value, indent=1).encode() + b"\n"


def decode(data: bytes) -> RunMemory:
    """What `encode` wrote; raises `ValueError`, `TypeError`, `KeyError` or `AttributeError` for anything else."""
    value = json.loads(data)
    if value["format"] != _FORMAT:
        raise ValueError("it is of another release")
    return RunMemory(
        {name: _copy(each) for name, each in value["copies"].items()},
        _time(value["maintained"]),
        str(value["source_problem"]),
    )


def _copy(value: Mapping[str, Any]) -> CopyMemory:
    runs = [(_time(started), _time(ended), bool(good)) for started, ended, good in value["runs"]]
    levels = {str(level): _time(time) for level, time in value["levels"].items()}
    seconds = value["rebuilt_seconds"]
    return CopyMemory(
        tuple(Run(started, ended, good) for started, ended, good in runs if started and ended),
        str(value["problem"]),
        _time(value["cared"]),
        {level: time for level, time in levels.items() if time is not None},
        _time(value["waiting_since"]),
        None if seconds is None else float(seconds),
        _time(value["seen"]),
    )


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.astimezone(UTC).isoformat()


def _time(value: object) -> datetime | None:
    if value is None:
        return None
    time = datetime.fromisoformat(str(value))
    if time.tzinfo is None:
        raise ValueError("a time without a zone")
    return time.astimezone(UTC)
