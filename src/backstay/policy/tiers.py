"""What a cluster can be promised: the four built-in tiers, and the shape of one's own.

A tier says how often runs are wanted, how long their points are kept, how long a restore may take (RTO) and how much may
be lost (RPO). `schedule` makes starting times of it, `retention` decides by `Tier.retention`. Nothing here measures
whether a promise is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from backstay.policy.retention.periods import Period
from backstay.policy.retention.policy import Policy, Rule

EVERY_POINT_WITHIN = timedelta(days=7)
"""So young, every point is kept, however many there are."""
SHORTEST_RPO = timedelta(minutes=5)
"""Below this, starting a run and finishing it take what the RPO leaves."""


@dataclass(frozen=True, slots=True)
class Tier:
    """A promise. Raises `ValueError` with the reason where it contradicts itself."""

    name: str
    every: Period
    keep: Period
    rto: Period
    rpo: Period

    def __post_init__(self) -> None:
        if self.rpo.length < SHORTEST_RPO:
            raise ValueError(f"an RPO of {self.rpo} is shorter than {SHORTEST_RPO // timedelta(minutes=1)}m")
        if self.every.length > self.rpo.length:
            raise ValueError(f"a run every {self.every} cannot hold an RPO of {self.rpo}")
        if self.keep.length < self.every.length:
            raise ValueError(f"points kept for {self.keep} are gone before the next run, {self.every} later")

    @property
    def retention(self) -> Policy:
        """One point of each `every`, for as long as `keep`; the youngest all."""
        return retention_of(self.every, self.keep)


def retention_of(every: Period, keep: Period) -> Policy:
    """One point of each `every`, for as long as `keep`; the youngest all, with their history."""
    return Policy((Rule(every, keep),), all_within=min(EVERY_POINT_WITHIN, keep.length))


def _tier(name: str, *, every: str, keep: str, rto: str, rpo: str) -> Tier:
    return Tier(name, Period.parse(every), Period.parse(keep), Period.parse(rto), Period.parse(rpo))


BUILT_IN: Mapping[str, Tier] = MappingProxyType(
    {
        tier.name: tier
        for tier in (
            _tier("development", every="1d", keep="7d", rto="2h", rpo="24h"),
            _tier("staging", every="6h", keep="14d", rto="1h", rpo="6h"),
            _tier("production", every="1h", keep="30d", rto="15m", rpo="1h"),
            _tier("critical", every="15m", keep="90d", rto="5m", rpo="15m"),
        )
    }
)
"""The tiers that need no definition, weakest first."""
