"""A point that is read is pinned, the pin renewed while work goes on, and gone afterwards; who may only read reads on."""

from __future__ import annotations

from pathlib import Path

from backstay.blobs.read_only import ReadOnlyStore
from backstay.jobs.points.keeping import kept
from backstay.jobs.points.verify import verify
from backstay.repository.repository import open_repository
from backstay.repository.retention.pins import RENEWED_AFTER, pinned_points
from backstay.snapshot.verify import Level
from backstay.telemetry import SilentProgress
from backstay.testing.clock import SteppingClock
from tests.backing_up import Place, small_history
from tests.retaining import Maintained


def test_a_pin_is_there_while_a_point_is_read_and_renewed_by_its_progress() -> None:
    place = Place()
    point = place.back_up(small_history()).manifest
    clock = SteppingClock(place.now)
    with kept(
        place.repository(), point, clock=clock, entropy=place.entropy, progress=SilentProgress()
    ) as progress:  # fmt: skip
        first = [blob.name for blob in place.store.list("pins/")]
        assert len(first) == 1
        progress.advance(1)
        assert [blob.name for blob in place.store.list("pins/")] == first
        clock.sleep(RENEWED_AFTER.total_seconds() + 1)
        progress.advance(1)
        renewed = [blob.name for blob in place.store.list("pins/")]
        assert len(renewed) == 1
        assert renewed != first
    assert not place.store.list("pins/")


def test_without_permission_to_write_there_is_no_pin_and_no_failure() -> None:
    place = Place()
    point = place.back_up(small_history()).manifest
    repository = open_repository(ReadOnlyStore(place.store), ())
    clock = SteppingClock(place.now)
    with kept(repository, point, clock=clock, entropy=place.entropy, progress=SilentProgress()):
        assert not pinned_points(place.store, place.now)


def test_a_point_that_was_swept_since_it_was_chosen_is_left_out_of_a_verification(tmp_path: Path) -> None:
    place, cluster = Maintained(spill=tmp_path), small_history()
    for _ in range(3):
        cluster.put(b"a", b"1")
        place.back_up(cluster)
    chosen = place.catalogue().points
    place.expire(chosen[:1])
    place.pass_time(days=3)
    assert place.sweep().points == (chosen[0].id,)
    verified = verify(
        place.opened(), place.catalogue(), chosen, Level.REBUILT,
        spill=tmp_path, entropy=place.entropy, progress=SilentProgress(), clock=place.clock,
    )  # fmt: skip
    assert [each.manifest.id for each in verified.points] == [each.id for each in chosen[1:]]
    assert verified.all_findings == ()
    assert not place.store.list("pins/")
