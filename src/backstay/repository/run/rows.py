"""The content of a run's frames (docs/formats/repository.md, 5): records, key by key, as little as is needed of each.

    flags           1   1 tombstone, 2 sub follows, 4 main follows, 8 key of the record before, 16 the value is the key
                        alone, 32 the value stands whole
    main, sub       varints, if 4, if 2
    shared, added   varints, unless 8: how many bytes of the key before to keep, how many follow
    key             `added` bytes, unless 8
    length, rest    varint and bytes, unless 16

    00 00 01 61 09 10 02 18 02 20 01 2a 01 31              {key "a", create 2, mod 2, version 1, value "1"}
    1d 05                                                   and its deletion at revision 5 (flags 1, 4, 8, 16)

`rest` is the value without its field 1 (0a, length, key). Without flag 4 it begins 10 <create> 18 <mod>, and main is mod.
Entries of other buckets are bucket, key, value, each with its length before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from backstay.crypto.sealing import damaged
from backstay.formats import mvcc
from backstay.repository.records import Entry, StoredRecord

_TOMBSTONE, _SUB, _MAIN, _SAME_KEY, _KEY_ALONE, _WHOLE = 1, 2, 4, 8, 16, 32
_KNOWN = 63
_MOD = re.compile(rb"\x10[\x80-\xff]{0,9}[\x00-\x7f]\x18([\x80-\xff]{0,8}[\x00-\x7f])")


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


_SHORT = tuple(_varint(number) for number in range(1 << 14))


def encode_varint(number: int) -> bytes:
    """A number that is not negative."""
    return _SHORT[number] if number < 1 << 14 else _varint(number)


def encode_rows(records: Iterable[StoredRecord]) -> bytes:
    """The content of one frame."""
    parts: list[bytes] = []
    previous = b""
    for key, main, sub, tombstone, value in records:
        flags = _TOMBSTONE if tombstone else 0
        head = b"\x0a" + encode_varint(len(key)) + key
        if value.startswith(head):
            rest = value[len(head) :]
        else:
            rest, flags = value, flags | _WHOLE
        if not rest and not flags & _WHOLE:
            flags |= _KEY_ALONE
        if _implied_main(rest) != main:
            flags |= _MAIN
        if sub:
            flags |= _SUB
        if key == previous:
            flags |= _SAME_KEY
        parts.append(flags.to_bytes(1, "big"))
        if flags & _MAIN:
            parts.append(encode_varint(main))
        if sub:
            parts.append(encode_varint(sub))
        if not flags & _SAME_KEY:
            shared = _shared(previous, key)
            parts += (encode_varint(shared), encode_varint(len(key) - shared), key[shared:])
            previous = key
        if not flags & _KEY_ALONE:
            parts += (encode_varint(len(rest)), rest)
    return b"".join(parts)


def decode_rows(content: bytes, where: str) -> Iterator[StoredRecord]:
    """The records of one frame. Raises `OBJECT_DAMAGED` at the first that is none."""
    at, size = 0, len(content)
    key = b""
    head = b"\x0a\x00"
    while at < size:
        flags = content[at]
        at += 1
        if flags > _KNOWN:
            raise damaged(where, f"a record has the flags {flags}")
        main = sub = -1
        if flags & _MAIN:
            main, at = _read_varint(content, at, where)
        if flags & _SUB:
            sub, at = _read_varint(content, at, where)
        if not flags & _SAME_KEY:
            shared, at = _read_varint(content, at, where)
            added, at = _read_varint(content, at, where)
            end = at + added
            if shared > len(key) or end > size:
                raise damaged(where, "a key is longer than its frame")
            key = key[:shared] + content[at:end]
            head = b"\x0a" + encode_varint(len(key)) + key
            at = end
        if flags & _KEY_ALONE:
            value = head
        else:
            length, at = _read_varint(content, at, where)
            end = at + length
            if end > size:
                raise damaged(where, "a value is longer than its frame")
            rest = content[at:end]
            at = end
            value = rest if flags & _WHOLE else head + rest
            if main < 0:
                main = _implied_main(rest)
        if not 0 <= main <= mvcc.MAX_REVISION or sub > mvcc.MAX_REVISION:
            raise damaged(where, "a record has no revision")
        yield StoredRecord(key, main, max(sub, 0), bool(flags & _TOMBSTONE), value)


def encode_entries(entries: Iterable[Entry]) -> bytes:
    """The content of one frame of entries."""
    return b"".join(encode_varint(len(part)) + part for entry in entries for part in entry)


def decode_entries(content: bytes, where: str) -> Iterator[Entry]:
    """The entries of one frame. Raises `OBJECT_DAMAGED`."""
    at = 0
    while at < len(content):
        parts = []
        for _ in range(3):
            length, at = _read_varint(content, at, where)
            if at + length > len(content):
                raise damaged(where, "an entry is longer than its frame")
            parts.append(content[at : at + length])
            at += length
        yield Entry(*parts)


def _implied_main(rest: bytes) -> int:
    """The mod revision that a value without its key begins with; -1 where it does not."""
    found = _MOD.match(rest)
    if not found:
        return -1
    number = 0
    for byte in reversed(found[1]):
        number = number << 7 | byte & 0x7F
    return number


def _shared(previous: bytes, key: bytes) -> int:
    """How many bytes two keys have in common at their beginning."""
    low, high = 0, min(len(previous), len(key))
    while low < high:
        middle = (low + high + 1) // 2
        if previous[low:middle] == key[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _read_varint(content: bytes, at: int, where: str) -> tuple[int, int]:
    """A number of up to 63 bits, and where it ends."""
    number = shift = 0
    for place in range(at, min(at + 9, len(content))):
        byte = content[place]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place + 1
        shift += 7
    raise damaged(where, "a number is cut short or too large")
