"""When the next run starts, so that the RPO holds outside outages: a pure function of past runs and the time.

A run that starts at `s` saves the state of `s`, but nobody can restore it before the run has ended. Until the next one has
ended, everything since `s` would be lost. So the next run has to *end* within the RPO of the last good *start*, and starts
earlier than that by

* `allowance`: what a run may take, one and a half times the longest of the last good ones, and
* `LATENESS`: how late a run may be started, by a cron that looks once a minute.

Starting "every 15 minutes" would break an RPO of 15 minutes at every single run. What has failed is tried again soon, not
at the next time on the schedule. A run from the future proves nothing about now and is
left out: clocks step.

`Timing` holds what is not promised to anybody and only has to fit: a demonstration scales it with its tier.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

LATENESS = timedelta(minutes=1)
"""How late the caller may start what is due."""
USUAL_ALLOWANCE = timedelta(minutes=10)
"""What a run may take as long as none is known, if that is no more than a tenth of the RPO."""
RECENT_RUNS = 10
FIRST_RETRY = timedelta(seconds=30)
_RETRIES_PER_RPO = 15


@dataclass(frozen=True, slots=True)
class Timing:
    """`lateness`: how late the caller may start what is due. `usual_allowance`: what a run may take where none is known.

    `first_retry` is the pause after the first failure; it doubles up to `longest_retry`, None for a fifteenth of the RPO.
    """

    lateness: timedelta = LATENESS
    usual_allowance: timedelta = USUAL_ALLOWANCE
    first_retry: timedelta = FIRST_RETRY
    longest_retry: timedelta | None = None

    def faster(self, times: float) -> Timing:
        """Everything `times` as fast."""
        longest = None if self.longest_retry is None else self.longest_retry / times
        return Timing(self.lateness / times, self.usual_allowance / times, self.first_retry / times, longest)


USUAL = Timing()


class Why(Enum):
    """Why a run starts when it does."""

    FIRST = "nothing is saved yet"
    INTERVAL = "the interval of the tier"
    RPO = "it must have ended before the RPO is over"
    RETRY = "the last run failed"
    CLOCK = "all that is saved is from the future"


@dataclass(frozen=True, slots=True)
class Run:
    """One run that has ended, in UTC. `good`: it left a point that can be restored."""

    started: datetime
    ended: datetime
    good: bool


@dataclass(frozen=True, slots=True)
class NextRun:
    """When to start at the earliest, and why. From `deadline` on the RPO is broken if no further run has ended well.

    `holds` says whether a run that starts then, takes what is allowed and is not started late too much ends before
    `deadline`; None where nothing was saved yet, and so nothing is promised.
    """

    start: datetime
    why: Why
    deadline: datetime | None
    holds: bool | None

    def due(self, now: datetime) -> bool:
        """Whether it is to be started now."""
        return self.start <= now


def usual_interval(every: timedelta, rpo: timedelta, timing: Timing = USUAL) -> timedelta:
    """From start to start while nothing fails and runs are short."""
    return _interval(every, rpo, allowance((), rpo, timing), timing)


def allowance(runs: Iterable[Run], rpo: timedelta, timing: Timing = USUAL) -> timedelta:
    """How long a run may take, by what the last good ones took; at most half of the RPO."""
    recent = sorted((run for run in runs if run.good), key=lambda run: run.started)[-RECENT_RUNS:]
    longest = max((run.ended - run.started for run in recent), default=timedelta(0))
    return min(max(longest * 1.5, min(timing.usual_allowance, rpo / 10)), rpo / 2)


def exposure(runs: Iterable[Run], now: datetime) -> timedelta | None:
    """How much would be lost if the cluster were lost `now`: the RPO as it is. None where nothing could be restored."""
    newest = _newest(run for run in runs if run.good and run.ended <= now)
    return None if newest is None else now - newest.started


def next_run(every: timedelta, rpo: timedelta, runs: Iterable[Run], now: datetime, timing: Timing = USUAL) -> NextRun:
    """When the next run is to start; `start` is in the past where it is overdue. Only ended runs are handed in."""
    known = tuple(runs)
    past = [run for run in known if run.ended <= now]
    good = _newest(run for run in past if run.good)
    deadline = None if good is None else good.started + rpo
    if good is None:
        start, why = now, Why.FIRST if len(past) == len(known) else Why.CLOCK
    else:
        start = good.started + _interval(every, rpo, allowance(past, rpo, timing), timing)
        why = Why.INTERVAL if start == good.started + every else Why.RPO
    failed = [run for run in past if not run.good and (good is None or run.started > good.started)]
    if failed:
        # Trying without a pause would load a cluster that is ill already; each failure doubles the pause, up to a limit.
        longest_pause = timing.longest_retry if timing.longest_retry is not None else rpo / _RETRIES_PER_RPO
        first = timing.first_retry
        pause = min(first * 2 ** min(len(failed) - 1, 10), max(first, longest_pause))
        start, why = max(run.ended for run in failed) + pause, Why.RETRY
    holds = None if deadline is None else max(start, now) + allowance(past, rpo, timing) <= deadline
    return NextRun(start, why, deadline, holds)


def _interval(every: timedelta, rpo: timedelta, allowed: timedelta, timing: Timing) -> timedelta:
    return max(min(every, rpo - allowed - timing.lateness), timedelta(0))


def _newest(runs: Iterable[Run]) -> Run | None:
    return max(runs, key=lambda run: run.started, default=None)
