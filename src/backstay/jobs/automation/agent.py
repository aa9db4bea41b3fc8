"""One run as agent: what is due is made, everywhere it is due, from one reading of the cluster. Needs no identity.

    decide    the schedule says which copies are due; where nothing is remembered the places themselves are asked
    reach     the places are asked first: a cluster is never read for places that do not answer, nor for those where
              another host has just made a point
    read      the source, once; the connection to it is closed before anything is sent
    store     one point at every place, each on its own
    care      from time to time: points verified, old ones marked

A place that failed is tried again soon, but rarer than all would be while others hold a fresh point: the cluster must not pay
for a storage that is ill. Nothing here raises for a single place; what happened is in the report, and what to remember
comes back as a value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from backstay import errors
from backstay.clock import Clock
from backstay.errors import ExitStatus
from backstay.findings import Finding, Severity, worst
from backstay.jobs.automation.copy import Care, Copy, Stored
from backstay.jobs.automation.crew import Crew, unexpected
from backstay.jobs.automation.journal import CopyMemory, RunMemory
from backstay.jobs.automation.promised import LEAST_PATIENCE, Promised
from backstay.policy.schedule import NextRun, Run, Why, exposure, next_run

Source = TypeVar("Source")
_NEARLY = 10
"""A copy that is due within such a part of the interval joins those that are due now."""
_MOMENT = 20
"""A point is somebody else's if it is newer than ours by more than such a part of the interval."""
_LOUD = (ExitStatus.TAMPERED, ExitStatus.VERIFICATION_FAILED)
"""What is wrong with one copy but says more than that one copy is missing."""


@dataclass(frozen=True, slots=True)
class CopyOutcome:
    """What became of one copy in this run: its point, or the failure that kept it from having one.

    `seconds` is how long after the reading began its point was there: a slow copy must not make the others look slow.
    """

    name: str
    stored: Stored | None = None
    failure: errors.BackstayError | None = None
    care: Care | None = None
    care_failure: errors.BackstayError | None = None
    seconds: float = 0.0

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Of its point, and of the care for all of them."""
        return (*(self.stored.findings if self.stored else ()), *(self.care.findings if self.care else ()))


@dataclass(frozen=True, slots=True)
class AgentReport:
    """A run. `due` is why each copy was due; empty when nothing was. `next_start` is when the next run is due.

    `copies` are all copies of the cluster, also those that were not due because they have a fresh point.
    """

    cluster: str
    started: datetime
    seconds: float
    due: Mapping[str, Why]
    source_failure: errors.BackstayError | None
    outcomes: tuple[CopyOutcome, ...]
    next_start: datetime
    memory: RunMemory
    copies: tuple[str, ...]

    @property
    def exit_status(self) -> ExitStatus:
        """The worst of what happened; 3 where some copies have their point and others not."""
        if self.source_failure is not None:
            return self.source_failure.kind.exit_status
        failures = [each.failure for each in self.outcomes if each.failure is not None]
        others = [each.care_failure for each in self.outcomes if each.care_failure is not None]
        statuses = [each.kind.exit_status for each in (*failures, *others)]
        severity = worst(found for each in self.outcomes for found in each.findings)
        if severity is Severity.ERROR:
            statuses.append(ExitStatus.VERIFICATION_FAILED)
        for loud in _LOUD:
            if loud in statuses:
                return loud
        if failures and len(failures) == len(self.copies):
            return failures[0].kind.exit_status
        return ExitStatus.WARNINGS if statuses or severity is Severity.WARNING else ExitStatus.OK


@dataclass(frozen=True, slots=True)
class AgentPlan:
    """What a run would do now. `serve` are the copies that would get a point, each with why it is due or joins in.

    `patience` is how long the slowest of them is waited for.
    """

    now: datetime
    plans: Mapping[str, NextRun]
    serve: Mapping[str, Why]
    unreachable: Mapping[str, errors.BackstayError]
    memory: RunMemory
    patience: timedelta

    @property
    def next_start(self) -> datetime:
        """When the next run is due."""
        return min((plan.start for plan in self.plans.values()), default=self.now)


class Agent(Generic[Source]):
    """Runs for one cluster. `open_source` reads the cluster once; its block lasts until all copies are done."""

    def __init__(
        self,
        promised: Promised,
        copies: Sequence[Copy[Source]],
        open_source: Callable[[], AbstractContextManager[Source]],
        *,
        clock: Clock,
        crew: Crew,
    ) -> None:
        self._promised = promised
        self._copies = {copy.name: copy for copy in copies}
        self._open_source = open_source
        self._clock, self._crew = clock, crew

    def plan(self, memory: RunMemory) -> AgentPlan:
        """What is due now; changes nothing. Places of which nothing is remembered are asked."""
        now = self._clock.now()
        memory, unreachable = self._completed(memory, now)
        return self._decided(memory, now, unreachable)

    def run(self, memory: RunMemory) -> AgentReport:
        """Do what is due."""
        began = self._clock.monotonic()
        plan = self.plan(memory)
        outcomes: dict[str, CopyOutcome] = {}
        if plan.serve:
            plan, outcomes = self._reached(plan)
        memory, source_failure = plan.memory, None
        ready = [name for name in plan.serve if name not in outcomes]
        taken, read_from = self._clock.now(), self._clock.monotonic()
        if ready:
            try:
                with self._open_source() as source:
                    jobs = {name: self._serve(name, source, taken, read_from, memory.of(name)) for name in ready}
                    left = plan.patience.total_seconds() - (self._clock.monotonic() - began)
                    done = self._crew.work(jobs, max(left, LEAST_PATIENCE.total_seconds()))
                    outcomes |= {name: _outcome(name, each) for name, each in done.items()}
            except errors.BackstayError as problem:
                source_failure = problem
            except Exception as defect:
                source_failure = unexpected(defect)
            memory = replace(memory, source_problem=source_failure.kind.code if source_failure is not None else "")
        seconds = self._clock.monotonic() - read_from
        for name in plan.serve:
            remembered = _remembered(memory.of(name), outcomes.get(name), source_failure, taken, seconds)
            memory = memory.with_copy(name, remembered)
        following = plans_of(self._promised, {name: memory.of(name) for name in self._copies}, self._clock.now())
        return AgentReport(
            self._promised.cluster,
            plan.now,
            self._clock.monotonic() - began,
            plan.serve,
            source_failure,
            tuple(outcomes[name] for name in plan.serve if name in outcomes),
            min(each.start for each in following.values()),
            memory,
            tuple(self._copies),
        )

    def _decided(self, memory: RunMemory, now: datetime, unreachable: Mapping[str, errors.BackstayError]) -> AgentPlan:
        promised, patience = self._promised, self._promised.patience
        plans = plans_of(promised, {name: memory.of(name) for name in self._copies}, now)
        due = {name: plan.why for name, plan in plans.items() if plan.due(now)}
        away = min((plan.start - now for name, plan in plans.items() if name not in due), default=promised.interval)
        if any(why is not Why.RETRY for why in due.values()) or (due and away < promised.interval / _NEARLY):
            # All together, so that copies which went out of step do not make the cluster be read twice from now on.
            joining = [name for name, plan in plans.items() if name not in due and self._joins(name, plan.start - now)]
            due = {name: due.get(name, Why.INTERVAL) for name in self._copies if name in due or name in joining}
        elif due:
            # A copy that is tried again must not make the others late.
            patience = min(patience, away)
        return AgentPlan(now, plans, due, unreachable, memory, patience)

    def _joins(self, name: str, away: timedelta) -> bool:
        """Whether a copy that is due in a while has its point with the others now."""
        interval = self._promised.interval_of(name)
        return interval <= self._promised.interval or away < interval / _NEARLY

    def _reached(self, plan: AgentPlan) -> tuple[AgentPlan, dict[str, CopyOutcome]]:
        """The places that are due, asked: which do not answer, and which have a point by now that somebody else made."""
        answers = self._crew.work(
            {name: self._ask(name, plan.now) for name in plan.serve}, self._promised.reach.total_seconds()
        )
        failed = {name: _failed(name, each) for name, each in answers.items() if isinstance(each, errors.BackstayError)}
        memory = plan.memory
        for name, answer in answers.items():
            if isinstance(answer, datetime) and self._is_news(memory.of(name), name, answer, plan.now):
                memory = memory.with_copy(name, memory.of(name).after(Run(answer, answer, good=True), ""))
        if memory is not plan.memory:
            following = self._decided(memory, plan.now, plan.unreachable)
            plan = replace(following, serve={name: why for name, why in following.serve.items() if name in plan.serve})
        return plan, {name: each for name, each in failed.items() if name in plan.serve}

    def _is_news(self, memory: CopyMemory, name: str, newest: datetime, now: datetime) -> bool:
        # Names of files know no fractions of a second: a little newer is our own.
        moment = self._promised.interval_of(name) / _MOMENT
        return newest <= now and (memory.seen is None or newest - memory.seen > moment)

    def _completed(self, memory: RunMemory, now: datetime) -> tuple[RunMemory, Mapping[str, errors.BackstayError]]:
        """With what the places say of which nothing is remembered; and those that did not answer."""
        unknown = [name for name in self._copies if not memory.of(name).runs]
        asked = self._crew.work({name: self._ask(name, now) for name in unknown}, self._promised.reach.total_seconds())
        unreachable: dict[str, errors.BackstayError] = {}
        for name, answer in asked.items():
            if isinstance(answer, errors.BackstayError):
                unreachable[name] = answer
            elif answer is not None:
                memory = memory.with_copy(name, memory.of(name).after(Run(answer, answer, good=True), ""))
        return memory, unreachable

    def _ask(self, name: str, now: datetime) -> Callable[[], datetime | None]:
        def ask() -> datetime | None:
            with self._copies[name].open() as place:
                return place.newest(now)

        return ask

    def _serve(
        self, name: str, source: Source, taken: datetime, read_from: float, memory: CopyMemory
    ) -> Callable[[], CopyOutcome]:
        def serve() -> CopyOutcome:
            with self._copies[name].open() as place:
                stored = place.store(source, taken)
                outcome = CopyOutcome(name, stored, seconds=self._clock.monotonic() - read_from)
                if not self._wants_care(memory, taken):
                    return outcome
                try:
                    return replace(outcome, care=place.care(self._clock.now(), memory.cared))
                except errors.BackstayError as problem:
                    return replace(outcome, care_failure=problem)

        return serve

    def _wants_care(self, memory: CopyMemory, now: datetime) -> bool:
        # A round from the future proves nothing about now.
        return memory.cared is None or memory.cared > now or now - memory.cared >= self._promised.care_every


def plans_of(promised: Promised, copies: Mapping[str, CopyMemory], now: datetime) -> Mapping[str, NextRun]:
    """When each copy is due."""
    lost = [exposure(copy.runs, now) for copy in copies.values()]
    is_fresh = any(each is not None and each <= promised.interval for each in lost)
    timing = promised.timing
    if is_fresh:
        timing = replace(timing, longest_retry=min(promised.catch_up, promised.interval))
    return {
        name: next_run(promised.every_of(name), promised.rpo_of(name), copy.runs, now, timing)
        for name, copy in copies.items()
    }


def _failed(name: str, problem: errors.BackstayError) -> CopyOutcome:
    return CopyOutcome(name, failure=problem)


def _outcome(name: str, result: CopyOutcome | errors.BackstayError) -> CopyOutcome:
    return _failed(name, result) if isinstance(result, errors.BackstayError) else result


def _remembered(
    memory: CopyMemory,
    outcome: CopyOutcome | None,
    source_failure: errors.BackstayError | None,
    taken: datetime,
    seconds: float,
) -> CopyMemory:
    problem = source_failure if outcome is None else outcome.failure
    # By a clock that never goes back, and not by two looks at one that may have been set in between.
    ended = taken + timedelta(seconds=outcome.seconds if outcome is not None and problem is None else seconds)
    memory = memory.after(Run(taken, ended, good=problem is None), "" if problem is None else problem.kind.code)
    if outcome is None or outcome.care is None:
        return memory
    care = outcome.care
    return replace(
        memory,
        cared=taken,
        levels={**memory.levels, **care.levels},
        waiting_since=care.waiting_since,
        rebuilt_seconds=care.rebuilt_seconds if care.rebuilt_seconds is not None else memory.rebuilt_seconds,
    )
