"""One run of rotate, from an honest member to several places."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from backstay import errors
from backstay.blobs.contract import Blob, Content
from backstay.blobs.local import LocalStore
from backstay.blobs.memory import MemoryStore
from backstay.durable import LocalDisk
from backstay.jobs.rotate.places import Place, examine
from backstay.jobs.rotate.run import Rotation, Wish, rotate
from backstay.jobs.rotate.seal import Sealing
from backstay.jobs.rotate.staging import staging
from backstay.policy.plain_retention import Retention
from backstay.telemetry import SilentProgress
from tests.saving import SteppingClock, content_of, source_of

WISH = Wish(Retention(timedelta(days=30)), Sealing())


class _FullStore(MemoryStore):
    def put(self, name: str, content: Content, *, create_only: bool = True) -> int:
        raise errors.STORAGE_FULL.error("full", where=self.location)


class _LaterClock(SteppingClock):
    """The same clock, some days later."""

    def __init__(self, days: int) -> None:
        super().__init__()
        self._days = timedelta(days=days)

    def now(self) -> datetime:
        return super().now() + self._days


def _run(scratch: Path, *places: Place, wish: Wish = WISH, days: int = 0) -> Rotation:
    return rotate(
        places,
        source_of(content_of()),
        wish,
        staging_parent=scratch,
        disk=LocalDisk(),
        clock=_LaterClock(days),
        progress=SilentProgress(),
    )


@pytest.mark.parametrize("compress", [False, True])
def test_a_backup_arrives_with_its_record_and_nothing_else_stays(tmp_path: Path, compress: bool) -> None:
    place = Place(LocalStore(tmp_path), tmp_path)
    rotation = _run(tmp_path, place, wish=Wish(WISH.retention, Sealing(compress)))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [rotation.record.file, f"{rotation.record.file}.json"]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in tmp_path.iterdir())
    assert [held.record for held in examine(place).backups] == [rotation.record]


def test_a_second_run_in_the_same_second_gets_its_own_name(tmp_path: Path) -> None:
    place = Place(MemoryStore())
    assert _run(tmp_path, place).record.file != _run(tmp_path, place).record.file


def test_a_place_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    full, whole = Place(_FullStore()), Place(MemoryStore())
    first, second = _run(tmp_path, full, whole).arrivals
    assert first.failure is not None and first.failure.kind is errors.STORAGE_FULL
    assert second.failure is None and second.cleanup is not None
    assert len(examine(whole).backups) == 1


def test_a_snapshot_that_is_too_small_goes_nowhere(tmp_path: Path) -> None:
    place = Place(MemoryStore())
    with pytest.raises(errors.BackstayError) as raised:
        _run(tmp_path, place, wish=Wish(WISH.retention, Sealing(), min_size=1 << 40))
    assert raised.value.kind is errors.SNAPSHOT_INVALID
    assert not place.store.list() and not os.listdir(tmp_path)


def test_what_a_dead_run_left_is_swept_and_a_living_one_is_left_alone(tmp_path: Path) -> None:
    dead = tmp_path / ".backstay-rotate-dead"
    dead.mkdir()
    (dead / "snapshot.db").write_bytes(b"every Secret")
    with staging(tmp_path) as first:
        assert not dead.exists()
        assert first.stat().st_mode & 0o777 == 0o700
        with staging(tmp_path) as second:
            assert first.is_dir() and second.is_dir()
    assert not os.listdir(tmp_path)


class _DeadStore(MemoryStore):
    def list(self, prefix: str = "") -> Sequence[Blob]:
        raise errors.STORAGE_UNREACHABLE.error("no connection", where=self.location)


def test_a_dead_copy_does_not_keep_the_backup_from_the_living_place(tmp_path: Path) -> None:
    dead, living = Place(_DeadStore()), Place(MemoryStore())
    rotation = _run(tmp_path, dead, living)
    first, second = rotation.arrivals
    assert first.failure is not None
    assert first.failure.kind is errors.STORAGE_UNREACHABLE
    assert second.failure is None
    assert [held.record for held in examine(living).backups] == [rotation.record]


def test_without_any_living_place_nothing_is_saved(tmp_path: Path) -> None:
    with pytest.raises(errors.BackstayError) as refused:
        _run(tmp_path, Place(_DeadStore()))
    assert refused.value.kind is errors.STORAGE_UNREACHABLE
    assert list(tmp_path.iterdir()) == []


class _FullUntilCleaned(MemoryStore):
    """Takes records, and a backup only after something was deleted."""

    is_cleaned = False

    def put(self, name: str, content: Content, *, create_only: bool = True) -> int:
        if not self.is_cleaned and self.is_filled:
            raise errors.STORAGE_FULL.error("full", where=self.location)
        return super().put(name, content, create_only=create_only)

    is_filled = False

    def delete(self, name: str) -> None:
        self.is_cleaned = True
        super().delete(name)


def test_a_full_place_is_cleaned_once_and_tried_again(tmp_path: Path) -> None:
    store = _FullUntilCleaned()
    place = Place(store)
    month = Wish(Retention(timedelta(days=30), keep_last=1), Sealing())
    old = [_run(tmp_path, place, wish=month, days=day).record.file for day in (0, 1)]
    store.is_filled = True
    rotation = _run(tmp_path, place, wish=month, days=40)
    assert rotation.arrivals[0].failure is None
    kept = {held.record.file for held in examine(place).backups if held.record is not None}
    assert rotation.record.file in kept
    assert old[0] not in kept, "the older one made room"


def test_a_full_place_where_nothing_may_go_keeps_what_it_has(tmp_path: Path) -> None:
    store = _FullUntilCleaned()
    place = Place(store)
    only = _run(tmp_path, place).record.file
    store.is_filled = True
    rotation = _run(tmp_path, place, days=40)
    assert rotation.arrivals[0].failure is not None
    assert rotation.arrivals[0].failure.kind is errors.STORAGE_FULL
    assert [held.record.file for held in examine(place).backups if held.record is not None] == [only]
