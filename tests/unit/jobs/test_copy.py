"""A repository copied: whole or a beginning of it, whatever ends the copy; verified; and never over something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from backstay import errors
from backstay.blobs.contract import Chunks, Content
from backstay.blobs.memory import MemoryStore
from backstay.errors import BackstayError
from backstay.jobs.copy.plan import make_plan
from backstay.jobs.copy.run import copy_repository
from backstay.repository.catalogue import read_catalogue
from backstay.repository.facts import Fact, PointFact, put_fact
from backstay.repository.reading import PointReader
from backstay.repository.repository import open_repository
from backstay.repository.retention.holds import put_hold, read_holds
from backstay.repository.tags import put_tag, read_tags
from backstay.telemetry import SilentProgress
from tests.backing_up import Place, small_history
from tests.retaining import Maintained


@pytest.fixture
def place() -> Place:
    place, cluster = Place(), small_history()
    for number in range(4):
        cluster.put(b"a", b"%d" % number)
        place.back_up(cluster)
    repository, points = place.repository(), place.catalogue().points
    put_tag(repository, points[:1], "first", place.writer, now=place.now, entropy=place.entropy)
    put_hold(repository, points[:1], "why", None, place.writer, now=place.now, entropy=place.entropy)
    facts = (PointFact(points[0].lineage, 1, "rebuilt", "rebuilt"),)
    put_fact(repository, Fact(place.now, "test", facts), place.writer, place.entropy)
    return place


def contents(store: MemoryStore) -> dict[str, bytes]:
    return {blob.name: b"".join(store.get(blob.name)) for blob in store.list()}


def copied(place: Place, target: MemoryStore) -> int:
    return copy_repository(place.repository(readable=False), target, progress=SilentProgress()).copied_objects


def test_a_copy_is_the_same_and_is_brought_up_to_date_with_what_is_missing(place: Place) -> None:
    target = MemoryStore()
    assert copied(place, target) == len(contents(place.store))  # type: ignore[arg-type]
    assert contents(target) == contents(place.store)  # type: ignore[arg-type]
    assert copied(place, target) == 0
    cluster = small_history()
    cluster.put(b"new", b"1")
    place.memory = None
    before = len(contents(target))
    place.back_up(cluster)
    assert copied(place, target) == len(contents(target)) - before > 0
    opened = open_repository(target, (place.recovery,))
    points = read_catalogue(opened).require_sound().points
    for point in points:
        assert [each.element for each in PointReader(opened, point).everything()]
    assert [tag.text for tag in read_tags(opened)] == ["first"]
    assert [hold.reason for hold in read_holds(opened)] == ["why"]


class Ending(MemoryStore):
    """A store that fails at the nth put, before it or after it."""

    def __init__(self, step: int, *, after: bool) -> None:
        super().__init__()
        self.left, self.after = step, after

    def put(self, name: str, content: Content, *, create_only: bool = True) -> int:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise errors.STORAGE_UNREACHABLE.error("gone")
        size = super().put(name, content, create_only=create_only)
        if self.left == 0:
            raise errors.STORAGE_UNREACHABLE.error("gone")
        return size


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_copy_that_is_interrupted_anywhere_lists_whole_points_and_goes_on(place: Place, after: bool) -> None:
    wanted = contents(place.store)  # type: ignore[arg-type]
    for step in range(1, len(wanted) + 1):
        target = Ending(step, after=after)
        with pytest.raises(BackstayError) as raised:
            copied(place, target)
        assert raised.value.kind is errors.STORAGE_UNREACHABLE
        if "backstay.json" in contents(target):
            opened = open_repository(target, (place.operator,))
            for point in read_catalogue(opened).require_sound().points:
                assert sum(1 for _ in PointReader(opened, point).everything())
        copied(place, target)
        assert contents(target) == wanted


def test_an_object_that_is_not_what_its_name_promises_never_arrives(place: Place) -> None:
    class Flipping(MemoryStore):
        flipped = ""

        def get(self, name: str, *, offset: int = 0, length: int | None = None) -> Chunks:
            for chunk in super().get(name, offset=offset, length=length):
                yield bytes([chunk[0] ^ 1]) + chunk[1:] if name == self.flipped else chunk

    source = Flipping()
    for name, data in contents(place.store).items():  # type: ignore[arg-type]
        source.put(name, data)
    for blob in [each for each in source.list() if each.name.startswith(("runs/", "keys/"))]:
        target = MemoryStore()
        source.flipped = ""
        repository = open_repository(source, ())
        source.flipped = blob.name
        with pytest.raises(BackstayError) as raised:
            copy_repository(repository, target, progress=SilentProgress())
        assert raised.value.kind is errors.OBJECT_DAMAGED
        assert blob.name not in contents(target)


def test_what_is_not_a_copy_is_refused_and_left_alone(place: Place) -> None:
    other, strangers = Place(seed=2), MemoryStore()
    strangers.put("notes.txt", b"mine")
    for target, kind in ((other.store, errors.COPY_DIVERGED), (strangers, errors.REPOSITORY_EXISTS)):
        before = contents(target)  # type: ignore[arg-type]
        with pytest.raises(BackstayError) as raised:
            copied(place, target)  # type: ignore[arg-type]
        assert raised.value.kind is kind
        assert contents(target) == before  # type: ignore[arg-type]


def test_a_copy_that_somebody_wrote_to_has_diverged(place: Place) -> None:
    target = MemoryStore()
    copied(place, target)
    for store, value in ((place.store, b"here"), (target, b"there")):
        cluster = small_history()
        cluster.put(b"a", value)
        place.memory = None
        place.commit(cluster, store=store)
    with pytest.raises(BackstayError) as raised:
        copied(place, target)
    assert raised.value.kind is errors.COPY_DIVERGED
    assert raised.value.kind.exit_status == 6
    ahead = MemoryStore()
    for name, data in contents(target).items():
        ahead.put(name, data)
    smaller = Place.__new__(Place)
    smaller.__dict__ = {**place.__dict__, "store": MemoryStore()}
    for name, data in contents(target).items():
        if not name.endswith("0000000000000005"):
            smaller.store.put(name, data)
    with pytest.raises(BackstayError) as raised:
        copied(smaller, ahead)
    assert raised.value.kind is errors.COPY_DIVERGED


def test_the_plan_counts_what_is_missing_and_changes_nothing(place: Place) -> None:
    target, repository = MemoryStore(), place.repository(readable=False)
    plan = make_plan(repository, read_catalogue(repository), target)
    assert (len(plan.missing), plan.present, plan.points, plan.absent) == (len(place.store.list()), 0, 4, ())
    assert plan.missing_bytes == sum(blob.size for blob in place.store.list())
    assert contents(target) == {}
    first = [each.name for each in plan.missing].index(place.catalogue().points[0].where)
    runs = [number for number, each in enumerate(plan.missing) if each.name.startswith("runs/")]
    assert max(runs) < first


def test_marks_and_pins_stay_where_they_are(place: Place) -> None:
    target = MemoryStore()
    place.store.put("gc/0123456789abcdef", b"mark")
    place.store.put("pins/0123456789abcdef", b"pin")
    copied(place, target)
    assert not [blob for blob in target.list() if blob.name.startswith(("gc/", "pins/"))]


def test_a_run_that_expired_at_the_source_is_reported_and_no_failure(place: Place) -> None:
    gone = place.catalogue().points[0].runs[-1].name
    place.store.delete(gone)
    report = copy_repository(place.repository(), MemoryStore(), progress=SilentProgress())
    assert report.plan.absent == (gone,)


def test_a_copy_follows_what_maintenance_did_at_the_source(tmp_path: Path) -> None:
    source, cluster, early = Maintained(spill=tmp_path), small_history(), MemoryStore()
    for _ in range(4):
        for _ in range(8):
            cluster.put(b"a", source.entropy(30))
            source.back_up(cluster)
            source.pass_time(hours=2, minutes=15)
        copy_repository(source.opened(readable=False), early, progress=SilentProgress())
    source.expire(source.catalogue().points[:16:2])
    source.pass_time(hours=30)
    source.merge()
    source.pass_time(hours=30)
    assert source.sweep().removed
    late = MemoryStore()
    for target in (early, late):
        copied(source, target)
        assert source.assert_all_restore(target) == len(source.catalogue().points)
    cluster.put(b"a", b"and on")
    source.back_up(cluster)
    for target in (early, late):
        copied(source, target)
    source.sweep(early, only_declared=True)
    for target in (early, late):
        assert source.assert_all_restore(target) == len(source.catalogue().points)
    assert sum(blob.size for blob in early.list("runs/")) <= sum(blob.size for blob in source.store.list("runs/"))
