"""HashKV of a store whose history is partly in its base, partly in memory, and compacted in memory only."""

from __future__ import annotations

from backstay.formats import hashkv
from backstay.formats.mvcc import KeyValue, Record, RevisionKey
from backstay.formats.requests import Compaction, DeleteRange, Put
from backstay.store.state import StoreState, load_state
from backstay.values import Revision
from tests.unit.store.building import database, do

BASE = (
    Record(RevisionKey(2, 0), KeyValue(b"a", 2, 2, 1, b"1")),
    Record(RevisionKey(3, 0), KeyValue(b"b", 3, 3, 1, b"1")),
)


def written() -> StoreState:
    """Both keys of the base are deleted, one is written again, behind the compaction."""
    state = load_state(database(BASE))
    for body in (
        DeleteRange(b"a"),
        DeleteRange(b"b"),
        Put(b"c", b"1"),
        Put(b"c", b"2"),
        Compaction(7),
        Put(b"b", b"2"),
    ):
        do(state, body)
    return state


def test_a_key_of_the_base_that_was_deleted_and_compacted_is_not_hashed() -> None:
    whole, dropped = written(), written()
    for _ in dropped.compact_in_steps(1):
        pass
    for at in (7, 8):
        expected = hashkv.hash_kv(whole.pages, Revision(at), whole.compact_revision)
        assert hashkv.hash_kv(dropped.pages, expected.revision, dropped.compact_revision) == expected
    assert dropped.record_count < whole.record_count
