"""A plan of retention: what it frees no kept point needs, its hash says what would go, and nothing changes by it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from backstay import errors
from backstay.blobs.memory import MemoryStore
from backstay.clock import SystemClock
from backstay.crypto.sealing import ObjectClass
from backstay.errors import BackstayError
from backstay.jobs.points.verify import verify
from backstay.jobs.retention.plan import Plan, make_plan
from backstay.policy.retention.guards import Guard
from backstay.policy.retention.policy import Policy, Rule
from backstay.repository.catalogue import facts_of, read_catalogue
from backstay.repository.facts import Fact, PointFact
from backstay.repository.repository import open_repository
from backstay.repository.retention.holds import put_hold, read_holds
from backstay.repository.standing import without_history
from backstay.snapshot.verify import Level
from backstay.telemetry import SilentProgress
from tests.backing_up import BEGIN, Cluster, Place, small_history

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DAILY = Policy((Rule.parse("1d:2d"),), all_within=6 * HOUR, minimum_points=1)
LATER = BEGIN + 30 * DAY


class StandingClock(SystemClock):
    """A clock whose time is set."""

    time = BEGIN

    def now(self) -> datetime:
        return self.time


class Days(Place):
    """A point every six hours, for four days; the storage's clock goes with the writer's."""

    def __init__(self) -> None:
        self.clock = StandingClock()
        super().__init__(MemoryStore(self.clock))
        self.cluster = small_history()
        for number in range(17):
            self.cluster.put(b"number", b"%d" % number)
            self.add(self.cluster)

    def add(self, cluster: Cluster) -> None:
        self.clock.time = self.now
        self.back_up(cluster)
        self.now += 6 * HOUR - timedelta(minutes=15)

    def plan(
        self,
        policy: Policy = DAILY,
        *,
        level: str = "coherent",
        now: datetime = LATER,
        copied: Collection[str] | None = None,
    ) -> Plan:
        repository = self.repository()
        points = self.catalogue().points
        fact = Fact(BEGIN, "test", tuple(PointFact(each.lineage, each.sequence, level, level) for each in points))
        return make_plan(
            repository,
            read_catalogue(repository),
            [fact],
            read_holds(repository),
            policy,
            now=now,
            readable=partial(facts_of, repository),
            copied=copied,
        )


@pytest.fixture(scope="module")
def days() -> Days:
    return Days()


def copied(place: Place) -> MemoryStore:
    copy = MemoryStore()
    for blob in place.store.list():
        copy.put(blob.name, b"".join(place.store.get(blob.name)))
    return copy


@pytest.mark.parametrize(
    "policy", [DAILY, replace(DAILY, rules=(Rule.parse("1h:1h"),)), Policy((Rule.parse("1w:1y"),), timedelta(0), 1)]
)
def test_every_kept_point_is_rebuilt_whatever_part_of_the_freed_objects_is_gone(days: Days, policy: Policy) -> None:
    plan = days.plan(policy)
    assert plan.frees
    kept, fading = {each.id for each in plan.decision.keep}, {each.id for each in plan.fading}
    assert fading
    store = copied(days)
    cuts = {1, len(plan.frees) // 2, len(plan.frees)}
    for count, run in enumerate(plan.frees, 1):
        store.delete(run.name)
        if count in cuts:
            repository = open_repository(store, (days.operator,))
            catalogue = read_catalogue(repository).require_sound()
            points = [
                without_history(each) if each.id in fading else each for each in catalogue.points if each.id in kept
            ]
            assert len(points) == len(kept)
            verified = verify(
                repository, catalogue, points, Level.REBUILT,
                spill=Path("/tmp"), entropy=days.entropy, progress=SilentProgress(),
            )  # fmt: skip
            assert all(each.reached is Level.REBUILT for each in verified.points), verified.all_findings


def test_no_object_that_a_kept_point_needs_is_freed_and_all_others_are(days: Days) -> None:
    plan = days.plan()
    kept, fading = {each.id for each in plan.decision.keep}, {each.id for each in plan.fading}
    needed = {
        run.name
        for each in days.catalogue().points
        if each.id in kept
        for run in each.runs
        if each.id not in fading or run.kind is not ObjectClass.HISTORY
    }
    everything = {run.name for each in days.catalogue().points for run in each.runs}
    assert {run.name for run in plan.frees} == everything - needed
    assert plan.freed_bytes == sum(days.store.stat(run.name).size for run in plan.frees)


def test_points_older_than_the_window_of_every_revision_lose_their_history_and_stay(days: Days) -> None:
    plan = days.plan()
    points = days.catalogue().points
    old = {each.id for each in points if each.time < points[-1].time - DAILY.all_within}
    assert {each.id for each in plan.fading} == old & {each.id for each in plan.decision.keep}
    histories = {run.name for each in points for run in each.of_kind(ObjectClass.HISTORY)}
    stay = {run.name for each in points if each.id not in old for run in each.of_kind(ObjectClass.HISTORY)}
    assert {run.name for run in plan.frees if run.kind is ObjectClass.HISTORY} == histories - stay
    assert days.plan(replace(DAILY, all_within=900 * DAY)).fading == ()
    first, *others = plan.fading
    assert days.plan(copied={each.id for each in others}).fading == tuple(others)
    assert days.plan(copied={first.id}).fading == (first,)


def test_links_are_state_runs_that_only_points_behind_them_need(days: Days) -> None:
    plan = days.plan()
    kept = [each for each in days.catalogue().points if each.id in {point.id for point in plan.decision.keep}]
    ends = {each.of_kind(ObjectClass.BASE, ObjectClass.STATE)[-1].name for each in kept}
    assert plan.links
    assert plan.merges
    assert {run.kind for run in plan.links} == {ObjectClass.STATE}
    assert len({run.name for run in plan.links} & ends) == plan.merges
    assert not set(plan.links) & set(plan.frees)


def test_a_plan_changes_nothing_and_is_the_same_again(days: Days) -> None:
    before = list(days.store.list())
    assert days.plan().hash == days.plan(now=LATER + DAY).hash
    assert list(days.store.list()) == before
    assert days.plan().hash != days.plan(replace(DAILY, minimum_points=9)).hash


def test_a_held_point_stays_with_all_that_it_needs() -> None:
    days = Days()
    plan = days.plan()
    going = plan.decision.drop[0]
    point = next(each for each in days.catalogue().points if each.id == going.id)
    put_hold(days.repository(), [point], "why", LATER + DAY, days.writer, now=BEGIN, entropy=days.entropy)
    held = days.plan()
    assert going.id in {each.id for each in held.decision.keep}
    assert not {run.name for run in point.runs} & {run.name for run in held.frees}
    assert held.hash != plan.hash
    assert days.plan(now=LATER + DAY).hash == plan.hash


def test_the_guards_see_a_head_that_lost_its_keys_or_was_never_verified(days: Days) -> None:
    assert days.plan().guards == (Guard.MANY_POINTS,)
    assert Guard.HEAD_UNVERIFIED in days.plan(level="authentic").guards
    emptied = Days()
    emptied.cluster.delete(*emptied.cluster.live())
    emptied.add(emptied.cluster)
    assert Guard.HEAD_SHRANK in emptied.plan().guards


def test_who_does_not_see_everything_plans_nothing() -> None:
    days = Days()
    days.store.delete(days.catalogue().points[5].where)
    with pytest.raises(BackstayError) as raised:
        make_plan(
            days.repository(), read_catalogue(days.repository()), [], [], DAILY, now=LATER, readable=lambda _: None
        )
    assert raised.value.kind is errors.CHAIN_BROKEN
