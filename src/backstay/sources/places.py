"""Where the newest record of every chosen key is in a store on disk: one pass over the records, no value copied.

A store may hold a gigabyte of values, so what is kept per key is a number: where its KeyValue is in the file, and how long
it is. What is in no file (the log's tail, pages as no etcd writes them) is kept as bytes. The numbers of a KeyValue are
read later, for those keys that are still alive then.

    0a 05 "/a/b1"  10 02  18 07  20 03  2a 85 01 ...       key, create 2, mod 7, version 3, a value of 133 bytes
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from backstay.errors import FormatError
from backstay.formats import hashkv, mvcc, protowire
from backstay.formats.mvcc import KeyValue, RevisionKey
from backstay.snapshot.opened import OpenedStore
from backstay.sources.selection import Selection
from backstay.sources.source import Entry
from backstay.values import LeaseId, Revision

Place = int | bytes
"""Offset << 32 | length in the database's buffer, or the bytes themselves."""

_LENGTH_BITS = 32
_LENGTH_MASK = (1 << _LENGTH_BITS) - 1
_HEAD_BYTES = 48
"""More than the numbers of an ordinary KeyValue take behind its key."""

# create, mod and version of at most 35 bits, and the length of the value: what stands behind nearly every key.
_NUMBERS = re.compile(
    rb"\x10([\x80-\xff]{0,4}[\x00-\x7f])\x18([\x80-\xff]{0,4}[\x00-\x7f])\x20([\x80-\xff]{0,4}[\x00-\x7f])"
    rb"(?:\x2a([\x80-\xff]{0,4}[\x00-\x7f]))?",
    re.DOTALL,
)


def alive_places(store: OpenedStore, selection: Selection, at: Revision) -> dict[bytes, Place]:
    """The place of each selected key's newest record at `at`, without the keys that are deleted there."""
    alive: dict[bytes, Place] = {}
    matches = None if selection.pattern is None and not selection.prefix else selection.matches
    user_key = hashkv.user_key
    first, limit = (mvcc.encode_revision(RevisionKey(main, 0)) for main in (1, at + 1))
    for offset, (data, spans) in store.placed_pages():
        if not spans:
            continue
        ends_early = data[spans[-1][1] : spans[-1][2]] >= limit
        begins_early = data[spans[0][1] : spans[0][2]] < first
        for _, start, value, end in spans:
            size = data[value + 1] if end - value > 2 and data[value] == 0x0A else 0x80
            is_plain = size < 0x80 and value + 2 + size <= end
            key = data[value + 2 : value + 2 + size] if is_plain else user_key(data, value, end)
            if not key or (matches is not None and not matches(key)):
                continue  # without a key: the mark that a restore with a bump leaves
            if ends_early and data[start:value] >= limit:
                return alive
            if begins_early and data[start:value] < first:  # no release takes a record of revision 0 into its index
                continue
            is_put = value - start == mvcc.KEY_SIZE and data[start + 8] == mvcc.SEPARATOR
            if not is_put and mvcc.decode_revision(data[start:value]).tombstone:
                alive.pop(key, None)
            else:
                alive[key] = (offset + value) << _LENGTH_BITS | end - value if offset >= 0 else data[value:end]
    for record in store.tail_records():
        key = record.item.key
        if record.revision.main > at:
            break
        if not key or (matches is not None and not matches(key)):
            continue
        if record.revision.tombstone:
            alive.pop(key, None)
        else:
            alive[key] = mvcc.encode_key_value(record.item)
    return alive


def entries(store: OpenedStore, alive: dict[bytes, Place]) -> Iterator[Entry]:
    """What the records say besides their values, in the order of keys."""
    buffer = store.database.buffer
    match, make = _NUMBERS.match, tuple.__new__
    for key in sorted(alive):
        place = alive[key]
        numbers_at = len(key) + 2
        if isinstance(place, int):
            length, at = place & _LENGTH_MASK, place >> _LENGTH_BITS
            head = buffer[at : at + min(numbers_at + _HEAD_BYTES, length)]
        else:
            length, head = len(place), place
        found = match(head, numbers_at)
        if found is not None and head[1] == len(key) < 0x80:
            create, mod, version, content = found.groups()
            size = _number(content) if content else 0
            # A value that ends elsewhere than its record: there is a lease behind it, or something strange.
            if found.end() + size == length:
                yield make(Entry, (key, _number(create), _number(mod), _number(version), 0, size))
                continue
        yield entry_of(key, _bytes(store, place))


def items(store: OpenedStore, alive: dict[bytes, Place]) -> Iterator[KeyValue]:
    """The records themselves, in the order of keys."""
    for key in sorted(alive):
        yield mvcc.decode_key_value(_bytes(store, alive[key]))


def _bytes(store: OpenedStore, place: Place) -> bytes:
    if isinstance(place, bytes):
        return place
    at = place >> _LENGTH_BITS
    return store.database.buffer[at : at + (place & _LENGTH_MASK)]


def _number(varint: bytes) -> int:
    if len(varint) == 1:
        return varint[0]
    if len(varint) == 2:
        return varint[0] & 0x7F | varint[1] << 7
    value = 0
    for byte in reversed(varint):
        value = value << 7 | byte & 0x7F
    return value


def entry_of(key: bytes, data: bytes) -> Entry:
    """What the KeyValue in `data` says besides its value, of which only the size is taken. Raises `FormatError`."""
    numbers = {2: 0, 3: 0, 4: 0, 6: 0}
    size, position, end = 0, 0, len(data)
    read_varint = protowire.read_varint
    while position < end:
        tag, position = read_varint(data, position, end)
        content, position = read_varint(data, position, end)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == protowire.BYTES:
            if content > end - position:
                raise FormatError("field is longer than its message", offset=position)
            size = content if number == 5 else size
            position += content
        elif wire_type != protowire.VARINT:
            raise FormatError(f"KeyValue field {number} has wire type {wire_type}", offset=position)
        elif number in numbers:
            numbers[number] = protowire.signed64(content)
    return Entry(key, Revision(numbers[2]), Revision(numbers[3]), numbers[4], LeaseId(numbers[6]), size)
