"""Every point with the reasons to keep it; a point without one may go.

The anchor, from which windows are counted, is the newest point that is not from the future, or now if that is earlier: where
backups stop, nothing more expires. Each cluster is decided by itself, as if the others were not there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from backstay.policy.retention.periods import Period
from backstay.policy.retention.points import Point, believed_times, families
from backstay.policy.retention.policy import Policy

HELD = "held"
PINNED = "in use by a restore"
FUTURE = "claims to be from the future"
WITHIN = "within the window of every point"
BEFORE_WINDOW = "the last one before the window"
MINIMUM_POINTS = "one of the newest"
MINIMUM_SPAN = "older by the least span"
LINEAGE = "the newest of its lineage"
VERIFIED = "the newest that is verified best"
OLDEST = "the oldest, until the longest window is full"
NOT_COPIED = "no other repository holds it"
LATER = "goes later: at most a fifth of all points at once"


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known besides the points. `copied`: ids that another repository holds whole, None where that is not asked."""

    held: Collection[str] = ()
    pinned: Collection[str] = ()
    copied: Collection[str] | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Points oldest first. `reasons` has an entry for every point; an empty one means that it may go."""

    points: tuple[Point, ...]
    times: Mapping[str, datetime]
    reasons: Mapping[str, tuple[str, ...]]

    @property
    def keep(self) -> tuple[Point, ...]:
        """The points that stay."""
        return tuple(each for each in self.points if self.reasons[each.id])

    @property
    def drop(self) -> tuple[Point, ...]:
        """The points that may go."""
        return tuple(each for each in self.points if not self.reasons[each.id])


def fading_points(decision: Decision) -> tuple[Point, ...]:
    """The points that stay without their history: older than the window of every revision, and nothing else wants it."""
    with_history = {WITHIN, HELD, PINNED, FUTURE, NOT_COPIED}
    return tuple(each for each in decision.keep if not with_history & set(decision.reasons[each.id]))


def only_oldest(decision: Decision, count: int) -> Decision:
    """The same, but of what may go only the `count` oldest go now."""
    later = {each.id for each in decision.drop[count:]}
    return replace(
        decision, reasons={name: (LATER,) if name in later else found for name, found in decision.reasons.items()}
    )


def decide(points: Iterable[Point], now: datetime, policy: Policy, kept: Kept | None = None) -> Decision:
    """What is to be kept and dropped at `now`."""
    kept = kept or Kept()
    given = tuple(points)
    times = believed_times(given)
    ordered = tuple(sorted(given, key=lambda each: (times[each.id], each.lineage, each.sequence)))
    reasons: dict[str, list[str]] = {each.id: [] for each in ordered}
    for each in ordered:
        if each.id in kept.held:
            reasons[each.id].append(HELD)
        if each.id in kept.pinned:
            reasons[each.id].append(PINNED)
        if times[each.id] > now:
            reasons[each.id].append(FUTURE)
    for cluster in sorted({each.cluster for each in ordered}):
        past = [each for each in ordered if each.cluster == cluster and times[each.id] <= now]
        if past:
            _decide_cluster(past, times, policy, reasons)
    if kept.copied is not None:
        for name in (name for name, found in reasons.items() if not found and name not in kept.copied):
            reasons[name].append(NOT_COPIED)
    return Decision(ordered, times, {name: tuple(dict.fromkeys(found)) for name, found in reasons.items()})


def _decide_cluster(
    past: Sequence[Point], times: Mapping[str, datetime], policy: Policy, reasons: Mapping[str, list[str]]
) -> None:
    anchor = times[past[-1].id]

    def keep(point: Point, reason: str) -> None:
        reasons[point.id].append(reason)

    def keep_newest(among: Sequence[Point], reason: str) -> None:
        if among:
            keep(among[-1], reason)

    for each in past[-policy.minimum_points :]:
        keep(each, MINIMUM_POINTS)
    best = max(each.verified for each in past)
    if best >= 0:
        keep_newest([each for each in past if each.verified == best], VERIFIED)
    for lineage in sorted({each.lineage for each in past}):
        newest = [each for each in past if each.lineage == lineage][-1]
        if times[newest.id] > anchor - policy.lineage_grace:
            keep(newest, LINEAGE)
    for family in families(past):
        own = [each for each in past if each.lineage in family]
        for each in own:
            if times[each.id] >= anchor - policy.all_within:
                keep(each, WITHIN)
        keep_newest([each for each in own if times[each.id] < anchor - policy.all_within], BEFORE_WINDOW)
        keep_newest([each for each in own if times[each.id] <= anchor - policy.minimum_span], MINIMUM_SPAN)
        if times[own[0].id] > anchor - policy.window:
            keep(own[0], OLDEST)
        for rule in policy.rules:
            young = [each for each in own if times[each.id] > anchor - rule.within.length]
            for each in _last_of_buckets(young, times, rule.every, policy):
                keep(each, f"every {rule.every} for {rule.within}")


def _last_of_buckets(
    points: Sequence[Point], times: Mapping[str, datetime], every: Period, policy: Policy
) -> Iterable[Point]:
    return {every.bucket(times[each.id], policy.zone): each for each in points}.values()
