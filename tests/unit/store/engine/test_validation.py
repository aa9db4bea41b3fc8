"""Which requests have a shape that no state could make valid, in etcd's words."""

from __future__ import annotations

import pytest

from backstay.formats.requests import Compare, DeleteRange, Message, Operation, Put, Range, Txn
from backstay.store import refusals
from backstay.store.engine.validation import check_shape, is_read_only
from backstay.store.refusals import Refusal, Refused


def put(key: bytes) -> Operation:
    return Operation(put=Put(key, b"1"))


def delete(key: bytes, range_end: bytes = b"") -> Operation:
    return Operation(delete_range=DeleteRange(key, range_end))


def nested(success: tuple[Operation, ...], failure: tuple[Operation, ...] = ()) -> Operation:
    return Operation(txn=Txn((), success, failure))


def refusal_of(body: Message, limit: int = 128) -> Refusal | None:
    try:
        check_shape(body, limit)
    except Refused as refused:
        return refused.refusal
    return None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (Range(), refusals.KEY_NOT_PROVIDED),
        (Range(b"", b"\0"), refusals.KEY_NOT_PROVIDED),
        (Put(), refusals.KEY_NOT_PROVIDED),
        (DeleteRange(), refusals.KEY_NOT_PROVIDED),
        (Range(b"a", sort_order=3), refusals.INVALID_SORT),
        (Range(b"a", sort_target=5), refusals.INVALID_SORT),
        (Put(b"a", b"1", ignore_value=True), refusals.VALUE_PROVIDED),
        (Put(b"a", lease=7, ignore_lease=True), refusals.LEASE_PROVIDED),
        (Txn((Compare(),)), refusals.KEY_NOT_PROVIDED),
        (Txn((), (), (put(b""),)), refusals.KEY_NOT_PROVIDED),
        (Txn((), (Operation(),)), refusals.KEY_NOT_FOUND),
        (Put(b"a", ignore_value=True, ignore_lease=True), None),
        (Txn(), None),
    ],
)
def test_a_malformed_request_is_refused_in_etcds_words(body: Message, expected: Refusal | None) -> None:
    assert refusal_of(body) == expected


@pytest.mark.parametrize(
    ("branch", "collides"),
    [
        ((put(b"k"), put(b"k")), True),
        ((put(b"k"), delete(b"k")), True),
        ((delete(b"a", b"z"), put(b"k")), True),
        ((delete(b"a", b"z"), delete(b"k")), False),
        ((nested((put(b"k"),), (put(b"k"),)),), False),
        ((nested((put(b"k"),), (delete(b"k"),)),), False),
        ((put(b"k"), nested((put(b"k"),))), True),
        ((put(b"k"), nested((), (delete(b"k"),))), True),
        ((delete(b"k"), nested((put(b"k"),))), True),
        ((nested((put(b"k"),)), nested((put(b"k"),))), True),
        ((nested((delete(b"k"),)), nested((put(b"k"),))), True),
        ((nested((put(b"k"),)), nested((delete(b"k"),))), False),
        ((delete(b"a", b"\0"), put(b"k")), False),
        ((Operation(range=Range(b"k")), put(b"k")), False),
    ],
)
def test_keys_written_twice_are_found_where_etcd_finds_them(branch: tuple[Operation, ...], collides: bool) -> None:
    expected = refusals.DUPLICATE_KEY if collides else None
    assert refusal_of(Txn((), branch)) == expected
    assert refusal_of(Txn((), (), branch)) == expected


def test_the_branches_of_one_transaction_do_not_collide() -> None:
    assert refusal_of(Txn((), (put(b"k"),), (put(b"k"),))) is None


def test_a_nested_transaction_has_what_its_parent_left() -> None:
    def pair(outer: int, inner: int) -> Txn:
        reads = (Operation(range=Range(b"k")),)
        return Txn((), (nested(reads * inner), *(reads * (outer - 1))))

    assert refusal_of(pair(64, 64)) is None
    assert refusal_of(pair(64, 65)) == refusals.TOO_MANY_OPERATIONS
    assert refusal_of(pair(1, 127)) is None
    assert refusal_of(pair(1, 128)) == refusals.TOO_MANY_OPERATIONS


def test_a_transaction_of_ranges_is_a_read_unless_one_is_nested() -> None:
    assert is_read_only(Txn())
    assert is_read_only(Txn((), (Operation(range=Range(b"k")),)))
    assert not is_read_only(Txn((), (nested(()),)))
