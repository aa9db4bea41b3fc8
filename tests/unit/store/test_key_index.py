"""The index over keys: histories, order, compaction, and what a key costs."""

from __future__ import annotations

import random
import tracemalloc

from backstay.formats import hashkv
from backstay.formats.mvcc import KeyValue, Record, RevisionKey
from backstay.store.compaction import surviving_records
from backstay.store.key_index import KeyIndex
from backstay.values import Revision

HISTORY = (RevisionKey(2, 0), RevisionKey(4, 0), RevisionKey(5, 0, True), RevisionKey(7, 3))


def index_of(key: bytes, history: tuple[RevisionKey, ...]) -> KeyIndex:
    index = KeyIndex()
    for revision in history:
        index.add(key, revision)
    return index


def alive(index: KeyIndex, at: int) -> int | None:
    revision = index.newest(b"k", Revision(at))
    return None if revision is None or revision.tombstone else revision.main


def test_a_key_lives_from_a_put_to_its_deletion() -> None:
    index = index_of(b"k", HISTORY)
    assert [alive(index, at) for at in range(1, 9)] == [None, 2, 2, 4, None, None, 7, 7]
    assert index.newest(b"k") == RevisionKey(7, 3)
    assert index.newest(b"other") is None


def test_compaction_keeps_what_later_reads_need() -> None:
    for at, oldest in ((3, 2), (4, 4), (5, 5), (6, 7), (7, 7)):
        index = index_of(b"k", HISTORY)
        index.compact(Revision(at))
        assert index.newest(b"k", Revision(1)) is None
        assert [alive(index, each) for each in range(at, 9)] == [
            alive(index_of(b"k", HISTORY), each) for each in range(at, 9)
        ]
        first = next(index.newest(b"k", Revision(each)) for each in range(1, 9) if index.newest(b"k", Revision(each)))
        assert first is not None and first.main == oldest


def test_a_key_whose_deletion_is_compacted_is_forgotten() -> None:
    index = index_of(b"k", HISTORY[:3])
    index.compact(Revision(6))
    assert len(index) == 0 and list(index.keys(b"", None)) == []


def test_keys_come_in_order_however_they_were_added() -> None:
    index = KeyIndex()
    keys = [bytes((n * 37 % 251, n % 7)) for n in range(1000)]
    for number, key in enumerate(keys, start=2):
        index.add(key, RevisionKey(number, 0))
        if number % 100 == 0:
            assert list(index.keys(b"\x10", b"\x20")) == sorted(
                {each for each in keys[: number - 1] if b"\x10" <= each < b"\x20"}
            )
    assert list(index.keys(b"", None)) == sorted(set(keys))
    assert b"\0\0" in index and list(index.keys(b"z", b"a")) == []


def test_the_index_and_the_survivors_of_a_compaction_agree() -> None:
    chance = random.Random(3)
    records = []
    for main in range(2, 200):
        key = bytes((chance.randrange(12),))
        records.append(Record(RevisionKey(main, 0, chance.random() < 0.3), KeyValue(key)))
    for at in (2, 50, 120, 199):
        index = KeyIndex()
        for record in records:
            index.add(record.item.key, record.revision)
        index.compact(Revision(at))
        kept = KeyIndex()
        for record in surviving_records(records, Revision(at), hashkv.CURRENT_RULE):
            kept.add(record.item.key, record.revision)
        for number in range(12):
            for each in range(at, 201):
                key = bytes((number,))
                assert index.newest(key, Revision(each)) == kept.newest(key, Revision(each))


def test_old_releases_drop_the_tombstone_at_the_compact_revision() -> None:
    records = [Record(revision, KeyValue(b"k")) for revision in HISTORY]
    new = surviving_records(records, Revision(5), hashkv.rule_of("3.6.16"))
    old = surviving_records(records, Revision(5), hashkv.rule_of("3.5.1"))
    assert [record.revision.main for record in new] == [5, 7]
    assert [record.revision.main for record in old] == [7]


def test_a_key_costs_less_than_400_bytes() -> None:
    count = 20_000
    tracemalloc.start()
    index = KeyIndex()
    for number in range(count):
        index.add(b"/registry/pods/namespace/name-%08d" % number, RevisionKey(number + 2, 0))
    list(index.keys(b"x", b"y"))
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size / count < 400


def test_the_living_are_counted_without_looking_at_each() -> None:
    chosen = random.Random(4)
    index = KeyIndex()
    alive: dict[int, set[bytes]] = {1: set()}
    for main in range(2, 400):
        key, tombstone = bytes((chosen.randrange(40),)), chosen.random() < 0.4
        now = set(alive[main - 1])
        if tombstone and key not in now:
            alive[main] = now
            continue
        index.add(key, RevisionKey(main, 0, tombstone))
        alive[main] = now - {key} if tombstone else now | {key}
        if main == 200:
            index.compact(Revision(150))
        for start, end in ((b"", None), (b"\x05", b"\x14"), (b"\x14", b"\x05")):
            for at in (None, Revision(main), Revision(max(main - 20, 150 if main > 199 else 1))):
                expected = sorted(each for each in alive[at or main] if start <= each and (end is None or each < end))
                assert list(index.living(start, end, at)) == expected
                assert index.count(start, end, at) == len(expected)
