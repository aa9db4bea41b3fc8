"""Rows of runs: what goes in comes out, byte for byte, however etcd (or somebody else) encoded it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as some

from backstay import errors
from backstay.errors import BackstayError
from backstay.formats.mvcc import KeyValue, Record, RevisionKey, encode_record
from backstay.repository.records import Entry, StoredRecord, digest_of, record_digest, record_of
from backstay.repository.run.rows import decode_entries, decode_rows, encode_entries, encode_rows

PUT = record_of(*encode_record(Record(RevisionKey(2, 0), KeyValue(b"a", 2, 2, 1, b"1"))))
DELETION = record_of(*encode_record(Record(RevisionKey(5, 0, True), KeyValue(b"a"))))

anything = some.builds(
    StoredRecord,
    some.binary(max_size=12),
    some.integers(0, (1 << 63) - 1),
    some.integers(0, 300),
    some.booleans(),
    some.binary(max_size=40),
)
ordinary = some.builds(
    lambda key, main, sub, create, version, value, lease: record_of(
        *encode_record(Record(RevisionKey(main, sub), KeyValue(key, create, main, version, value, lease)))
    ),
    some.binary(min_size=1, max_size=300),
    some.integers(1, (1 << 63) - 1),
    some.integers(0, 3),
    some.integers(1, (1 << 63) - 1),
    some.integers(1, 1 << 40),
    some.binary(max_size=300),
    some.integers(-(1 << 63), (1 << 63) - 1),
)


def test_two_records_are_these_bytes() -> None:
    assert encode_rows([PUT, DELETION]).hex() == "00000161091002180220012a0131" + "1d05"
    assert list(decode_rows(encode_rows([PUT, DELETION]), "it")) == [PUT, DELETION]


def test_digests_are_these() -> None:
    assert record_digest(PUT).hex() == "c6de4624372111c5443eea9bee47761e6834da1400ec757bc0e8a9d9f96699c0"
    both = "eb5f7675549264c2a17cf1288d93cf53bf2a005bc0faf9ceb4d1233ecaa98883"
    assert digest_of([PUT, DELETION]) == digest_of([DELETION, PUT]) == both
    assert digest_of([]) == "0" * 64


@given(some.lists(some.one_of(anything, ordinary), max_size=8))
def test_whatever_goes_in_comes_out(records: list[StoredRecord]) -> None:
    assert list(decode_rows(encode_rows(records), "it")) == records


@given(ordinary)
def test_an_ordinary_record_needs_no_revision_of_its_own(record: StoredRecord) -> None:
    assert not encode_rows([record])[0] & 36
    assert record_of(*record.element) == record


@given(some.lists(some.builds(Entry, some.binary(max_size=9), some.binary(max_size=9), some.binary(max_size=400))))
def test_entries_come_out_as_they_went_in(entries: list[Entry]) -> None:
    assert list(decode_entries(encode_entries(entries), "it")) == entries


@given(some.binary(max_size=60))
def test_hostile_bytes_are_records_or_damage(content: bytes) -> None:
    for decode in (decode_rows, decode_entries):
        try:
            decoded: list[StoredRecord] | list[Entry] = list(decode(content, "it"))  # type: ignore[arg-type]
        except BackstayError as problem:
            assert problem.kind is errors.OBJECT_DAMAGED
        else:
            assert sum(len(part) for each in decoded for part in each if isinstance(part, bytes)) <= 64 * len(content)


def test_every_cut_of_a_frame_is_damage_or_ends_between_records() -> None:
    content = encode_rows([PUT, DELETION, PUT._replace(key=b"ab", value=b"\x0a\x02ab" + PUT.value[3:])])
    whole = list(decode_rows(content, "it"))
    for size in range(len(content)):
        try:
            assert list(decode_rows(content[:size], "it")) == whole[: len(list(decode_rows(content[:size], "it")))]
        except BackstayError as problem:
            assert problem.kind is errors.OBJECT_DAMAGED


def test_a_random_frame_of_many_records_round_trips() -> None:
    source = random.Random(1)
    records = sorted(
        record_of(
            *encode_record(
                Record(RevisionKey(main, 0), KeyValue(b"/registry/%d" % source.randrange(50), 1, main, 1, b"v" * 20))
            )
        )
        for main in range(1, 500)
    )
    assert list(decode_rows(encode_rows(records), "it")) == records


def test_a_key_longer_than_its_frame_is_damage() -> None:
    with pytest.raises(BackstayError):
        list(decode_rows(bytes.fromhex("0000ff7f61"), "it"))
