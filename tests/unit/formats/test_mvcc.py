"""Revision keys and KeyValue records."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import FormatError
from backstay.formats import mvcc
from backstay.formats.bbolt import open_database
from tests import golden

REVISIONS = st.builds(
    mvcc.RevisionKey, st.integers(0, mvcc.MAX_REVISION), st.integers(0, mvcc.MAX_REVISION), st.booleans()
)
NUMBERS = st.integers(0, (1 << 63) - 1)
ITEMS = st.builds(
    mvcc.KeyValue,
    st.binary(max_size=30),
    NUMBERS,
    NUMBERS,
    NUMBERS,
    st.binary(max_size=50),
    st.integers(-(1 << 63), (1 << 63) - 1),
)


def test_the_bytes_of_the_reference() -> None:
    tombstone = mvcc.RevisionKey(5, 0, tombstone=True)
    assert mvcc.encode_revision(tombstone) == bytes.fromhex("00000000000000055f000000000000000074")
    item = mvcc.KeyValue(b"a", 2, 2, 1, b"1")
    assert mvcc.encode_key_value(item) == bytes.fromhex("0a0161100218022001 2a0131")


@given(REVISIONS)
def test_a_revision_survives(revision: mvcc.RevisionKey) -> None:
    assert mvcc.decode_revision(mvcc.encode_revision(revision)) == revision


@given(REVISIONS, REVISIONS)
def test_byte_order_is_revision_order(one: mvcc.RevisionKey, other: mvcc.RevisionKey) -> None:
    assert (mvcc.encode_revision(one) < mvcc.encode_revision(other)) == (one < other)


@given(ITEMS)
def test_a_key_value_survives(item: mvcc.KeyValue) -> None:
    assert mvcc.decode_key_value(mvcc.encode_key_value(item)) == item


def test_a_tombstone_keeps_only_its_key() -> None:
    record = mvcc.Record(mvcc.RevisionKey(5, 0, tombstone=True), mvcc.KeyValue(b"b", 3, 3, 1, b"gone", 7))
    assert mvcc.encode_record(record)[1] == b"\x0a\x01b"


def test_the_empty_value_of_a_bump_is_a_put_of_the_empty_key() -> None:
    key = mvcc.encode_revision(mvcc.RevisionKey(1_000_000_005, 0))
    assert mvcc.decode_record(key, b"") == mvcc.Record(mvcc.RevisionKey(1_000_000_005, 0), mvcc.KeyValue(b""))


def test_unknown_fields_are_ignored() -> None:
    assert mvcc.decode_key_value(b"\x0a\x01a" + b"\x38\x07" + b"\x42\x03xyz").key == b"a"


@pytest.mark.parametrize(
    "key",
    [
        b"",
        bytes(16),
        bytes(17),  # no separator
        bytes(8) + b"_" + bytes(8) + b"x",  # no tombstone mark
        bytes(8) + b"_" + bytes(8) + b"tt",
        b"\x80" + bytes(7) + b"_" + bytes(8),  # negative main
        bytes(8) + b"_" + b"\xff" * 8,  # negative sub
    ],
)
def test_what_is_no_revision_is_refused(key: bytes) -> None:
    with pytest.raises(FormatError):
        mvcc.decode_revision(key)


@pytest.mark.parametrize("value", ["0801", "1201 61", "2801", "3201 61", "1100000000 00000000", "0a05 61"])
def test_what_is_no_key_value_is_refused(value: str) -> None:
    with pytest.raises(FormatError):
        mvcc.decode_key_value(bytes.fromhex(value))


@given(st.binary(max_size=20), st.binary(max_size=60))
def test_random_bytes_decode_or_raise_a_format_error(key: bytes, value: bytes) -> None:
    try:
        record = mvcc.decode_record(key, value)
    except FormatError:
        return
    assert mvcc.encode_revision(record.revision) == key


@pytest.mark.parametrize("release", golden.VERSIONS)
def test_records_of_every_release_are_written_as_they_were_read(release: str) -> None:
    bucket = open_database(golden.snapshot(release)).bucket(b"key")
    assert bucket is not None
    count = 0
    for key, value in bucket.items():
        assert mvcc.encode_record(mvcc.decode_record(key, value)) == (key, value)
        count += 1
    assert count == golden.expectation(f"{release}/snapshot")["records"]
