"""The immutable base under a store's state: records of a bbolt file, looked up by revision.

Newer records live in memory (`state`); the base is never written. Lookups read the mapped file and may raise
`FormatError` where it is damaged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from backstay.errors import FormatError
from backstay.formats import mvcc, protowire, schema
from backstay.formats.bbolt import Bucket, Buffer, Database
from backstay.formats.hashkv import RecordPage, user_key
from backstay.formats.mvcc import KeyValue, RevisionKey
from backstay.store.record_lookup import RecordLookup

# create, mod, version and the length of the value: what stands between the key and the value of an ordinary put.
_PUT_FIELDS = re.compile(
    rb"\x10[\x80-\xff]*[\x00-\x7f]\x18[\x80-\xff]*[\x00-\x7f]\x20[\x80-\xff]*[\x00-\x7f](?:\x2a([\x80-\xff]*[\x00-\x7f]))?",
    re.DOTALL,
)


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
        if self._records is None:
            return
        for leaf in self._records.leaves():
            buffer = leaf.page.buffer
            for _, key_start, value_start, value_end in leaf.spans():
                revision = mvcc.decode_revision(buffer[key_start:value_start])
                # A record with main 0 is ignored by every release when it loads its index.
                if revision.main:
                    key = user_key(buffer, value_start, value_end)
                    lease = 0 if revision.tombstone else _lease_of(buffer, key, value_start, value_end)
                    yield RecordHead(revision, key, lease)


def _lease_of(buffer: Buffer, key: bytes, value_start: int, value_end: int) -> int:
    """The lease of a put. Without one, as nearly always, the value need not be read: it fills the record to its end."""
    key_header = 2 if len(key) < 0x80 else 3 if len(key) < 0x4000 else 4
    found = _PUT_FIELDS.match(buffer, value_start + key_header + len(key), value_end)
    if found is not None:
        length = protowire.read_varint(found[1], 0, len(found[1]))[0] if found[1] else 0
        if found.end() + length == value_end:
            return 0
    return mvcc.decode_key_value(buffer[value_start:value_end]).lease
