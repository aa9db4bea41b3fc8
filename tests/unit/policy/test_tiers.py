"""The built-in tiers are the table that backstay was made for, and a tier that contradicts itself is refused."""

from __future__ import annotations

import pytest

from backstay.policy.retention.periods import Period
from backstay.policy.tiers import BUILT_IN, Tier

TABLE = """
development 1d  7d  2h  24h
staging     6h  14d 1h  6h
production  1h  30d 15m 1h
critical    15m 90d 5m  15m
"""


def test_the_built_in_tiers_are_these_four() -> None:
    said = [line.split() for line in TABLE.strip().splitlines()]
    held = [[t.name, str(t.every), str(t.keep), str(t.rto), str(t.rpo)] for t in BUILT_IN.values()]
    assert held == said


@pytest.mark.parametrize("tier", BUILT_IN.values(), ids=lambda tier: tier.name)
def test_a_tier_keeps_points_as_long_as_it_says(tier: Tier) -> None:
    assert tier.retention.window == tier.keep.length
    assert [str(rule) for rule in tier.retention.rules] == [f"{tier.every}:{tier.keep}"]


@pytest.mark.parametrize(
    ("every", "keep", "rpo", "reason"),
    [
        ("1h", "30d", "15m", "cannot hold"),
        ("1m", "30d", "4m", "shorter than 5m"),
        ("1d", "6h", "2d", "gone before the next run"),
    ],
)
def test_a_tier_that_contradicts_itself_is_refused(every: str, keep: str, rpo: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Tier("own", Period.parse(every), Period.parse(keep), Period.parse("1h"), Period.parse(rpo))
