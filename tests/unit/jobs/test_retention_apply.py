"""What an applied plan leaves is the keep-set of a reference that was written from the rules alone, whatever the calendar does."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backstay import errors
from backstay.errors import BackstayError
from backstay.jobs.retention.apply import apply, undelete
from backstay.jobs.retention.plan import Plan, make_plan
from backstay.jobs.retention.sweep import sweep
from backstay.policy.retention.guards import Guard
from backstay.policy.retention.policy import Policy, Rule
from backstay.repository.catalogue import read_catalogue
from backstay.repository.retention.holds import put_hold, read_holds
from tests.backing_up import Cluster
from tests.retaining import Maintained

LENGTHS = {"m": 60, "h": 3600, "d": 86400, "w": 604800, "mo": 31 * 86400, "y": 366 * 86400}


def reference(
    times: Sequence[datetime], now: datetime, rules: Sequence[tuple[int, str, timedelta]], all_within: timedelta,
    least: int, span: timedelta, zone: tzinfo,
) -> set[int]:  # fmt: skip
    """The places of the points of one lineage that stay, from section 7 of the design alone; `times` never go back."""
    future = {place for place, time in enumerate(times) if time > now}
    past = [place for place in range(len(times)) if place not in future]
    if not past:
        return future
    anchor = times[past[-1]]
    keep = set(past[-least:]) | future | {past[-1]}
    keep |= {place for place in past if anchor - times[place] <= all_within}
    for age, strict in ((all_within, True), (span, False)):  # the last before the window; the last older by the span
        older = [p for p in past if (anchor - times[p] > age if strict else anchor - times[p] >= age)]
        keep |= set(older[-1:])
    longest = max([all_within, *(within for _, _, within in rules)])
    if anchor - times[past[0]] < longest:
        keep.add(past[0])
    for count, unit, within in rules:
        last: dict[object, int] = {}
        for place in past:
            if anchor - times[place] < within:
                last[named(times[place], count, unit, zone)] = place
        keep |= set(last.values())
    return keep


def named(time: datetime, count: int, unit: str, zone: tzinfo) -> object:
    """The bucket of a time, by the names that a calendar gives it; only counts of 1 beyond hours."""
    civil = time.astimezone(zone)
    if unit in "mh":
        return int(time.timestamp()) // (count * LENGTHS[unit])
    return {
        "d": civil.date(),
        "w": civil.isocalendar()[:2],
        "mo": (civil.year, civil.month),
        "y": civil.year,
    }[unit]


class Dated(Maintained):
    """Points of the times that are given, stored at those times or when the storage says."""

    def __init__(self, times: Sequence[datetime], directory: Path, stored: datetime | None = None) -> None:
        super().__init__(plaintext=True, spill=directory)
        cluster = Cluster()
        for number, time in enumerate(times):
            cluster.put(b"a", b"%d" % number)
            self.now = time
            self.clock.time = stored if stored is not None else time
            memory = self.commit(cluster).memory
            self.memory = memory

    def plan(self, policy: Policy, now: datetime, *, allowed: Sequence[Guard] = tuple(Guard)) -> Plan:
        repository = self.repository()
        return make_plan(
            repository, read_catalogue(repository), [], read_holds(repository), policy,
            now=now, readable=lambda _: None, allowed=allowed,
        )  # fmt: skip


RULES = st.lists(
    st.tuples(st.sampled_from(["15m", "1h", "6h", "1d", "1w", "1mo", "1y"]), st.sampled_from(["6h", "3d", "5w", "4mo", "2y"])),
    min_size=1, max_size=3,
)  # fmt: skip
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"])
BEGINS = st.sampled_from(
    [
        datetime(2024, 2, 27, 22, tzinfo=UTC),  # a leap day
        datetime(2026, 3, 28, 20, tzinfo=UTC),  # clocks go forward in Europe
        datetime(2026, 10, 24, 20, tzinfo=UTC),  # and back
        datetime(2026, 12, 30, 1, tzinfo=UTC),  # a week of two years
    ]
)
STEPS = st.lists(st.sampled_from([0.1, 0.25, 0.5, 1, 1, 6, 24, 24, 170, 800]), min_size=1, max_size=11)
LEAP_DAY = datetime(2024, 2, 27, tzinfo=UTC)
assert monthrange(2024, 2)[1] == 29


@settings(max_examples=60, deadline=None)
@given(
    begin=BEGINS, steps=STEPS, rules=RULES, zone=ZONES,
    hours=st.integers(0, 80), least=st.integers(1, 3), after=st.integers(-30, 60),
)  # fmt: skip
@example(begin=LEAP_DAY, steps=[24.0] * 6, rules=[("1mo", "2y")], zone="UTC", hours=0, least=1, after=0)
def test_what_an_applied_plan_leaves_is_what_the_reference_keeps(
    begin: datetime, steps: list[float], rules: list[tuple[str, str]], zone: str, hours: int, least: int, after: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    times = [begin]
    for step in steps:
        times.append(times[-1] + timedelta(hours=step))
    # `after` may be negative: then the newest points claim to be from the future.
    now = times[-1] + timedelta(hours=after)
    span = timedelta(hours=24)
    policy = Policy(
        tuple(Rule.parse(f"{every}:{within}") for every, within in rules),
        timedelta(hours=hours), least, span, timedelta(0), ZoneInfo(zone),
    )  # fmt: skip
    place = Dated(times, tmp_path_factory.mktemp("dated"))
    before = [each.id for each in place.catalogue().points]
    said = [(int(every.rstrip("mhdwoy")), every.lstrip("0123456789"), _length(within)) for every, within in rules]
    kept = reference(times, now, said, timedelta(hours=hours), least, span, ZoneInfo(zone))
    applied = apply(place.repository(), place.plan(policy, now), place.writer, now=now)
    left = {each.id for each in place.catalogue().points}
    assert left == {before[place] for place in kept}
    assert set(applied.points) == set(before) - left
    assert {each.id for each in place.catalogue().expired} == set(before) - left
    assert not place.plan(policy, now).decision.drop
    place.now = place.clock.time = max(times[-1], now) + timedelta(hours=25)
    assert set(place.sweep().points) == set(before) - left
    assert {each.id for each in place.catalogue().points} == left


def _length(text: str) -> timedelta:
    return timedelta(seconds=int(text.rstrip("mhdwoy")) * LENGTHS[text.lstrip("0123456789")])


EVERY_HOUR = [datetime(2026, 11, 1, tzinfo=UTC) + timedelta(hours=6 * number) for number in range(12)]
DAILY = Policy((Rule.parse("1d:30d"),), timedelta(0), 1, timedelta(0), timedelta(0))
LATER = EVERY_HOUR[-1] + timedelta(days=3)


def test_a_plan_that_a_guard_refuses_marks_nothing(tmp_path: Path) -> None:
    place = Dated(EVERY_HOUR, tmp_path)
    plan = place.plan(DAILY, LATER, allowed=())
    assert plan.refused
    with pytest.raises(BackstayError) as raised:
        apply(place.repository(), plan, place.writer, now=LATER)
    assert raised.value.kind is errors.RETENTION_REFUSED
    assert len(place.catalogue().points) == len(EVERY_HOUR)


def test_a_plan_from_before_other_maintenance_is_not_applied(tmp_path: Path) -> None:
    place = Dated(EVERY_HOUR, tmp_path)
    plan = place.plan(DAILY, LATER)
    place.expire(place.catalogue().points[:1])
    with pytest.raises(BackstayError) as raised:
        apply(place.repository(), plan, place.writer, now=LATER)
    assert raised.value.kind is errors.RETENTION_CHANGED
    assert len(place.catalogue().expired) == 1


def test_a_promise_that_became_shorter_is_noticed_by_the_last_mark(tmp_path: Path) -> None:
    place = Dated(EVERY_HOUR, tmp_path)
    apply(place.repository(), place.plan(DAILY, LATER), place.writer, now=LATER)
    shorter = Policy((Rule.parse("1d:1d"),), timedelta(0), 1, timedelta(0), timedelta(0))
    assert Guard.WINDOW_REDUCED in place.plan(shorter, LATER).guards


def test_a_gradual_plan_takes_a_fifth_and_the_oldest(tmp_path: Path) -> None:
    place = Dated(EVERY_HOUR, tmp_path)
    repository, others = place.repository(), [each for each in Guard if each is not Guard.MANY_POINTS]
    plan = make_plan(
        repository, read_catalogue(repository), [], [], DAILY,
        now=LATER, readable=lambda _: None, allowed=others, gradual=True,
    )  # fmt: skip
    whole = place.plan(DAILY, LATER)
    assert not plan.refused
    assert plan.decision.drop == whole.decision.drop[: len(plan.decision.drop)]
    assert len(plan.decision.drop) == 2


def test_a_hold_that_comes_after_the_mark_keeps_a_point_from_the_sweep(tmp_path: Path) -> None:
    place = Dated(EVERY_HOUR, tmp_path)
    first = place.catalogue().points[0]
    place.expire([first])
    put_hold(place.repository(), [first], "evidence", None, place.writer, now=place.now, entropy=place.entropy)
    place.pass_time(days=3)
    assert not place.sweep().points
    assert [each.id for each in place.catalogue().expired] == [first.id]
    undelete(place.repository(), place.catalogue(), [first], "evidence", place.writer, now=place.now)
    assert place.catalogue().points[0].id == first.id


def test_a_stolen_agents_key_cannot_let_the_maintainer_delete_what_the_policy_keeps(tmp_path: Path) -> None:
    place = Dated(EVERY_HOUR, tmp_path)
    wanted = {each.id for each in place.plan(DAILY, LATER).decision.keep}
    place.expire(place.catalogue().points)
    place.pass_time(days=3)
    with pytest.raises(BackstayError) as raised:
        sweep(place.repository(), place.writer, clock=place.clock)
    assert raised.value.kind is errors.RETENTION_REFUSED
    swept = sweep(place.repository(), place.writer, clock=place.clock, policy=DAILY, cluster="prod")
    assert swept.points
    assert {each.id for each in place.catalogue().expired} == wanted
    assert sweep(place.repository(), place.writer, clock=place.clock, policy=DAILY, cluster="other").points == ()
    undelete(place.repository(), place.catalogue(), place.catalogue().expired, "stolen", place.writer, now=place.now)
    assert {each.id for each in place.catalogue().points} == wanted
