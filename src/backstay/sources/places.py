"""Where the newest record of every chosen key is in a store on disk: one pass over the records, no value copied.

A store may hold a gigabyte of values, so what is kept per key is a number: where its KeyValue is in the file, and how long
it is. What is in no file (the log's tail, pages as no etcd writes them) is kept as bytes. The numbers of a KeyValue are
read later, for those keys that are still alive then.

    0a 05 "/a/b1"  10 02  18 07  20 03  2a 85 01 ...       key, create 2, mod 7, version 3, a value of 133 bytes
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator

from backstay.errors import FormatError
from backstay.formats import hashkv, mvcc, protowire
from backstay.formats.bbolt import layout
from backstay.formats.mvcc import KeyValue, Record, RevisionKey
from backstay.snapshot.opened import OpenedStore
from backstay.sources.selection import Selection
from backstay.sources.source import Entry
from backstay.values import LeaseId, Revision

Place = int | bytes
"""Offset << 32 | length in the database's buffer, or the bytes themselves.

A number at a key of fewer than 128 bytes also says that the key is the first thing in its record.
"""

_LENGTH_BITS = 32
_LENGTH_MASK = (1 << _LENGTH_BITS) - 1
_HEADER, _HEADER_SIZE = layout.PAGE_HEADER, layout.HEADER_SIZE
_ELEMENT, _ELEMENT_SIZE = layout.LEAF_ELEMENT, layout.ELEMENT_SIZE
_PUT_SIZE = mvcc.KEY_SIZE
_HEAD_BYTES = 32
"""More than the numbers of an ordinary KeyValue take behind its key."""

# create, mod and version of at most 35 bits, and the length of the value: what stands behind nearly every key.
_NUMBERS = re.compile(
    rb"\x10([\x80-\xff]{0,4}[\x00-\x7f])\x18([\x80-\xff]{0,4}[\x00-\x7f])\x20([\x80-\xff]{0,4}[\x00-\x7f])"
    rb"(?:\x2a([\x80-\xff]{0,4}[\x00-\x7f]))?",
    re.DOTALL,
)


def alive_places(store: OpenedStore, selection: Selection, at: Revision) -> dict[bytes, Place]:
    """The place of each selected key's newest record at `at`, without the keys that are deleted there."""
    matches = None if selection.pattern is None and not selection.prefix else selection.matches
    walk = _Walk(store, matches, at)
    is_over = False
    for number in store.leaf_numbers():
        is_over = walk.leaf(number)
        if is_over:
            break
    else:
        if not walk.has_pages:
            walk.small_database()
    if not is_over:
        walk.tail()
    return walk.alive


class _Walk:
    """One pass over the records of a store, leaf by leaf."""

    def __init__(self, store: OpenedStore, matches: Callable[[bytes], object] | None, at: Revision) -> None:
        self.alive: dict[bytes, Place] = {}
        self.has_pages = False
        self._store = store
        self._buffer = store.database.buffer
        self._page_size = store.database.page_size
        self._matches = matches
        self._at = at
        self._first, self._limit = (mvcc.encode_revision(RevisionKey(main, 0)) for main in (1, at + 1))
        self._is_whole = at >= store.revision
        self._has_limits = True
        self._seen = bytearray(len(self._buffer) // self._page_size + 1)

    def leaf(self, number: int) -> bool:
        """Take in the records of page `number`; true when those behind it are newer than wanted. Raises `FormatError`.

        The hot path: a store of large values has a page for every record. Only the page's header, the keys and a few
        bytes of each value are touched.
        """
        self.has_pages = True
        buffer, page_size, alive, matches = self._buffer, self._page_size, self.alive, self._matches
        offset = number * page_size
        try:
            own_number, flags, count, overflow = _HEADER.unpack_from(buffer, offset)
            is_again, self._seen[number] = self._seen[number], 1
        except (struct.error, IndexError):
            own_number = flags = count = overflow = is_again = 0
        end = offset + (overflow + 1) * page_size
        start = offset + _HEADER_SIZE
        room = end - start - count * _ELEMENT_SIZE
        if own_number != number or flags != layout.FLAG_LEAF or end > len(buffer) or room < 0 or is_again:
            raise self._refused(number, is_again)
        for _, position, key_size, value_size in _ELEMENT.iter_unpack(buffer[start : end - room]):
            key_at = start + position
            value_at = key_at + key_size
            value_end = value_at + value_size
            start += _ELEMENT_SIZE
            room -= key_size + value_size
            if value_end > end or room < 0:
                raise FormatError("leaf element lies outside its page, or over another", offset=key_at)
            size = buffer[value_at + 1] if value_size > 2 and buffer[value_at] == 0x0A else 0x80
            key_end = value_at + 2 + size
            if size < 0x80 and key_end <= value_end:
                key, place = buffer[value_at + 2 : key_end], value_at << _LENGTH_BITS | value_size
            else:
                key = hashkv.user_key(buffer, value_at, value_end)
                place = value_at << _LENGTH_BITS | value_size if len(key) >= 0x80 else buffer[value_at:value_end]
            if not key or (matches is not None and not matches(key)):
                continue  # without a key: the mark that a restore with a bump leaves
            if self._has_limits:
                revision = buffer[key_at:value_at]
                if revision >= self._limit:
                    return True
                if revision < self._first:
                    continue  # no release takes a record of revision 0 into its index
            if key_size == _PUT_SIZE and buffer[key_at + 8] == mvcc.SEPARATOR:
                alive[key] = place
            elif mvcc.decode_revision(buffer[key_at:value_at]).tombstone:
                alive.pop(key, None)
            else:
                alive[key] = place
        if self._is_whole:  # only the first page can hold records of revision 0
            self._has_limits = False
        return False

    def _refused(self, number: int, is_again: int) -> FormatError:
        """What is wrong with a page that is no leaf. Raises it, where reading the page says it better."""
        if is_again:
            return FormatError(f"page {number} is referenced twice", offset=number * self._page_size)
        page = self._store.database.page(number)
        return page.fail("a page of a bucket is neither branch nor leaf")

    def small_database(self) -> None:
        """Take in the records of a database whose only leaf stands inside another page."""
        for record in self._store.records():
            if not self._add(record):
                return

    def tail(self) -> None:
        """Take in what is in the log only."""
        if self.has_pages:
            for record in self._store.tail_records():
                if not self._add(record):
                    return

    def _add(self, record: Record) -> bool:
        key, main = record.item.key, record.revision.main
        if main > self._at:
            return False
        if main and key and (self._matches is None or self._matches(key)):
            if record.revision.tombstone:
                self.alive.pop(key, None)
            else:
                self.alive[key] = mvcc.encode_key_value(record.item)
        return True


def entries(store: OpenedStore, alive: dict[bytes, Place]) -> Iterator[Entry]:
    """What the records say besides their values, in the order of keys."""
    buffer = store.database.buffer
    match, make = _NUMBERS.match, tuple.__new__
    for key in sorted(alive):
        place = alive[key]
        if isinstance(place, int) and len(key) < 0x80:  # so the key stands first, behind two bytes
            at = (place >> _LENGTH_BITS) + 2 + len(key)
            length = (place & _LENGTH_MASK) - 2 - len(key)
            found = match(buffer[at : at + min(_HEAD_BYTES, length)])
            if found is not None:
                create, mod, version, content = found.groups()
                size = _number(content) if content else 0
                # A value that ends elsewhere than its record: there is a lease behind it, or something strange.
                if found.end() + size == length:
                    created = _number(create)
                    writes = version[0] if len(version) == 1 else _number(version)
                    yield make(Entry, (key, created, created if mod == create else _number(mod), writes, 0, size))
                    continue
        yield entry_of(key, _bytes(store, place))


def items(store: OpenedStore, alive: dict[bytes, Place]) -> Iterator[KeyValue]:
    """The records themselves, in the order of keys."""
    for key in sorted(alive):
        yield mvcc.decode_key_value(_bytes(store, alive[key]))


def differing(
    before: OpenedStore, alive_before: dict[bytes, Place], after: OpenedStore, alive_after: dict[bytes, Place]
) -> Iterator[tuple[bytes, KeyValue | None, KeyValue | None]]:
    """The keys whose records are not the same bytes, with both records, in the order of keys; None: there is none.

    Equal records have the same numbers and the same value, so nothing of them is decoded. The records are gone through as
    they follow each other in the first file, where most of them are equal; only what differs is sorted.
    """
    mine_at, other_at, is_one = before.database.buffer, after.database.buffer, before is after
    found = [key for key in alive_after if key not in alive_before]
    for key, mine in alive_before.items():
        other = alive_after.get(key)
        if other is None:
            found.append(key)
        elif isinstance(mine, int) and isinstance(other, int):
            if is_one and mine == other:
                continue
            size = mine & _LENGTH_MASK
            at, there = mine >> _LENGTH_BITS, other >> _LENGTH_BITS
            if size != other & _LENGTH_MASK or mine_at[at : at + size] != other_at[there : there + size]:
                found.append(key)
        elif _bytes(before, mine) != _bytes(after, other):
            found.append(key)
    found.sort()
    for key in found:
        yield key, _decoded(before, alive_before.get(key)), _decoded(after, alive_after.get(key))


def _decoded(store: OpenedStore, place: Place | None) -> KeyValue | None:
    return mvcc.decode_key_value(_bytes(store, place)) if place is not None else None


def _bytes(store: OpenedStore, place: Place) -> bytes:
    if isinstance(place, bytes):
        return place
    at = place >> _LENGTH_BITS
    return store.database.buffer[at : at + (place & _LENGTH_MASK)]


def _number(varint: bytes) -> int:
    size = len(varint)
    if size == 1:
        return varint[0]
    if size == 3:
        return varint[0] & 0x7F | (varint[1] & 0x7F) << 7 | varint[2] << 14
    if size == 2:
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
