"""A checkpoint moves the log into the base: same keys, shorter log, history gone where it was compacted."""

from __future__ import annotations

from pathlib import Path

import pytest

from backstay.errors import BackstayError
from backstay.formats import bbolt, requests, schema
from backstay.store.durable import checkpoint, open_store, snapshot_file
from backstay.store.durable.replay import map_file, unmap
from tests import golden
from tests.storing import SMALL, do, keys_of, put


def test_a_checkpoint_in_a_child_keeps_everything_and_shortens_the_log(tmp_path: Path) -> None:
    store = open_store(tmp_path / "data", options=SMALL)
    for number in range(100):
        put(store, f"key-{number % 50:03}", "value" * 20)
    before, count = keys_of(store), len(store.journal.segments())
    checkpoint(store)
    assert keys_of(store) == before
    assert store.state.record_count == 0
    assert len(store.journal.segments()) < count
    put(store, "after", "it")
    store.close()
    again = open_store(tmp_path / "data", options=SMALL)
    assert keys_of(again) == before | {"after": "it"}
    assert again.findings == []
    again.close()


def test_what_was_compacted_is_gone_from_the_new_base(tmp_path: Path) -> None:
    store = open_store(tmp_path / "data")
    for number in range(10):
        put(store, "key", str(number))
    do(store, requests.DeleteRange(key=b"key"))
    put(store, "other", "x")
    do(store, requests.Compaction(revision=12))
    checkpoint(store)
    records = store.database.bucket(schema.KEY)
    assert records is not None
    assert [key[7] for key, _ in records.items()] == [12, 13]
    assert keys_of(store) == {"other": "x"}
    store.close()


@pytest.mark.parametrize("name", ["3.4.23/killed", "3.7.3/compacting"])
def test_a_real_etcds_directory_is_checkpointed_twice(name: str, tmp_path: Path) -> None:
    store = open_store(golden.unpack(name, tmp_path / "data"), options=SMALL)
    before = keys_of(store)
    for _ in range(2):
        checkpoint(store)
        assert keys_of(store) == before
        put(store, "more", "x" * 5000)
        before["more"] = "x" * 5000
    store.close()
    again = open_store(tmp_path / "data", options=SMALL)
    assert keys_of(again) == before
    again.close()


def test_a_snapshot_file_is_a_database_of_that_moment(tmp_path: Path) -> None:
    store = open_store(tmp_path / "data")
    put(store, "a", "1")
    with snapshot_file(store) as path:
        put(store, "b", "2")
        buffer = map_file(path)
        records = bbolt.open_database(buffer).bucket(schema.KEY)
        assert records is not None and len(list(records.items())) == 1
        unmap(buffer)
    assert not path.exists()
    store.close()


def test_a_checkpoint_that_fails_leaves_the_store_serving(tmp_path: Path) -> None:
    store = open_store(tmp_path / "data")
    put(store, "a", "1")
    database = tmp_path / "data/member/snap/db"
    kept = database.read_bytes()
    database.write_bytes(b"damaged" * 1000)
    with pytest.raises(BackstayError) as failed:
        checkpoint(store)
    assert failed.value.kind.code == "checkpoint-failed"
    database.write_bytes(kept)
    put(store, "b", "2")
    store.close()
    again = open_store(tmp_path / "data")
    assert keys_of(again) == {"a": "1", "b": "2"}
    again.close()
