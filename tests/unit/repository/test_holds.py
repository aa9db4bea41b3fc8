"""Holds: they hold until their date or their release, and all doubt is for keeping."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from backstay import errors
from backstay.crypto.signing import SigningKey
from backstay.errors import BackstayError
from backstay.repository.retention.holds import PREFIX, Hold, put_hold, read_holds, release_hold
from backstay.repository.trusting import put_trust
from tests.backing_up import BEGIN, Place, small_history

DAY = timedelta(days=1)


@pytest.fixture
def place() -> Place:
    found = Place()
    found.back_up(small_history())
    return found


def held(place: Place, until: datetime | None = None) -> Hold:
    return put_hold(
        place.repository(), place.catalogue().points, "why", until, place.writer, now=BEGIN, entropy=place.entropy
    )


def released(place: Place, hold: Hold, key: SigningKey) -> Hold:
    return release_hold(place.repository(), hold, "done", key, now=BEGIN + DAY, entropy=place.entropy)


def test_a_hold_is_read_as_it_was_put_and_ends_with_its_date(place: Place) -> None:
    hold = held(place, BEGIN + DAY)
    assert read_holds(place.repository()) == (hold,)
    assert hold.points == (place.catalogue().points[0].id,)
    assert (hold.by, hold.is_active(BEGIN), hold.is_active(BEGIN + DAY)) == ("host", True, False)
    assert held(place).is_active(BEGIN + 10000 * DAY)


def test_a_release_ends_it_and_stays_on_record(place: Place) -> None:
    hold = held(place)
    released(place, hold, place.writer)
    (found,) = read_holds(place.repository())
    assert not found.is_active(BEGIN)
    assert found.release is not None
    assert (found.release.reason, found.release.by, found.release.time) == ("done", "host", BEGIN + DAY)
    assert replace(found, release=None) == hold


def test_a_key_that_is_not_trusted_holds_and_releases_nothing(place: Place) -> None:
    hold, stranger = held(place), SigningKey(b"\7" * 32)
    with pytest.raises(BackstayError) as raised:
        released(place, hold, stranger)
    assert raised.value.kind is errors.SIGNING_KEY_INVALID
    (found,) = read_holds(place.repository())
    assert found.release is None


def test_a_release_that_cannot_be_believed_releases_nothing_and_is_not_in_the_way(place: Place) -> None:
    hold, other = held(place), held(place)
    released(place, other, place.writer)
    (copied,) = (blob.name for blob in place.store.list(f"{PREFIX}{other.id}-"))
    data = b"".join(place.store.get(copied))
    for number, forged in enumerate((data, b"", b"garbage", data[:-9])):
        place.store.put(f"{PREFIX}{hold.id}-released-{number:08x}", forged)
    found = {each.id: each for each in read_holds(place.repository())}
    assert found[hold.id].release is None
    assert found[other.id].release is not None
    released(place, hold, place.writer)
    assert not [each for each in read_holds(place.repository()) if each.is_active(BEGIN)]


def test_every_changed_byte_of_a_hold_is_an_error_and_never_no_hold(place: Place) -> None:
    hold = held(place)
    name = f"{PREFIX}{hold.id}"
    data = b"".join(place.store.get(name))
    for at in range(0, len(data), 7):
        changed = bytearray(data)
        changed[at] ^= 1
        place.store.delete(name)
        place.store.put(name, bytes(changed))
        with pytest.raises(BackstayError):
            read_holds(place.repository())


def test_a_hold_of_a_revoked_writer_still_holds_and_his_releases_release_nothing(place: Place) -> None:
    kept, ended = held(place), held(place)
    released(place, ended, place.writer)
    lineage = place.catalogue().points[0].lineage
    writers = [replace(each, revoked={lineage: 99}) for each in place.repository().trust.writers]
    put_trust(place.repository(), place.root, now=BEGIN + DAY, writers=writers)
    assert {each.id for each in read_holds(place.repository()) if each.is_active(BEGIN)} == {kept.id, ended.id}
    with pytest.raises(BackstayError) as raised:
        held(place)
    assert raised.value.kind is errors.SIGNING_KEY_INVALID
