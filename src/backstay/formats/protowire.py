"""The protobuf wire format, as much of it as etcd's files need.

etcd's own files must be written byte for byte as etcd's generated code writes them (fields ascending, zero scalars
present or absent depending on the message), and read with an offset in every complaint; a general protobuf library
promises neither.

    tag      = varint(number << 3 | wire type)
    varint   = 7 bits per byte, least significant first, high bit set on all but the last; at most 10 bytes
    type 0   = varint        type 1 = 8 bytes LE        type 2 = varint length, bytes        type 5 = 4 bytes LE

    08 96 01          field 1, varint, 150
    12 03 61 62 63    field 2, bytes, "abc"
"""

from __future__ import annotations

from collections.abc import Iterator

from backstay.errors import FormatError

VARINT = 0
FIXED64 = 1
BYTES = 2
FIXED32 = 5

MASK64 = 0xFFFFFFFFFFFFFFFF
_MAX_VARINT_BYTES = 10


def read_varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    """The unsigned 64-bit varint at `position` and the position behind it. Raises `FormatError`."""
    result = shift = 0
    for index in range(position, min(end, position + _MAX_VARINT_BYTES)):
        byte = data[index]
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result & MASK64, index + 1
        shift += 7
    raise FormatError("varint does not end", offset=position)


def read_fields(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int, int | bytes]]:
    """(number, wire type, value) of each field; value is an unsigned int, or bytes for wire type 2.

    Raises `FormatError` for anything that is not a well-formed message, groups (wire types 3 and 4) included.
    """
    position = start
    end = len(data) if end is None else end
    while position < end:
        field_start = position
        # Most varints are one byte: `read_varint` is for the others.
        tag = data[position]
        if tag < 0x80:
            position += 1
        else:
            tag, position = read_varint(data, position, end)
        number, wire_type = tag >> 3, tag & 7
        if number == 0 or number > 0x1FFFFFFF:
            raise FormatError("field number out of range", offset=field_start)
        if wire_type == VARINT:
            if position < end and data[position] < 0x80:
                value, position = data[position], position + 1
            else:
                value, position = read_varint(data, position, end)
            yield number, wire_type, value
            continue
        if wire_type == BYTES:
            if position < end and data[position] < 0x80:
                length, position = data[position], position + 1
            else:
                length, position = read_varint(data, position, end)
        elif wire_type == FIXED64:
            length = 8
        elif wire_type == FIXED32:
            length = 4
        else:
            raise FormatError(f"wire type {wire_type} is not used by etcd", offset=field_start)
        if length > end - position:
            raise FormatError("field is longer than its message", offset=field_start)
        raw = bytes(data[position : position + length])
        position += length
        yield number, wire_type, raw if wire_type == BYTES else int.from_bytes(raw, "little")


def signed64(value: int) -> int:
    """An unsigned 64-bit varint as protobuf's int64."""
    return value - (1 << 64) if value >> 63 else value


def varint(value: int) -> bytes:
    """`value` (negative ones as 64-bit two's complement) as a varint."""
    value &= MASK64
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def int_field(number: int, value: int) -> bytes:
    """A varint field, written even when zero; the caller decides about presence."""
    return varint(number << 3 | VARINT) + varint(value)


def bytes_field(number: int, value: bytes) -> bytes:
    """A length-delimited field, written even when empty; the caller decides about presence."""
    return varint(number << 3 | BYTES) + varint(len(value)) + value


def optional_int(number: int, value: int) -> bytes:
    """A proto3 scalar: absent when zero."""
    return int_field(number, value) if value else b""


def optional_bytes(number: int, value: bytes) -> bytes:
    """A proto3 bytes or string field: absent when empty."""
    return bytes_field(number, value) if value else b""
