"""Which point `--at` means, and what is said where none is held exactly."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from backstay import errors
from backstay.errors import BackstayError
from backstay.repository.choosing import choose, choose_point
from backstay.repository.tags import put_tag
from tests.backing_up import BEGIN, Cluster, Place


@pytest.fixture(scope="module")
def place() -> Place:
    """Points at 00:00, 00:15, 00:30 of 25 November 2026, at revisions 2, 4, 6."""
    place, cluster = Place(), Cluster()
    for _ in range(3):
        cluster.put(b"a", b"1")
        place.back_up(cluster)
        cluster.put(b"a", b"2")
    return place


def chosen(place: Place, wanted: str) -> int:
    return choose_point(place.repository(), place.catalogue().points, wanted).sequence


@pytest.mark.parametrize(
    ("wanted", "sequence"),
    [
        ("latest", 3),
        ("2026-11-25T00:15", 2),
        ("2026-11-25T00:15Z", 2),
        ("2026-11-25 00:30:00", 3),
        ("2026-11-25T00:00:00.000", 1),
        ("2026-11-25", 3),
        ("2", 1),
        ("4", 2),
    ],
)
def test_a_point_is_found_by_what_is_written(place: Place, wanted: str, sequence: int) -> None:
    assert chosen(place, wanted) == sequence


def test_a_point_is_found_by_its_id_or_the_beginning_of_it(place: Place) -> None:
    point = place.catalogue().points[1]
    assert chosen(place, point.id) == 2
    assert chosen(place, f"{point.lineage[:6]}-2") == 2
    assert chosen(place, f"{point.lineage[:6]}") == 3


@pytest.mark.parametrize(
    ("wanted", "near"),
    [
        ("2026-11-25T00:16", ("00:15:00", "00:30:00")),
        ("2026-11-24", ("00:00:00",)),
        ("2027-01-01T00:00", ("00:30:00",)),
        ("3", ("revision 2", "revision 4")),
        ("1", ("revision 2",)),
        ("99", ("revision 6",)),
        ("deadbeefdeadbeef-1", ("00:30:00",)),
    ],
)
def test_what_is_not_held_exactly_names_the_nearest(place: Place, wanted: str, near: tuple[str, ...]) -> None:
    with pytest.raises(BackstayError) as raised:
        chosen(place, wanted)
    assert raised.value.kind is errors.POINT_NOT_FOUND
    assert raised.value.kind.exit_status == 5
    for each in near:
        assert each in str(raised.value)


@pytest.mark.parametrize("wanted", ["yesterday", "2026-13-01", "", "-1", "2026-11-25T99:00"])
def test_what_means_nothing_is_refused(place: Place, wanted: str) -> None:
    with pytest.raises(BackstayError) as raised:
        chosen(place, wanted)
    assert raised.value.kind is errors.USAGE


def test_a_revision_between_points_is_found_in_the_history_of_the_next_one(place: Place) -> None:
    repository, points = place.repository(), place.catalogue().points
    assert choose(repository, points, "3") == (points[1], 3)
    assert choose(repository, points, "4") == (points[1], None)
    assert choose(repository, points, "5") == (points[2], 5)
    assert choose(repository, points, f"{points[0].lineage[:5]}@5") == (points[2], 5)
    assert choose(repository, points, f"{points[2].id}@3") == (points[2], 3)
    assert choose(repository, points, f"{points[2].id}@2") == (points[2], 2)


def test_a_revision_of_two_histories_is_refused_until_one_is_named() -> None:
    place, cluster = Place(), Cluster()
    cluster.put(b"a", b"1")
    place.back_up(cluster)
    other = cluster.copy()
    cluster.put(b"a", b"2")
    place.back_up(cluster)
    other.put(b"a", b"3")
    place.back_up(other)
    repository, points = place.repository(), place.catalogue().points
    assert len({each.lineage for each in points}) == 2
    with pytest.raises(BackstayError) as raised:
        choose(repository, points, "3")
    assert raised.value.kind is errors.POINT_NOT_FOUND
    assert "several histories" in str(raised.value)
    for point in points[1:]:
        assert choose(repository, points, f"{point.lineage}@3").point == point


def test_two_histories_that_a_forgetful_writer_put_into_one_lineage_are_told_apart() -> None:
    place, cluster = Place(), Cluster()
    cluster.put(b"a", b"1")
    other = cluster.copy()
    cluster.put(b"a", b"2")
    cluster.put(b"a", b"3")
    first = place.back_up(cluster).manifest
    place.memory = None  # the state directory is lost, and the cluster restored from its first revision
    other.put(b"a", b"another 2")
    second = place.back_up(other).manifest
    other.put(b"a", b"another 3")
    third = place.back_up(other).manifest
    assert first.lineage == second.lineage == third.lineage
    repository, points = place.repository(), place.catalogue().points
    for revision in ("3", "4"):
        with pytest.raises(BackstayError) as raised:
            choose(repository, points, revision)
        assert "several histories" in str(raised.value)
    assert choose(repository, points, f"{first.id}@3") == (first, 3)
    assert choose(repository, points, f"{second.id}@3").point == second
    assert choose(repository, points, f"{third.id}@4").point == third
    assert choose(repository, points, "latest").point == third


@pytest.mark.parametrize("wanted", ["latest", "2026-11-25", "2", "before-delete:a", "before-upgrade"])
def test_of_several_clusters_one_must_be_named(wanted: str) -> None:
    place, cluster = Place(), Cluster()
    cluster.put(b"a", b"1")
    place.back_up(cluster)
    repository, own = place.repository(), place.catalogue().points
    put_tag(repository, own, "before-upgrade", place.writer, now=place.now, entropy=place.entropy)
    points = [*own, replace(own[0], cluster="other", lineage="0" * 16)]
    put_tag(repository, points[1:], "before-upgrade", place.writer, now=place.now, entropy=place.entropy)
    with pytest.raises(BackstayError) as raised:
        choose(repository, points, wanted)
    assert raised.value.kind is errors.USAGE
    assert "other, prod" in str(raised.value)
    assert choose(repository, points, own[0].id).point == own[0]
    assert choose(repository, points, own[0].lineage[:6]).point == own[0]


def test_an_empty_repository_says_so() -> None:
    with pytest.raises(BackstayError) as raised:
        chosen(Place(), "latest")
    assert raised.value.kind is errors.POINT_NOT_FOUND


def test_the_point_before_a_deletion_is_found_however_the_key_went() -> None:
    place, cluster = Place(), Cluster()
    for number in range(500):
        cluster.put(b"/registry/pods/%d" % number, b"x" * 5000)
    cluster.put(b"compacted", b"1")
    place.back_up(cluster)  # 1
    cluster.put(b"/registry/pods/7", b"newer")
    place.back_up(cluster)  # 2
    cluster.delete(b"/registry/pods/7")
    cluster.delete(b"compacted")
    cluster.put(b"/registry/pods/9", b"newer")
    cluster.compact(cluster.revision)
    place.back_up(cluster)  # 3
    cluster.delete(b"/registry/pods/499", b"/registry/pods/9")
    place.back_up(cluster)  # 4
    for key, sequence in (
        ("/registry/pods/7", 2), ("compacted", 2), ("/registry/pods/499", 3), ("/registry/pods/9", 3),
    ):  # fmt: skip
        assert chosen(place, f"before-delete:{key}") == sequence
        assert chosen(place, f"before-delete {key}") == sequence
    repository, points = place.repository(), place.catalogue().points
    assert choose(repository, points, "before-delete:/registry/pods/499") == (points[2], None)
    for key in ("never", "/registry/pods/8", "", "~"):
        with pytest.raises(BackstayError) as raised:
            chosen(place, f"before-delete:{key}")
        assert raised.value.kind in (errors.POINT_NOT_FOUND, errors.USAGE)


def test_the_revision_before_a_deletion_is_found_where_history_holds_it() -> None:
    place, cluster = Place(), Cluster()
    cluster.put(b"other", b"1")
    place.back_up(cluster)  # 1, at revision 2
    cluster.put(b"short", b"lived")  # 3
    cluster.put(b"other", b"2")  # 4
    cluster.delete(b"short")  # 5
    cluster.put(b"other", b"3")
    place.back_up(cluster)  # 2
    cluster.put(b"other", b"4")
    place.back_up(cluster)  # 3
    repository, points = place.repository(), place.catalogue().points
    assert choose(repository, points, "before-delete:short") == (points[1], 4)
    with pytest.raises(BackstayError) as raised:
        choose_point(repository, points, "before-delete:short")
    assert raised.value.kind is errors.POINT_NOT_FOUND


def test_of_one_moment_the_last_is_meant_and_a_clock_that_went_back_hides_nothing() -> None:
    place, cluster = Place(), Cluster()
    for minutes in (0, 0, -60, 30):
        cluster.put(b"a", b"1")
        place.now = BEGIN + timedelta(minutes=minutes)
        place.back_up(cluster)
    repository, points = place.repository(), place.catalogue().points
    assert [each.sequence for each in points] == [1, 2, 3, 4]
    assert choose(repository, points, "2026-11-25T00:00").point.sequence == 2
    assert choose(repository, points, "2026-11-24T23:00").point.sequence == 3
    assert choose(repository, points, "2026-11-25T00:30").point.sequence == 4
    with pytest.raises(BackstayError) as raised:
        choose(repository, points, "2026-11-24T23:30")
    assert raised.value.kind is errors.POINT_NOT_FOUND
