"""What is wanted: windows in which points are kept at some density, and floors below which nothing falls.

A rule `15m for 7d` keeps the last point of every quarter of an hour of the last seven days. Rules are windows and no
counts, so that a thousand hurried backups push no old one out; a point is kept if any rule wants it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, timedelta, tzinfo

from backstay.policy.retention.periods import Period

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Rule:
    """Keep the last point of each `every`, as far back as `within`."""

    every: Period
    within: Period

    @classmethod
    def parse(cls, text: str) -> Rule:
        """`15m:7d` is every 15 minutes for 7 days; raises `ValueError`."""
        every, colon, within = text.partition(":")
        if not colon:
            raise ValueError(f"{text!r} is not a rule such as 15m:7d")
        return cls(Period.parse(every), Period.parse(within))

    def __str__(self) -> str:
        return f"{self.every}:{self.within}"


@dataclass(frozen=True, slots=True)
class Policy:
    """`all_within`: every point so young is kept, with its history, and the newest one before it; older points that are kept
    give back their own revision alone. The rest are floors.

    `minimum_span`: the newest point that is this much older than the newest of all is kept. `lineage_grace`: how long the
    newest point of every lineage is kept at least.
    """

    rules: tuple[Rule, ...]
    all_within: timedelta = 7 * DAY
    minimum_points: int = 3
    minimum_span: timedelta = DAY
    lineage_grace: timedelta = 30 * DAY
    zone: tzinfo = UTC

    def __post_init__(self) -> None:
        if not self.rules or self.minimum_points < 1:
            raise ValueError("a policy has a rule and keeps at least one point")
        if min(self.all_within, self.minimum_span, self.lineage_grace) < timedelta(0):
            raise ValueError("a policy has no negative times")

    @property
    def window(self) -> timedelta:
        """How far back it promises anything."""
        return max(self.all_within, *(rule.within.length for rule in self.rules))


DEFAULT = Policy(tuple(Rule.parse(each) for each in ("15m:7d", "1h:30d", "1d:90d", "1mo:1y")))
