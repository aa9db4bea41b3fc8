"""Which points are verified next, so that none stays unverified for longer than promised: a pure function of dated facts.

The oldest first. A round takes so many points that all have had their turn within half of `within`, counted from how long
ago the last round was: after a pause the rounds are larger, and points that were added since are in the count. So the
bound holds while a repository grows, as long as rounds come at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Checked:
    """A point, when it was made, and when it was last found right at the level in question; None for never."""

    id: str
    made: datetime
    verified: datetime | None


def due(points: Iterable[Checked], now: datetime, *, within: timedelta, last_round: datetime | None) -> tuple[str, ...]:
    """The points of a round at `now`, in their order; at least one where there are any."""
    waiting = sorted(points, key=_waits_since)
    pause = within / 2 if last_round is None else min(max(now - last_round, timedelta(0)), within / 2)
    share = max(1, -(-len(waiting) * pause // (within / 2)))
    return tuple(each.id for each in waiting[:share])


def oldest(points: Iterable[Checked]) -> datetime | None:
    """Since when the point that waits longest has waited; None where there are no points."""
    return min((_since(each) for each in points), default=None)


def _since(point: Checked) -> datetime:
    return point.verified if point.verified is not None else point.made


def _waits_since(point: Checked) -> tuple[datetime, datetime]:
    # Neighbours in time share their objects, and a round reads each object once: so ties are broken by age.
    return _since(point), point.made
