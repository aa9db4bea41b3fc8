"""What a run has to keep: the lengths of a tier, and how often the rest is done. All of it can be scaled for a demonstration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from backstay.policy.retention.policy import Policy
from backstay.policy.schedule import Timing, usual_interval
from backstay.policy.tiers import Tier

CARE_EVERY = timedelta(hours=6)
CATCH_UP = timedelta(hours=1)
REBUILD_EVERY = timedelta(hours=24)
VERIFIED_WITHIN = timedelta(days=30)
LONGEST_PATIENCE, LEAST_PATIENCE = timedelta(hours=1), timedelta(seconds=10)
LEAST_REACH = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Promised:
    """What one cluster is promised.

    `care_every`: how often a copy's points are verified and old ones marked. `catch_up`: how long at most a copy that failed
    waits for its next turn while others are up to date. `rebuild_every`: how often the newest point is rebuilt, which
    measures the RTO. `verified_within`: no point stays unverified for longer.
    """

    cluster: str
    site: str
    every: timedelta
    rpo: timedelta
    rto: timedelta
    keep: timedelta
    retention: Policy
    timing: Timing = field(default_factory=Timing)
    care_every: timedelta = CARE_EVERY
    catch_up: timedelta = CATCH_UP
    rebuild_every: timedelta = REBUILD_EVERY
    verified_within: timedelta = VERIFIED_WITHIN
    paces: Mapping[str, timedelta] = field(default_factory=dict)
    """Copies that are wanted rarer than the tier says, each with its own `every`."""

    def every_of(self, copy: str) -> timedelta:
        """How often points of a copy are wanted."""
        return max(self.paces.get(copy, self.every), self.every)

    def rpo_of(self, copy: str) -> timedelta:
        """What a copy alone would lose at most; the cluster's RPO is held by its freshest copy."""
        return max(self.paces.get(copy, self.rpo), self.rpo)

    def interval_of(self, copy: str) -> timedelta:
        """From point to point of a copy while nothing fails."""
        return usual_interval(self.every_of(copy), self.rpo_of(copy), self.timing)

    @property
    def interval(self) -> timedelta:
        """From run to run while nothing fails."""
        return usual_interval(self.every, self.rpo, self.timing)

    @property
    def reach(self) -> timedelta:
        """How long a place may take to answer at all: while one hangs, the points of the others wait."""
        usual = min(self.timing.usual_allowance, self.rpo / 10)
        return max(usual / 6, LEAST_REACH)

    @property
    def patience(self) -> timedelta:
        """How long a run waits for its slowest copy: the next run must not be late for it."""
        return max(min(self.rpo / 2, LONGEST_PATIENCE), LEAST_PATIENCE)


def promised(
    cluster: str, site: str, tier: Tier, times: float = 1, paces: Mapping[str, timedelta] | None = None
) -> Promised:
    """The promise of `tier`, everything `times` as fast; what is kept, and for how long, stays. `paces`: see `Promised`."""
    return Promised(
        cluster,
        site,
        tier.every.length / times,
        tier.rpo.length / times,
        tier.rto.length / times,
        tier.keep.length,
        tier.retention,
        Timing().faster(times),
        CARE_EVERY / times,
        CATCH_UP / times,
        REBUILD_EVERY / times,
        VERIFIED_WITHIN / times,
        {name: every / times for name, every in (paces or {}).items()},
    )
