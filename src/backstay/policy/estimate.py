"""What a schedule will cost in bytes, by a formula that is printed with its result.

Two snapshots one interval apart say what one more point costs: S (the newest record of each key that changed), H (the other
versions that the source still held), X (leases, users, members) and M (the manifest). Then, with n points:

    k        points on one base: as many as a day has, or as make S 8 times the base
    y        points of the last 7 days: only they have their history
    total    = n/k * base + (n - n/k) * S + n * (X + M) + y * H
    thinned  = the same for points of the last 7 days; of each day before one point stays, with its base, its X and M, and
               the S of that day merged into one run: keys that change again and again count once in it, and only created
               and deleted ones add up

Pure. It says nothing about a cluster that will grow, and takes the interval that was measured for a usual one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import timedelta

ALL_KEPT = timedelta(days=7)
"""So young no point is thinned, and none has lost its history."""

THINNED_TO = timedelta(days=1)
BASE_MAX_AGE = timedelta(hours=24)
BASE_MAX_RATIO = 8.0
"""When a new base is made: `repository.continuing.BaseRule`."""


@dataclass(frozen=True, slots=True)
class Interval:
    """What was measured, in bytes as they are stored, and in keys: those that changed again, came, and went."""

    base: int
    state: int
    history: int
    entries: int
    manifest: int
    updated: int
    created: int
    deleted: int
    compacts: bool = False
    """Whether the source is compacted within an interval, so that a longer one has no more history to give."""

    @property
    def each(self) -> int:
        """Bytes of one more point, with its history."""
        return self.state + self.history + self.entries + self.manifest

    def stretched(self, times: float) -> Interval:
        """An interval so many times as long: keys that change again and again once, everything else as often."""
        changed = self.updated + self.created + self.deleted
        distinct = self.updated * min(times, 1.0) + (self.created + self.deleted) * times
        state = round(self.state * distinct / changed) if changed else self.state
        # What is no longer the newest of its key is history: the versions stay the same in number.
        history = max(0, round((self.state + self.history) * times) - state)
        if self.compacts:
            history = min(history, self.history)
        return replace(
            self,
            state=state,
            history=history,
            updated=round(self.updated * min(times, 1.0)),
            created=round(self.created * times),
            deleted=round(self.deleted * times),
        )


@dataclass(frozen=True, slots=True)
class Estimate:
    """Of one schedule: points that are kept, bases among them, their bytes; points and bytes if old ones are thinned.

    `longest_chain` are the bytes that the restore reads that reads most.
    """

    points: int
    bases: int
    total: int
    thinned_points: int
    thinned: int
    longest_chain: int

    def monthly(self, price_per_gb: float) -> float:
        """What all points cost a month, at a price per 10^9 bytes and month."""
        return self.total / 1e9 * price_per_gb


def estimate(interval: Interval, every: timedelta, keep: timedelta) -> Estimate:
    """Of a schedule that makes a point `every` so long and keeps it for `keep`. Raises `ValueError` for nonsense."""
    if every <= timedelta(0) or keep < every:
        raise ValueError("points are kept at least as long as the time between two")
    points = keep // every
    on_one_base = points_on_one_base(interval, every)
    bases = math.ceil(points / on_one_base)
    young = min(points, ALL_KEPT // every)
    bare = interval.entries + interval.manifest
    total = bases * interval.base + (points - bases) * interval.state + points * bare + young * interval.history
    days = max(0, (keep - young * every) // THINNED_TO) if every < THINNED_TO else points - young
    in_a_day = max(1, THINNED_TO // every)
    chained = min(in_a_day, on_one_base) - 1
    each_day = interval.base + (_merged(interval, chained) if chained else 0) + bare
    young_bases = math.ceil(young / on_one_base)
    thinned = young_bases * (interval.base - interval.state) + young * interval.each + days * each_day
    chain = interval.base + min(on_one_base - 1, points - 1) * interval.state + interval.history + interval.entries
    return Estimate(points, bases, total, young + days, min(thinned, total), chain)


def points_on_one_base(interval: Interval, every: timedelta) -> int:
    """How many points share a base."""
    by_age = max(1, math.ceil(BASE_MAX_AGE / every))
    by_size = by_age if not interval.state else int(BASE_MAX_RATIO * interval.base / interval.state) + 2
    return max(1, min(by_age, by_size))


def _merged(interval: Interval, intervals: int) -> int:
    """Bytes of the S of so many intervals, merged into one run."""
    changed = interval.updated + interval.created + interval.deleted
    if not changed:
        return interval.state
    distinct = interval.updated + intervals * (interval.created + interval.deleted)
    return round(interval.state * min(distinct / changed, intervals))
