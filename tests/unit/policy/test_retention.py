"""Retention of points: what the rules, floors, holds and pins keep, compared with the rules said once more by brute force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.policy.retention import decide as reasons
from backstay.policy.retention.decide import Decision, Kept, decide, fading_points
from backstay.policy.retention.guards import Guard, Reach, guards_of, refusing
from backstay.policy.retention.locks import lock_until
from backstay.policy.retention.periods import Period
from backstay.policy.retention.points import Point, believed_times, families
from backstay.policy.retention.policy import DAY, DEFAULT, Policy, Rule

NOW = datetime(2026, 11, 27, 18, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
SHORT = Policy((Rule.parse("1d:7d"),), all_within=timedelta(0), minimum_points=1, minimum_span=timedelta(0))
ZONES = st.sampled_from([UTC, ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), ZoneInfo("Asia/Kolkata")])
PERIODS = st.sampled_from([Period.parse(each) for each in ("15m", "1h", "6h", "1d", "1w", "1mo", "1y")])
RULES = st.lists(st.builds(Rule, PERIODS, PERIODS), min_size=1, max_size=3).map(tuple)
POLICIES = st.builds(
    Policy,
    RULES,
    all_within=st.integers(0, 100).map(lambda hours: hours * HOUR),
    minimum_points=st.integers(1, 4),
    minimum_span=st.integers(0, 50).map(lambda hours: hours * HOUR),
    lineage_grace=st.integers(0, 60).map(lambda days: days * DAY),
    zone=ZONES,
)


def history(hours_old: list[float], lineage: str = "a", cluster: str = "one", parent: str = "") -> list[Point]:
    """Points of one lineage, oldest first."""
    return [
        Point(lineage, place, cluster, NOW - hours * HOUR, parent=parent)
        for place, hours in enumerate(sorted(hours_old, reverse=True), 1)
    ]


AGES = st.lists(st.floats(-200, 12000), max_size=40)
POINTS = st.builds(
    lambda a, b, c, levels: [
        replace(point, verified=levels[place % len(levels)])
        for place, point in enumerate(
            [*history(a, "a"), *history(b, "b", parent="a"), *history(c, "c", cluster="two")]
        )
    ],
    AGES,
    AGES,
    AGES,
    st.lists(st.integers(-1, 5), min_size=1, max_size=9),
)  # fmt: skip


def ids(points: tuple[Point, ...]) -> set[str]:
    return {each.id for each in points}


def is_wanted_by_rule(point: Point, past: list[Point], times: dict[str, datetime], policy: Policy) -> bool:
    """The rules said once more: it is young enough for one, and nothing later is in its bucket."""
    anchor = max(times[each.id] for each in past)
    for rule in policy.rules:
        if times[point.id] > anchor - rule.within.length:
            at = rule.every.bucket(times[point.id], policy.zone)
            later = [each for each in past if past.index(each) > past.index(point)]
            if all(rule.every.bucket(times[each.id], policy.zone) != at for each in later):
                return True
    return False


@given(AGES, POLICIES)
def test_what_goes_is_wanted_by_no_rule_and_what_stays_has_a_reason_that_holds(
    ages: list[float], policy: Policy
) -> None:
    decision = decide(history(ages), NOW, policy)
    past = [each for each in decision.points if decision.times[each.id] <= NOW]
    for point in past:
        wanted = is_wanted_by_rule(point, past, dict(decision.times), policy)
        by_rule = any(reason.startswith("every ") for reason in decision.reasons[point.id])
        assert wanted == by_rule
    assert not {each.id for each in decision.points if decision.times[each.id] > NOW} & ids(decision.drop)


@given(POINTS, POLICIES)
def test_the_newest_and_the_best_verified_point_of_every_cluster_stay(points: list[Point], policy: Policy) -> None:
    decision = decide(points, NOW, policy)
    assert ids(decision.keep) | ids(decision.drop) == {each.id for each in points}
    for cluster in ("one", "two"):
        past = [each for each in decision.points if each.cluster == cluster and decision.times[each.id] <= NOW]
        kept = [each for each in past if decision.reasons[each.id]]
        if past:
            assert kept[-1] == past[-1]
            assert len(kept) >= min(policy.minimum_points, len(past))
            assert max(each.verified for each in kept) == max(each.verified for each in past)


@given(POINTS, POLICIES, st.data())
def test_holds_pins_and_missing_copies_beat_everything(
    points: list[Point], policy: Policy, data: st.DataObject
) -> None:
    some = st.sets(st.sampled_from([each.id for each in points])) if points else st.just(set[str]())
    held, pinned, copied = data.draw(some), data.draw(some), data.draw(some)
    free = decide(points, NOW, policy)
    bound = decide(points, NOW, policy, Kept(held, pinned, copied))
    assert not (held | pinned) & ids(bound.drop)
    assert ids(bound.drop) <= copied
    assert ids(bound.drop) == (ids(free.drop) - held - pinned) & copied


@given(POINTS, POLICIES, st.integers(0, 100))
def test_where_backups_stop_nothing_more_expires(points: list[Point], policy: Policy, days: int) -> None:
    past = [each for each in points if each.signed <= NOW]
    today, later = decide(past, NOW, policy), decide(past, NOW + days * DAY, policy)
    assert ids(today.drop) == ids(later.drop)


@given(POINTS, POLICIES)
def test_a_second_time_nothing_more_goes(points: list[Point], policy: Policy) -> None:
    first = decide(points, NOW, policy)
    again = decide(first.keep, NOW, policy)
    assert again.drop == ()


@given(POINTS, POLICIES)
def test_no_cluster_changes_what_another_keeps(points: list[Point], policy: Policy) -> None:
    alone = decide([each for each in points if each.cluster == "two"], NOW, policy)
    together = decide(points, NOW, policy)
    assert ids(alone.drop) == {each.id for each in together.drop if each.cluster == "two"}


def test_a_point_from_the_future_is_kept_and_makes_nothing_old() -> None:
    sane = history([1, 25, 49])
    future = Point("a", 4, "one", NOW + 365 * DAY)
    assert ids(decide([*sane, future], NOW, SHORT).drop) == ids(decide(sane, NOW, SHORT).drop)
    assert reasons.FUTURE in decide([*sane, future], NOW, SHORT).reasons["a-4"]


def test_a_clock_is_believed_only_between_the_point_before_and_the_storages_time() -> None:
    times = believed_times(
        [
            Point("a", 1, "one", NOW, NOW),
            Point("a", 2, "one", NOW - DAY, NOW + HOUR),
            Point("a", 3, "one", NOW + 90 * DAY, NOW + 2 * HOUR),
        ]
    )
    assert times == {"a-1": NOW, "a-2": NOW, "a-3": NOW + 2 * HOUR + timedelta(minutes=5)}


def test_a_thousand_hurried_backups_push_no_old_one_out() -> None:
    calm = history([24.0 * day for day in range(7)])
    hurried = [Point("a", 100 + each, "one", NOW + each * timedelta(microseconds=1)) for each in range(1000)]
    decision = decide([*calm, *hurried], NOW + timedelta(seconds=1), SHORT)
    # Of the hurried ones today's last, and the one before the window, which is empty here.
    assert [each.sequence for each in decision.keep] == [1, 2, 3, 4, 5, 6, 1098, 1099]


def test_the_oldest_stays_until_the_longest_window_is_full() -> None:
    policy = replace(SHORT, rules=(Rule.parse("1d:3d"), Rule.parse("1mo:1y")))
    assert reasons.OLDEST in decide(history([2, 3, 30 * 24]), NOW, policy).reasons["a-1"]
    full = decide(history([2, 3, 400 * 24, 500 * 24]), NOW, policy)
    assert not full.reasons["a-1"]


def test_both_branches_of_a_fork_are_kept_by_the_rules_with_what_they_share() -> None:
    points = [*history([100, 80, 60], "a"), *history([50, 30], "b", parent="a"), *history([40], "c", parent="a")]
    assert families(points) == [{"a", "b"}, {"a", "c"}]
    assert not decide(points, NOW, SHORT).drop[1:]


def test_an_unbroken_circle_of_parents_ends() -> None:
    points = [*history([3], "a", parent="b"), *history([2], "b", parent="a")]
    assert set.union(*families(points)) == {"a", "b"}
    assert decide(points, NOW, DEFAULT).keep


@given(st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)), PERIODS, ZONES)
def test_buckets_follow_one_another_and_none_is_longer_than_its_period(
    naive: datetime, period: Period, zone: ZoneInfo
) -> None:
    time = naive.replace(tzinfo=UTC)
    here = period.bucket(time, zone)
    assert period.bucket(time + timedelta(seconds=1), zone) in (here, here + 1)
    # An hour more for a day, week, month or year in which clocks go back.
    assert period.bucket(time + period.length + HOUR, zone) > here


def test_days_are_those_of_the_zone_and_weeks_begin_on_monday() -> None:
    day, week = Period.parse("1d"), Period.parse("1w")
    berlin = ZoneInfo("Europe/Berlin")
    before, after = datetime(2026, 11, 26, 22, 59, tzinfo=UTC), datetime(2026, 11, 26, 23, 0, tzinfo=UTC)
    assert day.bucket(before) == day.bucket(after)
    assert day.bucket(before, berlin) + 1 == day.bucket(after, berlin)
    sunday, monday = datetime(2026, 11, 22, 23, 59, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)
    assert week.bucket(sunday) + 1 == week.bucket(monday)
    assert Period.parse("1mo").bucket(datetime(2028, 2, 29, tzinfo=UTC)) + 1 == Period.parse("1mo").bucket(
        datetime(2028, 3, 1, tzinfo=UTC)
    )


@pytest.mark.parametrize(
    "text", ["", "15", "0m", "m", "15m:", ":7d", "7 d", "1x:1d", "15m:7d:1", "-1d:7d", "999999h:1d"]
)
def test_a_rule_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        Rule.parse(text)


def test_a_policy_that_would_keep_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="keeps at least one point"):
        Policy(())
    with pytest.raises(ValueError, match="keeps at least one point"):
        replace(DEFAULT, minimum_points=0)


PROMISE = Reach(SHORT.window, SHORT.all_within)


def guarded(
    decision: Decision, before: Reach | None = None, fading: Sequence[Point] = (), promise: Reach = PROMISE
) -> tuple[Guard, ...]:
    return guards_of(decision, NOW, promise=promise, before=before, verified_enough=3, fading=fading)


def test_each_guard_refuses_the_mistake_it_is_named_after() -> None:
    days = [replace(each, verified=3, keys=100) for each in history([1.0, *(24.0 * day for day in range(1, 8)), 400.0])]
    calm = decide(days, NOW, SHORT)
    assert len(calm.drop) == 1
    assert guarded(calm) == ()
    assert guarded(calm, Reach(SHORT.window + DAY, timedelta(0))) == (Guard.WINDOW_REDUCED,)
    assert guarded(calm, Reach(SHORT.window, DAY)) == ()
    assert guarded(calm, Reach(SHORT.window, DAY), calm.keep[:1]) == (Guard.HISTORY_REDUCED,)
    assert guarded(decide([*days[:-1], replace(days[-1], keys=40)], NOW, SHORT)) == (Guard.HEAD_SHRANK,)
    unverified = decide([*days[:-1], replace(days[-1], verified=2)], NOW, SHORT)
    assert guarded(unverified) == (Guard.HEAD_UNVERIFIED,)
    many = [replace(each, verified=3) for each in history([1, 2, 3, 300, 301, 302])]
    assert guarded(decide(many, NOW, SHORT)) == (Guard.MANY_POINTS, Guard.YOUNG_POINTS)
    assert refusing((Guard.MANY_POINTS, Guard.YOUNG_POINTS), [Guard.MANY_POINTS]) == (Guard.YOUNG_POINTS,)


def test_a_storage_whose_clock_is_far_behind_does_not_make_todays_points_old_unnoticed() -> None:
    points = [replace(each, verified=3, stored=NOW - 900 * DAY) for each in history([1, 5, 9, *range(24, 400, 24)])]
    points.append(Point("a", 100, "one", NOW, verified=3))
    decision = decide(points, NOW, SHORT)
    young = [each for each in decision.drop if each.signed > NOW - DAY]
    assert young
    assert all(decision.times[each.id] < NOW - 800 * DAY for each in young)
    assert Guard.YOUNG_POINTS in guarded(decision)


def test_what_drops_nothing_is_never_refused() -> None:
    assert guarded(decide(history([1]), NOW, SHORT), Reach(900 * DAY, 900 * DAY)) == ()


def test_history_fades_like_a_loss_of_points_only_behind_a_good_head() -> None:
    days = [replace(each, verified=3, keys=100) for each in history([1.0, 25.0, 49.0, 73.0])]
    kept = decide(days, NOW, SHORT)
    assert not kept.drop
    assert fading_points(kept) == tuple(days[:-1])
    assert guarded(kept, fading=days[:2]) == ()
    assert guarded(decide([*days[:-1], replace(days[-1], keys=40)], NOW, SHORT), fading=days[:1]) == (
        Guard.HEAD_SHRANK,
    )
    assert guarded(decide([*days[:-1], replace(days[-1], verified=2)], NOW, SHORT), fading=days[:1]) == (
        Guard.HEAD_UNVERIFIED,
    )


def test_points_within_the_window_held_or_in_use_keep_their_history() -> None:
    days = history([1.0, 25.0, 49.0, 73.0, 97.0])
    policy = replace(SHORT, all_within=26 * HOUR)
    kept = Kept(held={days[0].id}, pinned={days[1].id})
    assert fading_points(decide(days, NOW, policy, kept)) == (days[2],)


def test_a_lock_lasts_as_long_as_a_rule_can_need_the_object() -> None:
    assert lock_until("log", NOW, DEFAULT) == NOW + 2 * DAY
    assert lock_until("history", NOW, DEFAULT) == NOW + 9 * DAY
    assert lock_until("base", NOW, DEFAULT) == NOW + 366 * DAY
