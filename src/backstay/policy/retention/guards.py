"""What makes a decision look like a mistake or an attack: reasons to refuse it until somebody allows them by name."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from enum import Enum
from typing import NamedTuple

from backstay.policy.retention.decide import Decision
from backstay.policy.retention.points import Point

LARGEST_SHARE = 0.2
YOUNG = timedelta(hours=24)
LEAST_KEYS_LEFT = 0.5


class Guard(Enum):
    """The name that allows it."""

    WINDOW_REDUCED = "window-reduced"
    HISTORY_REDUCED = "history-reduced"
    MANY_POINTS = "many-points"
    YOUNG_POINTS = "young-points"
    HEAD_SHRANK = "head-shrank"
    HEAD_UNVERIFIED = "head-unverified"


class Reach(NamedTuple):
    """How far back any point is kept, and how far back every revision."""

    window: timedelta
    history: timedelta


def guards_of(
    decision: Decision,
    now: datetime,
    *,
    promise: Reach,
    before: Reach | None,
    verified_enough: int,
    fading: Sequence[Point] = (),
) -> tuple[Guard, ...]:
    """The guards that a decision runs into; none where it drops nothing, and no point is `fading`.

    `promise` is the policy's, `before` that of the policy before, None where there was none; `verified_enough` is the place of the
    level that the newest point of every cluster that loses points or history must have.
    """
    drop = decision.drop
    found = []
    if before is not None and drop and promise.window < before.window:
        found.append(Guard.WINDOW_REDUCED)
    if before is not None and fading and promise.history < before.history:
        found.append(Guard.HISTORY_REDUCED)
    if len(drop) > LARGEST_SHARE * len(decision.points):
        found.append(Guard.MANY_POINTS)
    # By the signed time too: a storage whose clock is far behind must not make today's points look old.
    if any(max(decision.times[each.id], each.signed) > now - YOUNG for each in (*drop, *fading)):
        found.append(Guard.YOUNG_POINTS)
    for cluster in sorted({each.cluster for each in (*drop, *fading)}):
        own = [each for each in decision.points if each.cluster == cluster and decision.times[each.id] <= now]
        if _shrank(own):
            found.append(Guard.HEAD_SHRANK)
        if own[-1].verified < verified_enough:
            found.append(Guard.HEAD_UNVERIFIED)
    return tuple(dict.fromkeys(found))


def refusing(guards: Collection[Guard], allowed: Collection[Guard]) -> tuple[Guard, ...]:
    """Those that nobody allowed."""
    return tuple(each for each in guards if each not in allowed)


def _shrank(points: list[Point]) -> bool:
    """Whether the newest point has lost half of the keys of the one before it."""
    known = [each.keys for each in points if each.keys is not None]
    return len(known) > 1 and known[-1] < LEAST_KEYS_LEFT * known[-2]
