"""The immutable base under a store's state: records of a bbolt file, looked up by revision.

Newer records live in memory (`state`); the base is never written. Lookups read the mapped file and may raise
`FormatError` where it is damaged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from backstay.errors import FormatError
from backstay.formats import mvcc, protowire, schema
from backstay.formats.bbolt import Bucket, Buffer, Database, layout
from backstay.formats.bbolt.pages import Page
from backstay.formats.hashkv import RecordPage, user_key
from backstay.formats.mvcc import KeyValue, RevisionKey
from backstay.store.key_index import MAIN_SHIFT, pack, unpack
from backstay.store.record_lookup import RecordLookup

# create, mod, version and the length of the value: what stands between the key and the value of an ordinary put.
_PUT_FIELDS = re.compile(
    rb"\x10[\x80-\xff]*[\x00-\x7f]\x18[\x80-\xff]*[\x00-\x7f]\x20[\x80-\xff]*[\x00-\x7f](?:\x2a([\x80-\xff]*[\x00-\x7f]))?",
    re.DOTALL,
)


PackedHead: TypeAlias = tuple[int, bytes, int]
"""(packed revision, key, lease)."""

_LONGEST_QUICK_KEY = 127
_COPY_BYTES = 64 << 10


class RecordHead(NamedTuple):
    """A record without its value, which may be megabytes."""

    revision: RevisionKey
    key: bytes
    lease: int


class Base:
    """The buckets of a database, for reading. Raises `FormatError` where its tree is damaged."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._records: Bucket | None = database.bucket(schema.KEY)
        self._lookup = RecordLookup(database, self._records) if self._records is not None else None

    def record(self, main: int, sub: int) -> KeyValue:
        """The put at revision `main`, which the index promised. Raises `FormatError`."""
        value = self._lookup.value(main, sub) if self._lookup is not None else None
        if value is None:
            raise FormatError(f"the record at revision {main} is gone from bucket `key`", offset=0)
        return mvcc.decode_key_value(value)

    def items(self, bucket: bytes) -> list[tuple[bytes, bytes]]:
        """All elements of a small bucket, nothing when it is absent."""
        found = self._database.bucket(bucket)
        return list(found.items()) if found is not None else []

    def last_revision(self) -> int:
        """The main revision of the newest record, 0 when there is none."""
        last = self._records.last_key() if self._records is not None else None
        return mvcc.decode_revision(last).main if last is not None else 0

    def pages(self) -> Iterator[RecordPage]:
        """All records in order, as they are stored. Raises `FormatError`."""
        for leaf in self._records.leaves() if self._records is not None else ():
            yield RecordPage(leaf.page.buffer, list(leaf.spans()))

    def heads(self) -> Iterator[RecordHead]:
        """Every record in order, without values. Raises `FormatError`."""
        for page in self.heads_by_page(with_leases=True):
            for packed, key, lease in page:
                yield RecordHead(unpack(packed), key, lease)

    def heads_by_page(self, *, with_leases: bool) -> Iterator[list[PackedHead]]:
        """The same in lists, with packed revisions, for those who want millions; leases are 0 unless asked for."""
        if self._records is None or self._lookup is None:
            return
        if not self._lookup.pages:  # a few records inside their parent's page
            for leaf in self._records.leaves():
                buffer = leaf.page.buffer
                yield [_head(buffer, *span[1:], with_leases=with_leases) for span in leaf.spans()]
            return
        for number in self._lookup.pages:
            page = self._database.page(number)
            if not page.is_leaf:
                raise page.fail("a page of bucket `key` is no leaf")
            yield _page_heads(page, with_leases=with_leases)


def _page_heads(page: Page, *, with_leases: bool) -> list[PackedHead]:
    """The heads of one leaf. Most records are read from one copy of its beginning; the rest where they lie."""
    buffer, offset, page_end = page.buffer, page.offset, page.end
    copy = buffer[offset : min(page_end, offset + _COPY_BYTES)]
    room, size = len(copy) - 2 - _LONGEST_QUICK_KEY, page_end - offset
    heads: list[PackedHead] = []
    element = layout.HEADER_SIZE
    table = copy[element : element + page.count * layout.ELEMENT_SIZE]
    for _, position, key_size, value_size in layout.LEAF_ELEMENT.iter_unpack(table):
        key_start = element + position
        value_start = key_start + key_size
        value_end = value_start + value_size
        if value_end > size:
            raise page.fail("leaf element lies outside its page", offset + element)
        element += layout.ELEMENT_SIZE
        # A plain put, its key shorter than 128 bytes: 0a LENGTH KEY ...
        if key_size == mvcc.KEY_SIZE and value_start <= room and value_size > 2 and copy[value_start] == 0x0A:
            length = copy[value_start + 1]
            main, separator, sub = mvcc.REVISION_STRUCT.unpack_from(copy, key_start)
            if length <= min(_LONGEST_QUICK_KEY, value_size - 2) and separator == mvcc.SEPARATOR and main < 1 << 63:
                if main:
                    key = copy[value_start + 2 : value_start + 2 + length]
                    lease = _lease_of(buffer, key, offset + value_start, offset + value_end) if with_leases else 0
                    heads.append((main << MAIN_SHIFT | sub << 1, key, lease))
                continue
        spot = (offset + key_start, offset + value_start, offset + value_end)
        head = _head(buffer, *spot, with_leases=with_leases)
        # A record with main 0 is ignored by every release when it loads its index.
        if head[0] >> MAIN_SHIFT:
            heads.append(head)
    return heads


def _head(buffer: Buffer, key_start: int, value_start: int, value_end: int, *, with_leases: bool) -> PackedHead:
    revision = mvcc.decode_revision(buffer[key_start:value_start])
    key = user_key(buffer, value_start, value_end)
    lease = _lease_of(buffer, key, value_start, value_end) if with_leases and not revision.tombstone else 0
    return pack(revision), key, lease


def _lease_of(buffer: Buffer, key: bytes, value_start: int, value_end: int) -> int:
    """The lease of a put. Without one, as nearly always, the value need not be read: it fills the record to its end."""
    key_header = 2 if len(key) < 0x80 else 3 if len(key) < 0x4000 else 4
    found = _PUT_FIELDS.match(buffer, value_start + key_header + len(key), value_end)
    if found is not None:
        length = protowire.read_varint(found[1], 0, len(found[1]))[0] if found[1] else 0
        if found.end() + length == value_end:
            return 0
    return mvcc.decode_key_value(buffer[value_start:value_end]).lease
