"""Points whose history has faded: they give back their own revision, say that they hold no other, and can be taken back in time."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from backstay import errors
from backstay.crypto.sealing import ObjectClass
from backstay.errors import BackstayError
from backstay.jobs.points.restore import plan_restore
from backstay.jobs.points.verify import verify
from backstay.jobs.retention.apply import commit_change, recallable, undelete
from backstay.jobs.retention.sweep import sweep
from backstay.policy.retention.policy import Policy, Rule
from backstay.repository.catalogue import facts_of, read_catalogue
from backstay.repository.changes import Sweep
from backstay.repository.choosing import choose
from backstay.repository.manifest import Manifest
from backstay.repository.retention.holds import put_hold
from backstay.repository.retention.pins import pinned
from backstay.repository.view import PointView
from backstay.snapshot.verify import Level
from backstay.telemetry import SilentProgress
from tests.backing_up import Cluster
from tests.retaining import Maintained

HOUR = timedelta(hours=1)
POINTS = 4
HOURLY = Policy((Rule.parse("1h:30d"),), all_within=HOUR, minimum_points=1, minimum_span=timedelta(0))


@pytest.fixture
def place(tmp_path: Path) -> Maintained:
    """Points at revisions 4, 7, 10 and 13, an hour apart; each holds the three revisions that it added."""
    place, cluster = Maintained(spill=tmp_path), Cluster()
    cluster.put(b"goes", b"1")
    for number in range(POINTS):
        cluster.put(b"a", b"%d" % number)
        if number == 1:
            cluster.delete(b"goes")
        else:
            cluster.put(b"a", b"%d again" % number)
        if number:
            cluster.put(b"b", b"%d" % number)
        place.back_up(cluster)
        place.pass_time(minutes=45)
    return place


def faded(place: Maintained) -> list[int]:
    return [each.sequence for each in place.catalogue().points if each.is_state_only]


def histories(place: Maintained) -> set[str]:
    return {name for name in place.run_names() if "/history/" in name}


def test_a_revision_that_has_faded_is_refused_and_the_nearest_are_named(place: Maintained) -> None:
    points = place.catalogue().points
    assert choose(place.repository(), points, "6").revision == 6
    place.fade(points[:2])
    points = place.catalogue().points
    for own in ("4", "7"):
        assert choose(place.repository(), points, own).revision is None
    # The last two points still hold it: each has the history since the first base.
    assert choose(place.repository(), points, "6").point.sequence == 3
    place.fade(points)
    points = place.catalogue().points
    with pytest.raises(BackstayError) as raised:
        choose(place.repository(), points, "6")
    assert raised.value.kind is errors.POINT_NOT_FOUND
    assert "at revision 4" in str(raised.value)
    assert "at revision 7" in str(raised.value)


def test_a_deleted_key_is_found_in_the_last_point_that_holds_it(place: Maintained) -> None:
    points = place.catalogue().points
    within = choose(place.repository(), points, "before-delete:goes")
    assert within.revision is not None
    place.fade(points)
    alone = choose(place.repository(), place.catalogue().points, "before-delete:goes")
    assert (alone.point.sequence, alone.revision) == (1, None)


def test_a_look_into_a_faded_point_sees_its_own_revision_alone(place: Maintained) -> None:
    place.fade(place.catalogue().points[2:3])
    point = place.catalogue().points[2]
    view = PointView(place.reader(point))
    assert view.compact_revision == view.revision == facts_of(place.repository(), point).compact_revision
    assert {record.key: record.main for record in view.alive(view.revision)} == {b"a": 9, b"b": 10}
    assert [(record.key, record.main) for record in view.records(b"a", b"b")] == [(b"a", 9)]
    assert view.newest(b"goes", view.revision) is None
    with pytest.raises(BackstayError) as raised:
        plan_restore(place.reader(point), Path("/nowhere/x"), revision=view.revision - 1)
    assert raised.value.kind is errors.POINT_NOT_FOUND


def test_faded_points_verify_up_to_rebuilt_after_their_history_is_gone(place: Maintained) -> None:
    place.fade(place.catalogue().points)
    place.pass_time(days=2)
    assert place.sweep().removed
    assert not histories(place)
    repository, catalogue = place.repository(), place.catalogue()
    done = verify(
        repository, catalogue, catalogue.points, Level.REBUILT,
        spill=place.spill, entropy=place.entropy, progress=SilentProgress(),
    )  # fmt: skip
    assert [each.reached for each in done.points] == [Level.REBUILT] * POINTS
    assert not done.findings
    assert place.assert_all_restore() == POINTS


def test_history_comes_back_until_a_sweep_has_let_it_go(place: Maintained) -> None:
    before = histories(place)
    place.fade(place.catalogue().points)
    assert len(recallable(place.catalogue())) == POINTS
    assert place.sweep().removed == 0
    place.recall(place.catalogue().points)
    assert faded(place) == []
    assert place.assert_all_restore() == POINTS
    place.pass_time(days=2)
    assert place.sweep().removed == 0
    assert histories(place) == before
    place.fade(place.catalogue().points)
    place.pass_time(days=2)
    place.sweep()
    assert recallable(place.catalogue()) == ()
    with pytest.raises(BackstayError) as raised:
        undelete(place.repository(), place.catalogue(), place.catalogue().points, "x", place.writer, now=place.now)
    assert raised.value.kind is errors.POINT_NOT_EXPIRED


def test_merging_before_history_is_gone_keeps_what_can_be_taken_back(place: Maintained) -> None:
    points = place.catalogue().points
    place.fade(points)
    place.expire(points[1:3])
    assert place.merge().rows == 1
    place.recall([*place.catalogue().points, *place.catalogue().expired])
    assert faded(place) == []
    assert place.assert_all_restore() == POINTS


@pytest.mark.parametrize("why", ["held", "in use"])
def test_a_held_point_and_one_in_use_keep_their_history(place: Maintained, why: str) -> None:
    points = place.catalogue().points
    kept = {run.name for run in points[0].runs}
    place.fade(points)
    place.pass_time(days=2)
    if why == "held":
        put_hold(place.repository(), points[:1], "why", None, place.writer, now=place.now, entropy=place.entropy)
        place.sweep()
    else:
        with pinned(place.repository(), points[0], clock=place.clock, entropy=place.entropy):
            place.sweep()
    assert kept <= place.run_names()
    assert histories(place) == {name for name in kept if "/history/" in name}
    assert place.assert_all_restore() == POINTS


def test_a_stolen_agents_key_cannot_let_the_history_go_that_the_policy_keeps(place: Maintained) -> None:
    points = place.catalogue().points
    place.fade(points)
    place.pass_time(days=2)
    with pytest.raises(BackstayError) as raised:
        sweep(place.repository(), place.writer, clock=place.clock)
    assert raised.value.kind is errors.RETENTION_REFUSED
    assert "lose their history" in str(raised.value)
    sweep(place.repository(), place.writer, clock=place.clock, policy=HOURLY, cluster="other")
    assert {run.name for each in points for run in each.runs} <= place.run_names()
    sweep(place.repository(), place.writer, clock=place.clock, policy=HOURLY, cluster="prod")
    wanted = {run.name for each in points[-2:] for run in each.of_kind(ObjectClass.HISTORY)}
    assert histories(place) == wanted


def test_a_sweep_that_only_says_so_lets_nothing_go_that_the_policy_keeps(place: Maintained) -> None:
    points = place.catalogue().points
    every = histories(place)
    _declare(place, Sweep((), tuple(sorted(every)), None))
    assert faded(place) == [1, 2, 3, 4]
    place.pass_time(days=2)
    sweep(place.repository(), place.writer, clock=place.clock, policy=HOURLY, cluster="prod")
    assert histories(place) == {run.name for each in points[-2:] for run in each.of_kind(ObjectClass.HISTORY)}


def _declare(place: Maintained, change: Sweep) -> Manifest:
    lineage = read_catalogue(place.repository()).lineages[0]
    return commit_change(
        place.repository(), change, place.writer, lineage=lineage.id, cluster="prod", since=lineage.last, now=place.now
    )  # fmt: skip
