"""Days of automation in seconds: a clock that jumps, a cluster that can be read or not, copies that are down, full or slow.

    world = World(outages); life = Life(world, tier); life.until(days=90)

Real are the agent, the schedule, the journal's bytes, the metrics, and every decision of retention and verification; simulated
are the clock, etcd, and what lies at the copies. A cron looks once a minute. `Life` compares what the code says with what
really happened, by the true time, which no clock step changes.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from backstay import errors
from backstay.jobs.automation.agent import Agent, AgentReport
from backstay.jobs.automation.copy import Care, Look, Stored
from backstay.jobs.automation.journal import RunMemory, decode, encode
from backstay.jobs.automation.metrics import Sample, samples
from backstay.jobs.automation.promised import Promised, promised
from backstay.policy.copies import CopyPlace
from backstay.policy.retention.decide import Kept, decide, only_oldest
from backstay.policy.retention.guards import LARGEST_SHARE, Guard, Reach, guards_of
from backstay.policy.retention.points import Point
from backstay.policy.tiers import Tier
from backstay.policy.verification import Checked, due, oldest
from backstay.repository.facts import rank

BEGIN = datetime(2026, 9, 1, tzinfo=UTC)
"""Ninety days from here hold the night in which Europe's clocks go back."""
MINUTE = 60.0
DAY = 86400.0
ZONE = ZoneInfo("Europe/Berlin")
SOURCE, RUNNER, CLOCK = "source", "runner", "clock"
DOWN, FULL, SLOW, HANGING = "down", "full", "slow", "hanging"


@dataclass(frozen=True, slots=True)
class Outage:
    """From `start` to `end`, in seconds of true time. `what` is a copy's name, SOURCE, RUNNER or CLOCK; `step` in seconds."""

    what: str
    start: float
    end: float
    how: str = DOWN
    step: float = 0.0


class World:
    """The true time, and what is wrong in it. It is a `Clock`, whose wall time can have been stepped."""

    def __init__(self, outages: Sequence[Outage] = (), seed: int = 1) -> None:
        self.time = 0.0
        self.outages = tuple(sorted(outages, key=lambda each: each.start))
        self._by_kind: dict[tuple[str, str], list[Outage]] = {}
        for each in self.outages:
            self._by_kind.setdefault((each.what, each.how), []).append(each)
        self.chance = random.Random(seed)
        self.reads = 0
        """How often the cluster was read."""
        self.abandon: Callable[[str], None] = lambda name: None

    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=self.time + self._step())

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    def is_so(self, what: str, how: str = DOWN, at: float | None = None) -> bool:
        """Whether something is wrong now, or was at a time."""
        return self._current(what, how, self.time if at is None else at) is not None

    def true(self, time: float) -> datetime:
        """The true time as a date."""
        return BEGIN + timedelta(seconds=time)

    def _step(self) -> float:
        current = self._current(CLOCK, DOWN, self.time)
        return 0.0 if current is None else current.step

    def _current(self, what: str, how: str, time: float) -> Outage | None:
        kind = self._by_kind.get((what, how), [])
        place = bisect_right(kind, time, key=lambda each: each.start)
        return kind[place - 1] if place and time < kind[place - 1].end else None

    @contextmanager
    def read(self) -> Iterator[None]:
        """The cluster, as a source."""
        self.reads += 1
        if self.is_so(SOURCE):
            self.sleep(10)
            raise errors.ENDPOINT_UNREACHABLE.error("the cluster is down", where=SOURCE)
        self.sleep(self.chance.uniform(5, 30))
        yield

    def work(self, jobs: Mapping[str, Callable[[], object]], seconds: float) -> Mapping[str, object]:
        """A `Crew` in virtual time: all begin at once, and nobody waits longer than `seconds`."""
        start, last = self.time, self.time
        found: dict[str, object] = {}
        for name, job in jobs.items():
            self.time = start
            try:
                found[name] = job()
            except errors.BackstayError as problem:
                found[name] = problem
            if self.time - start > seconds:
                found[name] = errors.COPY_LATE.error("too late", where=name)
                self.abandon(name)  # the process ends before the point is whole
                self.time = start + seconds
            last = max(last, self.time)
        self.time = last
        return found


@dataclass(slots=True)
class Held:
    """A point at a copy: its number, its wall time, its true time (of the reading), and when it was last verified."""

    number: int
    wall: datetime
    true: float
    stored: datetime
    verified: datetime | None = None


@dataclass(slots=True)
class SimulatedCopy:
    """A place with points. `removed` counts what retention took, `longest_unverified` the worst wait that was seen."""

    name: str
    place: CopyPlace
    world: World
    promise: Promised
    points: list[Held] = field(default_factory=list)
    removed: int = 0
    refused: int = 0
    longest_unverified: timedelta = timedelta(0)
    _numbers: int = 0
    _retained: float = -DAY

    @contextmanager
    def open(self) -> Iterator[SimulatedCopy]:
        """Reach it."""
        if self.world.is_so(self.name):
            self.world.sleep(5)
            raise errors.STORAGE_UNREACHABLE.error("it is down", where=self.name)
        if self.world.is_so(self.name, HANGING):
            self.world.sleep(1000)
            raise errors.STORAGE_UNREACHABLE.error("it never answered", where=self.name)
        yield self

    def newest(self, now: datetime) -> datetime | None:
        """By the wall times of the points."""
        times = [each.wall for each in self.points]
        return max((time for time in times if time <= now), default=max(times, default=None))

    def store(self, source: None, taken: datetime) -> Stored:
        """One point more."""
        read = self.world.time
        if self.world.is_so(self.name, FULL):
            raise errors.STORAGE_FULL.error("it is full", where=self.name)
        self.world.sleep(3600 if self.world.is_so(self.name, SLOW) else self.world.chance.uniform(1, 20))
        self._numbers += 1
        self.points.append(Held(self._numbers, taken, read, self.world.true(self.world.time)))
        return Stored(str(self._numbers), 1000)

    def care(self, now: datetime, last: datetime | None) -> Care:
        """Real decisions about simulated points."""
        checked = [Checked(str(each.number), each.wall, each.verified) for each in self.points]
        chosen = {each.id for each in checked if each.verified is None}
        within = self.promise.verified_within
        chosen |= set(due(checked, now, within=within, last_round=last))
        for each in self.points:
            if str(each.number) in chosen:
                each.verified = now
        waiting = oldest([Checked(str(each.number), each.wall, each.verified) for each in self.points])
        if waiting is not None:
            self.longest_unverified = max(self.longest_unverified, now - waiting)
        removed = 0
        if self.world.time - self._retained >= DAY:
            self._retained = self.world.time
            removed = self._retain(now)
        return Care(len(chosen), removed, (), {"intact": now}, waiting)

    def abandon(self) -> None:
        """The point that was being stored never came to be."""
        if self.points and self.points[-1].number == self._numbers:
            self.points.pop()

    def look(self, now: datetime) -> Look:
        """What is there."""
        return Look(str(self._numbers), self.newest(now), None, None)

    def _retain(self, now: datetime) -> int:
        policy = replace(self.promise.retention, zone=ZONE)
        points = [
            Point("a" * 16, each.number, "prod", each.wall, each.stored, rank("intact" if each.verified else ""))
            for each in self.points
        ]
        decision = decide(points, now, policy, Kept())
        promise = Reach(policy.window, policy.all_within)
        guards = guards_of(decision, now, promise=promise, before=None, verified_enough=rank("intact"))
        if set(guards) - {Guard.MANY_POINTS}:
            self.refused += 1
            return 0
        if guards:
            decision = only_oldest(decision, int(LARGEST_SHARE * len(points)))
        gone = {each.sequence for each in decision.drop}
        newest = max(self.points, key=lambda each: each.true)
        assert newest.number not in gone, "the last good point was let go"
        assert len(gone) < len(self.points)
        self.points = [each for each in self.points if each.number not in gone]
        self.removed += len(gone)
        return len(gone)


PLACES = {
    "near": CopyPlace("storage.fra", "fra", object_store=False, plain=False),
    "far": CopyPlace("s3.ams", "ams", object_store=True, plain=False),
    "files": CopyPlace("this host", "fra", object_store=False, plain=True),
}


@dataclass(frozen=True, slots=True)
class Good:
    """A reading that at least one copy has: when it was taken, and when the first copy had it; true times."""

    taken: float
    ended: float


class Life:
    """A cluster's days. `watch` is called after every run with its report and the metrics."""

    def __init__(self, world: World, tier: Tier, paces: Mapping[str, timedelta] | None = None) -> None:
        self.world = world
        self.promise = promised("prod", "fra", tier, paces=paces)
        self.copies = {name: SimulatedCopy(name, place, world, self.promise) for name, place in PLACES.items()}
        self.memory = RunMemory()
        self.goods: list[Good] = []
        self.runs = 0
        self.metrics: dict[tuple[str, ...], float] = {}
        self.watch: Callable[[AgentReport], None] = lambda report: None
        world.abandon = lambda name: self.copies[name].abandon()
        self._agent = Agent(self.promise, list(self.copies.values()), world.read, clock=world, crew=world)  # type: ignore[arg-type]

    def until(self, end: float) -> None:
        """Live on until a true time; the cron of every minute is skipped where it would find nothing to do."""
        edges = sorted({edge for each in self.world.outages for edge in (each.start, each.end)})
        while self.world.time < end:
            if self.world.is_so(RUNNER):
                self.world.time = next(
                    each.end for each in self.world.outages if each.what == RUNNER and self.world.time < each.end
                )
                continue
            following = self.run_once()
            wall = self.world.now()
            tick = self._tick(self.world.time + max((following - wall).total_seconds(), 0))
            place = bisect_right(edges, self.world.time)
            edge = self._tick(edges[place]) if place < len(edges) else end
            # While the clock is stepped, only looking tells what a cron would find.
            self.world.time = max(min(tick, edge, end), self._tick(self.world.time + 1))

    def run_once(self) -> datetime:
        """What the cron starts; when the next run is due, by the wall clock."""
        before = self.metrics
        report = self._agent.run(self.memory)
        self.memory = decode(encode(report.memory)) if self.runs % 50 == 0 else report.memory
        if report.due:
            self.runs += 1
            self._note(report)
        self.look()
        self._check_success(before, report)
        self.watch(report)
        return report.next_start

    def look(self) -> None:
        """What the metrics say now."""
        found: Iterator[Sample] = samples(self.promise, PLACES, self.memory, self.world.now(), "agent")
        self.metrics = {(each.metric.name.removeprefix("backstay_"), *each.labels): each.value for each in found}

    def metric(self, name: str, *labels: str) -> float:
        """One value; of the cluster, or of a copy."""
        return self.metrics[(name, "prod", *labels)]

    def _note(self, report: AgentReport) -> None:
        stored = [each.name for each in report.outcomes if each.stored is not None]
        if stored:
            newest = [self.copies[name].points[-1] for name in stored]
            first = min((each.stored - BEGIN).total_seconds() for each in newest)
            self.goods.append(Good(min(each.true for each in newest) - 30, first))

    def _check_success(self, before: Mapping[tuple[str, ...], float], report: AgentReport) -> None:
        """Metrics of success move with a success and with nothing else."""
        stored = {each.name for each in report.outcomes if each.stored is not None}
        for name in PLACES:
            key = ("last_success_timestamp_seconds", "prod", name)
            if name not in stored and key in before:
                assert self.metrics[key] == before[key], f"a success of {name} moved without one"
            if name in stored and not self.memory.of(name).problem:
                assert self.metrics[key] == self.copies[name].points[-1].wall.timestamp()

    @staticmethod
    def _tick(time: float) -> float:
        """The cron's next minute."""
        return -(-time // MINUTE) * MINUTE
