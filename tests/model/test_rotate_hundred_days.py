"""A hundred days of plain backups at one place, with all that goes wrong: the newest good one is never removed."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from backstay import errors
from backstay.blobs.contract import Content, pieces
from backstay.blobs.memory import MemoryStore
from backstay.jobs.rotate.cleanup import clean
from backstay.jobs.rotate.names import free_time, make_name, record_name
from backstay.jobs.rotate.places import Place, deliver, examine
from backstay.jobs.rotate.record import Record
from backstay.policy.plain_retention import Retention

BEGIN = datetime(2026, 7, 24, 2, 0, tzinfo=UTC)
DAYS = 100
FOREIGN = "etcd-backup-of-somebody.db"


class _TroubledStore(MemoryStore):
    """A store that is down, full, or truncates what it is given, as it is told."""

    trouble = ""
    limit = 12

    def put(self, name: str, content: Content, *, create_only: bool = True) -> int:
        if self.trouble == "down":
            raise errors.STORAGE_BROKEN_OFF.error("down", where=self.location)
        if len(self.list()) >= 2 * self.limit:
            raise errors.STORAGE_FULL.error("full", where=self.location)
        whole = b"".join(pieces(content))
        if self.trouble == "truncates" and not name.endswith(".json"):
            whole = whole[: len(whole) // 2]
        return super().put(name, whole, create_only=create_only)

    def delete(self, name: str) -> None:
        if self.trouble == "keeps":
            raise errors.STORAGE_DENIED.error("denied", where=self.location)
        super().delete(name)

    def rot(self, name: str) -> None:
        """Change a bit of what lies there; its size stays."""
        whole = b"".join(self.get(name))
        super().put(name, bytes([whole[0] ^ 1]) + whole[1:], create_only=False)


def _record_bytes(record: Record) -> bytes:
    ours = {
        "format": 1,
        "file": record.file,
        "saved": record.saved.isoformat(),
        "size": record.size,
        "sha256": record.sha256,
        "verified": "coherent",
    }
    return json.dumps({"revision": record.revision, "backstay": ours}).encode()


def _truth(store: MemoryStore, delivered: dict[str, Record]) -> Iterator[Record]:
    """The records whose backups really lie there whole, found without the code under test."""
    names = {blob.name for blob in store.list()}
    for name, record in delivered.items():
        is_there = {name, record_name(name)} <= names
        if is_there and hashlib.sha256(b"".join(store.get(name))).hexdigest() == record.sha256:
            yield record


def _deliver_day(place: Place, day: int, now: datetime, chance: random.Random) -> Record:
    content = chance.randbytes(200)
    saved = free_time(now, [blob.name for blob in place.store.list()])
    record = Record(make_name(saved), saved, len(content), hashlib.sha256(content).hexdigest(), revision=1000 + day)
    deliver(place, record, content, _record_bytes(record), reads_back=True)
    return record


@pytest.mark.parametrize("seed", range(20))
def test_the_newest_good_backup_is_never_removed_and_a_bad_one_never_counts(seed: int) -> None:
    chance = random.Random(seed)
    store, delivered, removed, failed = _TroubledStore(), dict[str, Record](), 0, 0
    place, retention = Place(store), Retention(timedelta(days=7), keep_last=2)
    MemoryStore.put(store, FOREIGN, b"not ours")
    step = timedelta(0)
    for day in range(DAYS):
        if chance.random() < 0.1:
            step = timedelta(days=chance.choice((-40, -3, 0, 3, 40)))
        now = BEGIN + timedelta(days=day) + step
        store.trouble = chance.choices(("", "down", "truncates", "keeps"), (70, 10, 10, 10))[0]
        if delivered and chance.random() < 0.05:
            whole = [record.file for record in _truth(store, delivered)]
            if len(whole) > 1:
                store.rot(chance.choice(whole))
        before = list(_truth(store, delivered))
        try:
            record = _deliver_day(place, day, now, chance)
            delivered[record.file] = record
        except errors.BackstayError as problem:
            failed += 1
            if problem.kind is not errors.STORAGE_FULL:
                assert list(_truth(store, delivered)) == before
                continue
        arrived = list(_truth(store, delivered))
        removed += len(clean(place, now, retention).removed)
        left = list(_truth(store, delivered))
        if arrived:
            assert max(each.revision for each in left) == max(each.revision for each in arrived)
            past = [each for each in arrived if each.saved <= now]
            newest = sorted(past, key=lambda each: each.saved)[-retention.keep_last :]
            assert {each.file for each in newest} <= {each.file for each in left}
        assert all(held.record is not None for held in examine(place).backups if held.file.good)
        assert store.stat(FOREIGN)
    assert removed and failed  # the days had both: old files to remove, and trouble


def test_a_truncated_upload_has_no_record_and_is_not_good() -> None:
    store = _TroubledStore()
    store.trouble = "truncates"
    with pytest.raises(errors.BackstayError) as raised:
        _deliver_day(Place(store), 0, BEGIN, random.Random(0))
    assert raised.value.kind is errors.STORAGE_BROKEN_OFF
    assert [held.file.good for held in examine(Place(store)).backups] == [False]


def test_a_rotten_newest_backup_does_not_let_the_older_one_go() -> None:
    store, chance = _TroubledStore(), random.Random(0)
    place, retention = Place(store), Retention(timedelta(days=1), keep_last=1)
    old = _deliver_day(place, 0, BEGIN, chance)
    new = _deliver_day(place, 1, BEGIN + timedelta(days=5), chance)
    store.rot(new.file)
    cleanup = clean(place, BEGIN + timedelta(days=5), retention)
    assert cleanup.removed == ()
    assert new.file in cleanup.flaws
    assert store.stat(old.file)
