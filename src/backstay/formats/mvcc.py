"""Records of bucket `key`: revision keys and KeyValue values.

Revision key, 17 or 18 bytes, big-endian, so that byte order is the order of revisions (etcd-files section 2.2):

    off  size  meaning
    0    8     main revision
    8    1     0x5F '_'
    9    8     sub revision: 0, 1, 2, ... inside one transaction
    17   1     0x74 't' on tombstones only

    00 00 00 00 00 00 00 05 5f 00 00 00 00 00 00 00 00 74      key deleted at revision 5

Value, protobuf mvccpb.KeyValue (2.3): 1 key, 2 create_revision, 3 mod_revision, 4 version, 5 value, 6 lease; zero and
empty fields absent. A tombstone's value holds only the key. A value of zero bytes is what `snapshot restore
--bump-revision` writes; readers take it as a put of the empty key.

    0a 01 61 10 02 18 02 20 01 2a 01 31                         {key "a", create 2, mod 2, version 1, value "1"}
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from backstay.errors import FormatError
from backstay.formats import protowire

KEY_SIZE = 17
TOMBSTONE_KEY_SIZE = 18
SEPARATOR = 0x5F
TOMBSTONE_MARK = 0x74

MAX_REVISION = (1 << 63) - 1

# create, mod and version, below 2^63, and the length of a value: what stands behind the key of an ordinary put.
_PUT_NUMBERS = re.compile(
    rb"\x10([\x80-\xff]{0,8}[\x00-\x7f])\x18([\x80-\xff]{0,8}[\x00-\x7f])\x20([\x80-\xff]{0,8}[\x00-\x7f])"
    rb"(?:\x2a([\x80-\xff]{0,8}[\x00-\x7f]))?",
    re.DOTALL,
)

REVISION_STRUCT = struct.Struct(">QBQ")
"""main, separator, sub: for hot loops that decode many keys in place."""


class RevisionKey(NamedTuple):
    """The key of one record."""

    main: int
    sub: int
    tombstone: bool = False


class KeyValue(NamedTuple):
    """The value of one record. A tombstone carries only `key`."""

    key: bytes
    create_revision: int = 0
    mod_revision: int = 0
    version: int = 0
    value: bytes = b""
    lease: int = 0


class Record(NamedTuple):
    """One version of one key, or its deletion: the one currency of backstay."""

    revision: RevisionKey
    item: KeyValue


def encode_revision(revision: RevisionKey) -> bytes:
    """The 17 or 18 bytes of a revision key."""
    encoded = REVISION_STRUCT.pack(revision.main, SEPARATOR, revision.sub)
    return encoded + b"t" if revision.tombstone else encoded


def decode_revision(data: bytes) -> RevisionKey:
    """The revision key in `data`. Raises `FormatError`."""
    size = len(data)
    if size not in (KEY_SIZE, TOMBSTONE_KEY_SIZE):
        raise FormatError(f"revision key has {size} bytes, not 17 or 18", offset=0)
    main, separator, sub = REVISION_STRUCT.unpack_from(data)
    if separator != SEPARATOR:
        raise FormatError(f"revision key has 0x{separator:02x} where '_' belongs", offset=8)
    if main > MAX_REVISION or sub > MAX_REVISION:
        raise FormatError("revision is negative", offset=0)
    if size == TOMBSTONE_KEY_SIZE and data[KEY_SIZE] != TOMBSTONE_MARK:
        raise FormatError(f"revision key ends with 0x{data[KEY_SIZE]:02x}, not 't'", offset=KEY_SIZE)
    return RevisionKey(main, sub, size == TOMBSTONE_KEY_SIZE)


def encode_key_value(item: KeyValue) -> bytes:
    """`item` as etcd writes it."""
    return b"".join(
        (
            protowire.optional_bytes(1, item.key),
            protowire.optional_int(2, item.create_revision),
            protowire.optional_int(3, item.mod_revision),
            protowire.optional_int(4, item.version),
            protowire.optional_bytes(5, item.value),
            protowire.optional_int(6, item.lease),
        )
    )


def decode_key_value(data: bytes) -> KeyValue:
    """The KeyValue in `data`; unknown fields are ignored. Raises `FormatError`."""
    return _decode_plain_put(data) or _decode_fields(data)


def _decode_plain_put(data: bytes) -> KeyValue | None:
    """A put without lease whose fields stand in etcd's order, as nearly all do; None for whatever else `data` holds."""
    if len(data) < 3 or data[0] != 0x0A:
        return None
    size, start = data[1], 2
    if size >= 0x80:
        if data[2] >= 0x80:
            return None
        size, start = size & 0x7F | data[2] << 7, 3
    found = _PUT_NUMBERS.match(data, start + size)
    if found is None:
        return None
    create, mod, version, length = found.groups()
    value_start = found.end()
    value_end = value_start + _number(length) if length else value_start
    if value_end != len(data):
        return None
    key = data[start : start + size]
    return KeyValue(key, _number(create), _number(mod), _number(version), data[value_start:value_end])


def _number(varint: bytes) -> int:
    if len(varint) == 1:
        return varint[0]
    value = 0
    for byte in reversed(varint):
        value = value << 7 | byte & 0x7F
    return value


def _decode_fields(data: bytes) -> KeyValue:
    key = value = b""
    numbers = {2: 0, 3: 0, 4: 0, 6: 0}
    for number, wire_type, content in protowire.read_fields(data):
        if isinstance(content, bytes):
            if number == 1:
                key = content
            elif number == 5:
                value = content
            elif number in numbers:
                raise FormatError(f"KeyValue field {number} has wire type {wire_type}", offset=0)
        elif number in (1, 5):
            raise FormatError(f"KeyValue field {number} has wire type {wire_type}", offset=0)
        elif number in numbers:
            if wire_type != protowire.VARINT:
                raise FormatError(f"KeyValue field {number} has wire type {wire_type}", offset=0)
            numbers[number] = protowire.signed64(content)
    return KeyValue(key, numbers[2], numbers[3], numbers[4], value, numbers[6])


def encode_record(record: Record) -> tuple[bytes, bytes]:
    """The element of bucket `key` that holds `record`."""
    item = KeyValue(record.item.key) if record.revision.tombstone else record.item
    return encode_revision(record.revision), encode_key_value(item)


def decode_record(key: bytes, value: bytes) -> Record:
    """The record in one element of bucket `key`. Raises `FormatError`."""
    return Record(decode_revision(key), decode_key_value(value))
