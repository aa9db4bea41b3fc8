"""The protobuf wire format: known bytes, round trips, and hostile input."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import FormatError
from backstay.formats import protowire

NUMBERS = st.integers(min_value=-(1 << 63), max_value=(1 << 63) - 1)


def test_known_bytes() -> None:
    assert protowire.int_field(1, 150) == bytes.fromhex("089601")
    assert protowire.bytes_field(2, b"abc") == bytes.fromhex("1203616263")
    assert protowire.varint(-1) == b"\xff" * 9 + b"\x01"
    assert protowire.varint(0) == b"\0"


def test_optional_fields_are_absent_when_empty() -> None:
    assert protowire.optional_int(1, 0) == b""
    assert protowire.optional_bytes(1, b"") == b""
    assert protowire.optional_int(1, 1) == b"\x08\x01"
    assert protowire.optional_bytes(1, b"x") == b"\x0a\x01x"


@given(NUMBERS)
def test_a_number_survives(value: int) -> None:
    encoded = protowire.varint(value)
    assert len(encoded) <= 10
    read, position = protowire.read_varint(encoded, 0, len(encoded))
    assert (protowire.signed64(read), position) == (value, len(encoded))


@given(st.lists(st.tuples(st.integers(1, 0x1FFFFFFF), st.one_of(NUMBERS, st.binary(max_size=40))), max_size=8))
def test_fields_survive(fields: list[tuple[int, int | bytes]]) -> None:
    encoded = b"".join(
        protowire.bytes_field(number, value) if isinstance(value, bytes) else protowire.int_field(number, value)
        for number, value in fields
    )
    read = [
        (number, value if isinstance(value, bytes) else protowire.signed64(value))
        for number, _, value in protowire.read_fields(encoded)
    ]
    assert read == fields


def test_fixed_fields_are_little_endian() -> None:
    encoded = bytes.fromhex("09 0100000000000000 15 02000000")
    assert list(protowire.read_fields(encoded)) == [(1, protowire.FIXED64, 1), (2, protowire.FIXED32, 2)]


def test_only_the_given_part_is_read() -> None:
    assert list(protowire.read_fields(b"\xff\x08\x01\xff", 1, 3)) == [(1, protowire.VARINT, 1)]


@pytest.mark.parametrize(
    ("encoded", "offset"),
    [
        ("80", 0),  # a tag that does not end
        ("08", 1),  # a field without its number
        ("0880", 1),
        ("08ffffffffffffffffffffff01", 1),  # eleven bytes
        ("0001", 0),  # field number 0
        ("0801 1205 61", 2),  # bytes longer than the message
        ("0900", 0),  # fixed64 cut off
        ("0801 0b", 2),  # a group
        ("0f", 0),  # wire type 7
        ("8080808010 00", 0),  # field number beyond 2^29 - 1
    ],
)
def test_what_is_no_message_is_refused_with_its_offset(encoded: str, offset: int) -> None:
    with pytest.raises(FormatError) as caught:
        list(protowire.read_fields(bytes.fromhex(encoded)))
    assert caught.value.offset == offset


@given(st.binary(max_size=200))
def test_random_bytes_give_fields_or_a_format_error(data: bytes) -> None:
    total = 0
    try:
        for _, _, value in protowire.read_fields(data):
            total += len(value) if isinstance(value, bytes) else 0
    except FormatError as problem:
        assert 0 <= problem.offset <= len(data)
    assert total <= len(data)
