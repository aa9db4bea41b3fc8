"""How often it is looked: as seldom as the promise allows."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backstay.deploy.cadence import calendar_text, cron_text, minutes_between_looks
from backstay.policy.schedule import LATENESS, usual_interval
from backstay.policy.tiers import BUILT_IN, Tier


@pytest.mark.parametrize("tier", BUILT_IN.values(), ids=list(BUILT_IN))
def test_every_tier_is_looked_at_in_time(tier: Tier) -> None:
    interval = usual_interval(tier.every.length, tier.rpo.length)
    step = timedelta(minutes=minutes_between_looks(interval, tier.rpo.length))
    look = step
    while look < interval:
        look += step
    assert look <= interval + LATENESS


def test_only_generous_tiers_are_looked_at_seldom() -> None:
    def minutes(name: str) -> int:
        tier = BUILT_IN[name]
        return minutes_between_looks(usual_interval(tier.every.length, tier.rpo.length), tier.rpo.length)

    assert [minutes(name) for name in ("critical", "production", "staging", "development")] == [1, 1, 10, 10]


def test_cron_and_systemd_say_the_same() -> None:
    assert (cron_text(1), calendar_text(1)) == ("* * * * *", "*-*-* *:*:00")
    assert (cron_text(10), calendar_text(10)) == ("*/10 * * * *", "*-*-* *:0/10:00")
