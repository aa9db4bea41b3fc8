"""Runs as agent: one bad place costs only itself, what is remembered survives damage, and clocks that were ahead are forgotten."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backstay import errors
from backstay.durable import LocalDisk
from backstay.errors import ExitStatus
from backstay.etcd.connection import ConnectionOptions
from backstay.jobs.automation.agent import Agent, AgentReport, plans_of
from backstay.jobs.automation.copy import Care, Look, Stored
from backstay.jobs.automation.crew import AtOnce, InTurn
from backstay.jobs.automation.journal import CopyMemory, RunJournal, RunMemory
from backstay.jobs.automation.promised import promised
from backstay.jobs.automation.reading import read_cluster
from backstay.policy.copies import CopyPlace
from backstay.policy.schedule import Run
from backstay.policy.tiers import BUILT_IN
from backstay.snapshot.opened import open_file
from backstay.telemetry import SilentProgress
from backstay.testing.clock import SteppingClock
from tests.fake_member import FakeMember
from tests.saving import content_of

NOW = datetime(2026, 11, 27, 18, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PROMISE = promised("prod", "fra", BUILT_IN["critical"])
PLACE = CopyPlace("disk", "fra", object_store=False, plain=False)


@dataclass
class Shelf:
    """A copy that does what a test wants."""

    name: str
    place: CopyPlace = PLACE
    opening: Callable[[], None] = lambda: None
    storing: Callable[[], None] = lambda: None
    caring: Callable[[], Care] = Care
    stored: list[datetime] = field(default_factory=list)

    @contextmanager
    def open(self) -> Iterator[Shelf]:
        self.opening()
        yield self

    def newest(self, now: datetime) -> datetime | None:
        return self.stored[-1] if self.stored else None

    def store(self, source: None, taken: datetime) -> Stored:
        self.storing()
        self.stored.append(taken)
        return Stored("point", 1)

    def care(self, now: datetime, last: datetime | None) -> Care:
        return self.caring()

    def look(self, now: datetime) -> Look:
        return Look("point", self.newest(now), None, None)


def fails(kind: errors.ErrorKind) -> Callable[[], None]:
    def fail() -> None:
        raise kind.error("it fails")

    return fail


@contextmanager
def source() -> Iterator[None]:
    yield


def once(*copies: Shelf, memory: RunMemory | None = None, clock: SteppingClock | None = None) -> AgentReport:
    agent = Agent(PROMISE, copies, source, clock=clock or SteppingClock(), crew=InTurn())
    return agent.run(memory or RunMemory())


@pytest.mark.parametrize(
    ("problems", "status"),
    [
        ({}, ExitStatus.OK),
        ({"far": errors.STORAGE_UNREACHABLE}, ExitStatus.WARNINGS),
        ({"near": errors.STORAGE_FULL, "far": errors.STORAGE_UNREACHABLE}, ExitStatus.STORAGE),
        ({"far": errors.REPOSITORY_ROLLED_BACK}, ExitStatus.TAMPERED),
        ({"near": errors.SIGNING_KEY_INVALID, "far": errors.SIGNING_KEY_INVALID}, ExitStatus.KEY_OR_PERMISSION),
    ],
)
def test_the_exit_status_is_the_worst_and_one_dead_copy_is_a_warning(
    problems: dict[str, errors.ErrorKind], status: ExitStatus
) -> None:
    copies = [
        Shelf(name, storing=fails(problems[name]) if name in problems else lambda: None) for name in ("near", "far")
    ]
    report = once(*copies)
    assert report.exit_status is status
    assert [len(copy.stored) for copy in copies] == [int(copy.name not in problems) for copy in copies]


def test_a_defect_in_one_copy_costs_only_that_one() -> None:
    def defect() -> None:
        raise ZeroDivisionError("a defect")

    near, far = Shelf("near", storing=defect), Shelf("far")
    report = once(near, far)
    assert (report.exit_status, len(far.stored)) == (ExitStatus.WARNINGS, 1)
    assert report.outcomes[0].failure is not None
    assert report.outcomes[0].failure.kind is errors.UNEXPECTED


def test_a_defect_while_the_cluster_is_read_is_remembered_as_a_failure() -> None:
    @contextmanager
    def broken() -> Iterator[None]:
        raise ZeroDivisionError("a defect")
        yield

    report = Agent(PROMISE, [Shelf("near")], broken, clock=SteppingClock(), crew=InTurn()).run(RunMemory())
    assert report.exit_status is ExitStatus.ERROR
    assert report.memory.source_problem == report.memory.of("near").problem == "unexpected"


def test_a_place_that_does_not_answer_is_no_reason_to_read_the_cluster() -> None:
    reads: list[int] = []

    @contextmanager
    def counted() -> Iterator[None]:
        reads.append(1)
        yield

    copies = [Shelf(name, opening=fails(errors.STORAGE_UNREACHABLE)) for name in ("near", "far")]
    report = Agent(PROMISE, copies, counted, clock=SteppingClock(), crew=InTurn()).run(RunMemory())
    assert (report.exit_status, reads) == (ExitStatus.STORAGE, [])


def test_several_hosts_that_run_for_one_cluster_share_the_work() -> None:
    clock, reads = SteppingClock(), list[datetime]()

    @contextmanager
    def counted() -> Iterator[None]:
        reads.append(clock.now())
        yield

    shelves = [Shelf("near"), Shelf("far")]
    hosts = [Agent(PROMISE, shelves, counted, clock=clock, crew=InTurn()) for _ in range(3)]
    memories = [RunMemory()] * 3
    for _ in range(120):
        for number, host in enumerate(hosts):
            report = host.run(memories[number])
            memories[number] = report.memory
            clock.sleep(2)
        clock.sleep(54)
    assert len(reads) == pytest.approx(120 * MINUTE / PROMISE.interval, abs=2)
    gaps = [after - before for before, after in itertools.pairwise(reads)]
    assert max(gaps) <= PROMISE.rpo


def test_verification_that_fails_does_not_undo_the_point() -> None:
    def fail() -> Care:
        raise errors.STORAGE_UNREACHABLE.error("it fails")

    report = once(Shelf("near", caring=fail))
    assert report.exit_status is ExitStatus.WARNINGS
    assert report.memory.of("near").last_good is not None
    assert report.memory.of("near").cared is None


def test_a_copy_that_hangs_is_left_behind() -> None:
    over = threading.Event()
    outcome = AtOnce().work({"slow": lambda: over.wait(60), "fast": lambda: True}, 0.05)
    over.set()
    assert outcome["fast"] is True
    assert isinstance(outcome["slow"], errors.BackstayError)
    assert outcome["slow"].kind is errors.COPY_LATE


def test_a_slow_copy_does_not_make_the_others_look_slow() -> None:
    clock = SteppingClock()
    report = once(Shelf("near"), Shelf("far", storing=lambda: clock.sleep(400)), clock=clock)
    plans = plans_of(PROMISE, report.memory.copies, clock.now())
    assert plans["near"].start - report.started == PROMISE.interval
    assert plans["far"].start - report.started < PROMISE.interval


def test_a_copy_is_tried_again_soon_and_rarer_while_others_are_fresh() -> None:
    bad = CopyMemory().after(Run(NOW, NOW + MINUTE, good=False), "storage-full")
    good = CopyMemory().after(Run(NOW, NOW + MINUTE, good=True), "")
    now = NOW + 2 * MINUTE
    for _ in range(8):
        bad = bad.after(Run(now, now, good=False), "storage-full")
    alone, beside = plans_of(PROMISE, {"far": bad}, now), plans_of(PROMISE, {"far": bad, "near": good}, now)
    assert alone["far"].start - now == PROMISE.rpo / 15
    assert beside["far"].start - now == PROMISE.interval


def test_runs_of_a_clock_that_was_ahead_are_forgotten_when_it_is_right_again() -> None:
    ahead = CopyMemory().after(Run(NOW + timedelta(hours=2), NOW + timedelta(hours=2), good=True), "")
    right = ahead.after(Run(NOW, NOW, good=True), "")
    assert right.last_good == Run(NOW, NOW, good=True)
    later = NOW + timedelta(hours=2, minutes=1)
    assert plans_of(PROMISE, {"near": right}, later)["near"].due(later)


def test_what_is_remembered_comes_back_and_damage_counts_as_nothing(tmp_path: Path) -> None:
    journal = RunJournal(tmp_path, "prod", LocalDisk())
    assert journal.load() == RunMemory()
    care = Care(1, 0, (), {"intact": NOW}, NOW, 1.5)
    report = once(Shelf("near", caring=lambda: care))
    for _ in range(3):
        journal.save(report.memory)
    assert journal.load() == report.memory
    (file,) = tmp_path.glob("clusters/prod/runs-*")
    for damage in (b"", b"{}", b"[" * 100_000, b"\xff\xfe", file.read_bytes()[:-9], b'{"format": 1, "copies": 3}'):
        file.write_bytes(damage)
        assert journal.load() == RunMemory()


def test_two_runs_at_once_are_refused(tmp_path: Path) -> None:
    journal = RunJournal(tmp_path, "prod", LocalDisk())
    with journal.alone(), pytest.raises(errors.BackstayError) as caught, journal.alone():
        pass
    assert caught.value.kind is errors.RUN_AT_WORK


def test_nothing_hangs_on_the_cluster_while_copies_are_stored(tmp_path: Path) -> None:
    """P17: the snapshot is read to the end and the connection closed before any storage is written to."""
    left = tmp_path / ".backstay-rotate-killed"  # the snapshot, in clear, of a run that was killed
    left.mkdir()
    (left / "snapshot.db").write_bytes(b"secret")
    with FakeMember(content_of("3.6.16")) as member:
        reading = read_cluster(
            ConnectionOptions.of([member.endpoint]),
            tmp_path,
            disk=LocalDisk(),
            clock=SteppingClock(),
            progress=SilentProgress(),
        )
        found = reading.__enter__()
    assert not left.exists()
    # The member is gone, and everything can still be stored.
    with open_file(found.path) as store:
        assert store.database.page_size
    assert found.saved.hash_kv is not None
    reading.__exit__(None, None, None)
    assert not list(tmp_path.iterdir())
