"""Ninety days of every tier with every kind of outage, many times over, within a minute each."""

from __future__ import annotations

import time

import pytest

from backstay.policy.tiers import BUILT_IN
from tests.automation_promises import check_life, outages_of
from tests.days import DAY, World

pytestmark = pytest.mark.soak
END = 90 * DAY


def test_ninety_days_of_all_tiers_take_less_than_a_minute() -> None:
    # The time of this process, so that a busy machine does not count.
    began = time.process_time()
    for name, tier in BUILT_IN.items():
        check_life(World(outages_of(tier, END, seed=len(name)), seed=1), tier, END)
    assert time.process_time() - began < 60


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("tier", list(BUILT_IN))
def test_ninety_days_with_other_outages(tier: str, seed: int) -> None:
    check_life(World(outages_of(BUILT_IN[tier], END, seed=seed), seed=seed), BUILT_IN[tier], END)
