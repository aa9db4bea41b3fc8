"""Rounds of verification: no point waits longer than promised, also while points are added faster than before (P23)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from backstay.policy.verification import Checked, due, oldest

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
WITHIN = timedelta(days=30)


def live(days: int, added_a_day: list[int], pauses: set[int]) -> timedelta:
    """The longest that any point waited, with a round a day except on the days of `pauses`."""
    points: dict[str, Checked] = {}
    last: datetime | None = None
    longest = timedelta(0)
    for day in range(days):
        now = BEGIN + timedelta(days=day)
        for number in range(added_a_day[day % len(added_a_day)]):
            name = f"{day}-{number}"
            points[name] = Checked(name, now, now)  # a run proves what it makes
        waiting = oldest(points.values())
        if waiting is not None:
            longest = max(longest, now - waiting)
        if day in pauses or not points:
            continue
        for name in due(points.values(), now, within=WITHIN, last_round=last):
            points[name] = replace(points[name], verified=now)
        last = now
    return longest


@given(st.lists(st.integers(0, 40), min_size=1, max_size=30))
def test_no_point_waits_longer_than_promised_while_points_are_added(added: list[int]) -> None:
    assert live(75, added, set()) < WITHIN


@given(st.sets(st.integers(20, 60), max_size=12))
def test_a_pause_is_caught_up_with(pauses: set[int]) -> None:
    assert live(120, [8], pauses) < WITHIN + timedelta(days=1)


def test_a_round_takes_the_oldest_first_and_neighbours_together() -> None:
    points = [Checked(str(day), BEGIN + timedelta(days=day), None) for day in range(30)]
    chosen = due(reversed(points), BEGIN + timedelta(days=30), within=WITHIN, last_round=BEGIN + timedelta(days=29))
    assert chosen == ("0", "1")
    assert due([], BEGIN, within=WITHIN, last_round=None) == ()
    assert len(due(points, BEGIN, within=WITHIN, last_round=BEGIN + WITHIN)) == 1  # the last round is from the future


def test_a_first_round_takes_everything() -> None:
    points = [Checked(str(day), BEGIN, None) for day in range(30)]
    assert len(due(points, BEGIN, within=WITHIN, last_round=None)) == 30
