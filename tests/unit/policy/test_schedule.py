"""The schedule: outside outages the RPO holds at every moment, and what failed is tried again soon."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.policy.schedule import (
    LATENESS,
    NextRun,
    Run,
    Why,
    allowance,
    exposure,
    next_run,
    usual_interval,
)
from backstay.policy.tiers import BUILT_IN, Tier

NOW = datetime(2026, 11, 27, 18, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TIERS = st.sampled_from(list(BUILT_IN.values()))


def decide(tier: Tier, runs: list[Run], now: datetime) -> NextRun:
    return next_run(tier.every.length, tier.rpo.length, runs, now)


def run(minutes_ago: float, *, takes: timedelta = MINUTE, good: bool = True) -> Run:
    started = NOW - minutes_ago * MINUTE
    return Run(started, started + takes, good)


@given(TIERS, st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=40))
def test_the_rpo_holds_at_every_moment_outside_outages(tier: Tier, fractions: list[tuple[float, float]]) -> None:
    """Runs take as long as they are allowed to, at the most, and are started as late as a cron does."""
    rpo = tier.rpo.length
    runs: list[Run] = []
    now = NOW
    for duration, late in fractions:
        planned = decide(tier, runs, now)
        started = max(planned.start, now) + LATENESS * late
        ended = started + allowance(runs, rpo) * duration
        if runs:
            # Right before this run ends most would be lost.
            lost = exposure(runs, ended - timedelta(microseconds=1))
            assert lost is not None
            assert lost <= rpo
            assert planned.holds
        runs.append(Run(started, ended, good=True))
        now = ended


@given(TIERS, st.integers(1, 40), st.integers(1, 60))
def test_what_failed_is_tried_again_long_before_the_schedule_and_never_without_a_pause(
    tier: Tier, failures: int, seconds: int
) -> None:
    runs = [run(0.0, takes=timedelta(0))]
    now = NOW + usual_interval(tier.every.length, tier.rpo.length)
    for _ in range(failures):
        runs.append(Run(now, now + timedelta(seconds=seconds), good=False))
        planned = decide(tier, runs, runs[-1].ended)
        assert planned.why is Why.RETRY
        pause = planned.start - runs[-1].ended
        assert timedelta(seconds=30) <= pause <= max(timedelta(seconds=30), tier.rpo.length / 15)
        now = planned.start
    # Failing does not make the last good run younger.
    assert exposure(runs, now) == now - runs[0].started
    assert decide(tier, runs, now).deadline == runs[0].started + tier.rpo.length


@given(TIERS, st.timedeltas(timedelta(0), timedelta(days=3)))
def test_a_breach_is_reported_as_one(tier: Tier, since: timedelta) -> None:
    runs = [Run(NOW, NOW, good=True)]
    planned = decide(tier, runs, NOW + since)
    assert planned.deadline == NOW + tier.rpo.length
    assert planned.holds == (
        since + allowance(runs, tier.rpo.length) <= tier.rpo.length or not planned.due(NOW + since)
    )


@given(TIERS, st.floats(0.0, 5.0))
def test_runs_are_never_closer_than_they_take(tier: Tier, share: float) -> None:
    """A store whose backup takes longer than the RPO is backed up one run after another, and the promise says no."""
    rpo = tier.rpo.length
    runs = [Run(NOW, NOW + rpo * share, good=True)]
    planned = decide(tier, runs, runs[-1].ended)
    assert planned.start >= NOW + min(rpo / 2 - LATENESS, tier.every.length)
    if share > 1:
        assert planned.holds is False


def test_nothing_saved_yet_is_due_at_once_and_promises_nothing() -> None:
    planned = decide(BUILT_IN["critical"], [], NOW)
    assert (planned.start, planned.why, planned.deadline, planned.holds) == (NOW, Why.FIRST, None, None)
    assert exposure([], NOW) is None
    assert exposure([run(5, good=False)], NOW) is None


def test_a_clock_that_went_back_does_not_stop_backups() -> None:
    planned = decide(BUILT_IN["critical"], [run(-600)], NOW)
    assert planned.why is Why.CLOCK
    assert planned.due(NOW)


def test_runs_from_the_future_neither_delay_nor_repeat_the_next_one() -> None:
    critical = BUILT_IN["critical"]
    assert decide(critical, [run(3), run(-600)], NOW) == decide(critical, [run(3)], NOW)
    assert decide(critical, [run(30), run(-600)], NOW).due(NOW)


@pytest.mark.parametrize(
    ("tier", "minutes"), [("development", 1429), ("staging", 349), ("production", 53), ("critical", 12.5)]
)
def test_each_tier_starts_early_enough(tier: str, minutes: float) -> None:
    promised = BUILT_IN[tier]
    assert usual_interval(promised.every.length, promised.rpo.length) == minutes * MINUTE


def test_a_tier_that_leaves_room_keeps_its_interval() -> None:
    planned = next_run(15 * MINUTE, 60 * MINUTE, [run(5)], NOW)
    assert planned.start == NOW + 10 * MINUTE
    assert planned.why is Why.INTERVAL
