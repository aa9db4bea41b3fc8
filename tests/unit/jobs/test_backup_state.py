"""What a host remembers: the day's key and no older one, the last point, what it has seen; and nothing of any value."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from backstay import errors
from backstay.blobs.memory import MemoryStore
from backstay.crypto.signing import SigningKey
from backstay.durable import LocalDisk
from backstay.errors import BackstayError
from backstay.jobs.backup.state import WriterState
from backstay.repository.catalogue import facts_of, read_catalogue
from backstay.repository.repository import open_repository
from tests.backing_up import BEGIN, CANARY, Place, entropy_of, small_history
from tests.unit.repository.test_trust import resigned, with_trust


def state_in(directory: Path, place: Place) -> WriterState:
    return WriterState(directory, place.repository().id, LocalDisk())


def test_the_epoch_key_lasts_a_day_and_is_then_gone(tmp_path: Path) -> None:
    place = Place()
    state, entropy = state_in(tmp_path, place), entropy_of(3)
    first = state.epoch(place.repository(), BEGIN, entropy)
    assert first is not None
    assert state.epoch(place.repository(), BEGIN + timedelta(hours=23), entropy) == first
    assert (state.directory / f"epoch-{first.id}").stat().st_mode & 0o777 == 0o600
    second = state.epoch(place.repository(), BEGIN + timedelta(hours=24), entropy)
    assert second is not None
    assert second != first
    kept = [path.name for path in state.directory.iterdir()]
    assert kept == [f"epoch-{second.id}"]


def test_a_plaintext_repository_has_no_epoch(tmp_path: Path) -> None:
    place = Place(plaintext=True)
    assert state_in(tmp_path, place).epoch(place.repository(), BEGIN, entropy_of(1)) is None


def test_a_sealed_writer_cannot_read_what_it_wrote_yesterday(tmp_path: Path) -> None:
    place, cluster = Place(), small_history()
    state = state_in(tmp_path, place)
    for _ in range(2):
        place.epoch = state.epoch(place.repository(), place.now, place.entropy)
        committed = place.back_up(cluster)
        state.see(committed.manifest)
        state.remember(committed.memory)
        place.now += timedelta(days=1)
        cluster.put(b"more", CANARY)
    # Whoever takes the whole state directory has the key of the last epoch, and that is all he has.
    thief = open_repository(place.store, ())
    stolen = state.epoch(place.repository(), place.now - timedelta(days=1), place.entropy)
    assert stolen is not None
    thief.hold_key(stolen)
    yesterday, today = read_catalogue(thief).points
    assert facts_of(thief, today).revision == cluster.revision - 1
    with pytest.raises(BackstayError) as raised:
        facts_of(thief, yesterday)
    assert raised.value.kind is errors.KEY_UNAVAILABLE
    for path in state.directory.iterdir():
        data = path.read_bytes()
        assert CANARY not in data
        assert b"/registry" not in data


def test_the_last_point_is_remembered_and_earlier_ones_forgotten(tmp_path: Path) -> None:
    place, cluster = Place(), small_history()
    state = state_in(tmp_path, place)
    assert state.memory("prod") is None
    for _ in range(3):
        committed = place.back_up(cluster)
        state.remember(committed.memory)
        cluster.put(b"more", b"1")
    assert state.memory("prod") == committed.memory
    assert state.memory("other") is None
    assert len(list(state.directory.iterdir())) == 1


@pytest.mark.parametrize("change", [lambda data: data[:-3], lambda data: b"x" + data, lambda data: b""])
def test_a_damaged_memory_is_an_error_with_its_place(tmp_path: Path, change) -> None:  # type: ignore[no-untyped-def]
    place = Place()
    state = state_in(tmp_path, place)
    state.remember(place.back_up(small_history()).memory)
    (path,) = state.directory.iterdir()
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(change(data))
    with pytest.raises(BackstayError) as raised:
        state.memory("prod")
    assert raised.value.kind is errors.STATE_UNUSABLE
    assert str(path) in str(raised.value)


def test_the_signing_key_stays_and_is_never_replaced(tmp_path: Path) -> None:
    place = Place()
    state = state_in(tmp_path, place)
    with pytest.raises(BackstayError) as raised:
        state.signing_key()
    assert raised.value.kind is errors.SIGNING_KEY_INVALID
    state.found(place.writer, ("a" * 64,))
    assert state.signing_key() == place.writer
    with pytest.raises(BackstayError) as raised:
        state.found(SigningKey(bytes(32)), ("b" * 64,))
    assert raised.value.kind is errors.TARGET_EXISTS
    assert state.signing_key() == place.writer
    assert state.roots() == ("a" * 64,)


def test_a_repository_that_shows_less_than_was_seen_is_rolled_back(tmp_path: Path) -> None:
    place, cluster = Place(), small_history()
    state = state_in(tmp_path, place)
    place.back_up(cluster)
    yesterday = MemoryStore()
    for blob in place.store.list():
        yesterday.put(blob.name, b"".join(place.store.get(blob.name)))
    cluster.put(b"more", b"1")
    committed = place.back_up(cluster)
    state.see(committed.manifest)
    state.require_seen(place.repository())
    with pytest.raises(BackstayError) as raised:
        state.require_seen(open_repository(yesterday, ()))
    assert raised.value.kind is errors.REPOSITORY_ROLLED_BACK
    assert raised.value.kind.exit_status == 6
    with pytest.raises(BackstayError) as raised:
        place.commit(cluster, store=yesterday)
    assert raised.value.kind is errors.REPOSITORY_ROLLED_BACK


def test_another_root_is_another_repository(tmp_path: Path) -> None:
    place = Place()
    state = state_in(tmp_path, place)
    state.pin(("c" * 64,))
    with pytest.raises(BackstayError) as raised:
        state.require_seen(place.repository())
    assert raised.value.kind is errors.REPOSITORY_ROLLED_BACK


def test_a_trust_document_that_was_gone_by_and_is_missing_is_a_rollback(tmp_path: Path) -> None:
    place = Place()
    state = state_in(tmp_path, place)
    older = MemoryStore()
    for blob in place.store.list():
        older.put(blob.name, b"".join(place.store.get(blob.name)))
    with_trust(place, lambda trust: trust)
    state.see_trust(place.repository())
    state.see_trust(place.repository())
    state.require_seen(place.repository())
    before = open_repository(older, ())  # as if somebody had removed the newest: a revocation would be undone
    for look in (state.require_seen, state.see_trust):
        with pytest.raises(BackstayError) as raised:
            look(before)
        assert raised.value.kind is errors.REPOSITORY_ROLLED_BACK


def test_another_manifest_under_the_number_that_was_seen_is_a_rollback(tmp_path: Path) -> None:
    place = Place()
    point = place.back_up(small_history()).manifest
    state = state_in(tmp_path, place)
    state.see(point)
    other = resigned(place, point.where, place.writer, lambda fields: fields.update(cluster="other"))
    with pytest.raises(BackstayError) as raised:
        state.require_seen(open_repository(other, ()))
    assert raised.value.kind is errors.REPOSITORY_ROLLED_BACK
