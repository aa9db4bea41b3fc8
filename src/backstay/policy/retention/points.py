"""Points as retention sees them, the times it believes, and the lineages that belong together.

A writer's clock can be wrong, so the signed time of a point is believed only between that of its predecessor and the
storage's own time plus five minutes. A point that still lies in the future is kept and makes nothing else old.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

STORAGE_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Point:
    """A committed point. `verified` is the place of the level it reached in their order, -1 for none.

    `stored` is the storage's own time of it, `keys` its number of keys; each None where unknown. `parent` is the lineage that
    its lineage goes on from, empty for none.
    """

    lineage: str
    sequence: int
    cluster: str
    signed: datetime
    stored: datetime | None = None
    verified: int = -1
    keys: int | None = None
    parent: str = ""

    @property
    def id(self) -> str:
        """What people call it."""
        return f"{self.lineage}-{self.sequence}"


def believed_times(points: Iterable[Point]) -> Mapping[str, datetime]:
    """The time of each point by its id. In a lineage times never go back."""
    times: dict[str, datetime] = {}
    latest: dict[str, datetime] = {}
    for point in sorted(points, key=lambda each: (each.lineage, each.sequence)):
        time = point.signed
        if point.stored is not None:
            time = min(time, point.stored + STORAGE_TOLERANCE)
        time = max(time, latest.get(point.lineage, time))
        times[point.id] = latest[point.lineage] = time
    return times


def families(points: Sequence[Point]) -> list[set[str]]:
    """Lineages that are one history to whoever restores: each that nobody goes on from, with those that it goes on from.

    After a fork both branches are kept by the rules, and what they share counts in both.
    """
    parents = {point.lineage: "" for point in points}
    for point in points:
        if point.parent:
            parents[point.lineage] = point.parent
    found = []
    for tip in sorted(set(parents) - set(parents.values())) or sorted(parents):
        family, at = set[str](), tip
        while at in parents and at not in family:
            family.add(at)
            at = parents[at]
        found.append(family)
    return found
