"""The formula of `backstay estimate`, against figures that were measured on a busy etcd for 16 intervals."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from backstay.policy.estimate import Interval, estimate, points_on_one_base

BUSY = Interval(
    base=34_300_000, state=6_680_000, history=6_950_000, entries=3_000, manifest=4_000,
    updated=18_000, created=15_100, deleted=15_100,
)  # fmt: skip
"""206 writes a second for 15 minutes in a store of 546 MiB; nearly all that comes and goes are Events."""

QUARTER, DAY = timedelta(minutes=15), timedelta(days=1)


def test_ninety_days_of_quarters_of_an_hour_are_what_the_measurement_makes_of_them() -> None:
    found = estimate(BUSY, QUARTER, 90 * DAY)
    assert found.points == 8640
    assert 200 <= found.bases <= 215
    # 57.7 of states, 7 of bases, and the history of a week.
    states = found.total - 672 * BUSY.history
    assert 63e9 < states < 65e9
    assert found.total == pytest.approx(states + 4.7e9, rel=0.01)
    assert found.thinned_points == 672 + 83
    assert found.thinned < found.total / 2
    assert found.longest_chain < 310e6 + 34.3e6
    assert found.monthly(0.023) == pytest.approx(found.total / 1e9 * 0.023)


def test_keys_that_change_again_count_once_in_a_merged_day() -> None:
    same_keys = Interval(1_000_000, 100_000, 0, 0, 0, updated=100, created=0, deleted=0)
    new_keys = Interval(1_000_000, 100_000, 0, 0, 0, updated=0, created=100, deleted=0)
    week = estimate(same_keys, QUARTER, 7 * DAY)
    assert estimate(same_keys, QUARTER, 8 * DAY).thinned - week.thinned == 1_000_000 + 100_000
    chained = points_on_one_base(new_keys, QUARTER) - 1
    assert estimate(new_keys, QUARTER, 8 * DAY).thinned - week.thinned == 1_000_000 + chained * 100_000
    assert (week.points, week.thinned_points, week.thinned) == (672, 672, week.total)


def test_a_day_or_more_between_points_leaves_nothing_to_thin() -> None:
    found = estimate(BUSY, DAY, 30 * DAY)
    assert (found.points, found.thinned_points, found.thinned) == (30, 30, found.total)


def test_a_quiet_cluster_makes_a_base_a_day_and_a_busy_one_when_its_runs_are_eight_bases() -> None:
    quiet = Interval(34_300_000, 1_000, 0, 0, 0, 10, 0, 0)
    assert points_on_one_base(quiet, QUARTER) == 96
    assert points_on_one_base(quiet, 2 * DAY) == 1
    assert points_on_one_base(BUSY, QUARTER) == 43
    assert estimate(Interval(1000, 0, 0, 10, 10, 0, 0, 0), QUARTER, DAY).bases == 1


def test_a_longer_interval_has_more_history_and_not_more_of_what_changes_again() -> None:
    hour = BUSY.stretched(4)
    assert BUSY.state < hour.state < 4 * BUSY.state
    assert hour.state + hour.history == pytest.approx(4 * (BUSY.state + BUSY.history), rel=0.01)
    assert hour.updated == BUSY.updated
    assert replace(BUSY, compacts=True).stretched(4).history == BUSY.history
    assert replace(BUSY, compacts=True).stretched(0.5).history < BUSY.history
    assert BUSY.stretched(1) == BUSY
    nothing = Interval(1000, 0, 0, 0, 0, 0, 0, 0)
    assert nothing.stretched(4) == nothing


@pytest.mark.parametrize(("every", "keep"), [(timedelta(0), DAY), (DAY, QUARTER), (-QUARTER, DAY)])
def test_nonsense_is_refused(every: timedelta, keep: timedelta) -> None:
    with pytest.raises(ValueError):
        estimate(BUSY, every, keep)
