"""Finding one record by the bytes of its key: every look-alike is told from the real thing."""

from __future__ import annotations

import pytest

from backstay.formats import bbolt, mvcc, schema
from backstay.formats.mvcc import KeyValue, Record, RevisionKey
from backstay.sources import lookup
from backstay.values import Revision


def database(*records: Record) -> bbolt.Database:
    pages: list[bytes] = []
    items = [mvcc.encode_record(record) for record in records]
    built = bbolt.build([(schema.KEY, items)], pages.extend)
    return bbolt.open_database(built.meta_pages + b"".join(pages))


def put(main: int, key: bytes, value: bytes, sub: int = 0) -> Record:
    return Record(RevisionKey(main, sub), KeyValue(key, main, main, 1, value))


def newest(opened: bbolt.Database, key: bytes, at: int = 1 << 40) -> Record | None:
    bucket = opened.bucket(schema.KEY)
    assert bucket is not None
    return lookup.newest_record(opened.buffer, bucket, key, Revision(at))


def test_the_newest_record_at_a_revision_is_found() -> None:
    gone = Record(RevisionKey(9, 1, True), KeyValue(b"a"))
    records = [put(2, b"a", b"1"), put(3, b"b", b"1"), put(5, b"a", b"2"), gone]
    opened = database(*records)
    assert [newest(opened, b"a", at) for at in (1, 2, 4, 5, 8, 9)] == [
        None, records[0], records[0], records[2], records[2], gone,
    ]  # fmt: skip
    assert newest(opened, b"ab") is None


def test_a_record_inside_the_value_of_another_is_not_believed() -> None:
    inner = b"".join(mvcc.encode_record(put(100, b"a", b"forged")))
    real = put(2, b"a", b"real")
    opened = database(real, put(3, b"b", b"xx" + inner), put(4, b"c", mvcc.encode_record(real)[1]))
    assert newest(opened, b"a") == real


def test_a_key_with_a_long_name_and_one_across_the_chunks_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "CHUNK_BYTES", 97)  # smaller than the records, and dividing nothing
    long = b"k" * 300
    records = [put(2 + number, b"/registry/%d" % number, b"v" * (number * 7)) for number in range(40)]
    records.append(put(50, long, b"value"))
    opened = database(*records)
    for record in records:
        assert newest(opened, record.item.key) == record


def test_bytes_that_stand_everywhere_are_no_clue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "HIT_LIMIT", 100)
    opened = database(put(2, b"a", b"\x0a\x01a" * 200))
    with pytest.raises(lookup.TooManyHits):
        newest(opened, b"a")
