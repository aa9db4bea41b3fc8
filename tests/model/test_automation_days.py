"""Simulated days of automation: RPOs hold outside outages, the right metric tells every outage, and nothing good is lost.

The whole ninety days of every tier are in tests/soak; here is a sample of them that shows every kind of outage.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from backstay.policy.tiers import BUILT_IN
from tests.automation_promises import check_life, check_rpo, outages_of
from tests.days import DAY, Life, World

DAYS = {"development": 90, "staging": 90, "production": 45, "critical": 14}


@pytest.mark.parametrize("tier", list(BUILT_IN))
def test_days_with_every_kind_of_outage(tier: str) -> None:
    days = DAYS[tier]
    world = World(outages_of(BUILT_IN[tier], days * DAY, seed=days), seed=days)
    check_life(world, BUILT_IN[tier], days * DAY)


@pytest.mark.parametrize("tier", list(BUILT_IN))
def test_days_without_an_outage(tier: str) -> None:
    life = check_life(World(), BUILT_IN[tier], DAYS[tier] / 2 * DAY)
    expected = DAYS[tier] / 2 * DAY / life.promise.interval.total_seconds()
    assert life.world.reads == pytest.approx(expected, rel=0.1, abs=2)


def test_a_plain_copy_may_be_rarer_and_costs_no_reading_of_its_own() -> None:
    tier, end = BUILT_IN["critical"], 2 * DAY
    usual, rarer = Life(World(), tier), Life(World(), tier, paces={"files": timedelta(hours=1)})
    for life in (usual, rarer):
        life.until(end)
        assert life.metric("copies_missing") == 0
        check_rpo(life, end)
    assert len(rarer.copies["files"].points) == pytest.approx(48, abs=8)
    assert len(rarer.copies["near"].points) == pytest.approx(len(usual.copies["near"].points), abs=3)
    assert rarer.world.reads <= usual.world.reads + 3
