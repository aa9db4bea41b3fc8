"""A store on disk as a source: a snapshot file, a bare `db`, or a data directory with its log.

Made by `opening.py`. Values are decoded only for the one key that `get` returns; everything else reads positions.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Self

from backstay.errors import FormatError
from backstay.findings import Finding
from backstay.formats import hashkv, mvcc, protowire, schema
from backstay.formats.mvcc import KeyValue, Record, RevisionKey
from backstay.snapshot.opened import OpenedStore
from backstay.sources import lookup
from backstay.sources.selection import Selection
from backstay.sources.source import NEWEST, Counts, Entry
from backstay.values import LeaseId, Revision


class StoredSource:
    """A snapshot file, a bare database, or a data directory with what its log has beyond the database."""

    def __init__(self, store: OpenedStore) -> None:
        self._store = store

    def describe(self) -> str:
        return self._store.describe()

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(self._store.findings)

    @property
    def revision(self) -> Revision:
        return self._store.revision

    @property
    def compact_revision(self) -> Revision:
        return self._store.compact_revision

    def keys(self, selection: Selection, revision: Revision = NEWEST, *, sizes: bool = True) -> Iterator[Entry]:
        alive = self._alive(selection, self._checked(revision))
        for key in sorted(alive):
            yield alive[key] if sizes else alive[key]._replace(size=None)

    def count(self, selection: Selection, revision: Revision = NEWEST, *, sizes: bool = True) -> Counts:
        alive = self._alive(selection, self._checked(revision))
        return Counts(len(alive), sum(entry.size or 0 for entry in alive.values()) if sizes else None)

    def get(self, key: bytes, revision: Revision = NEWEST) -> KeyValue | None:
        at = self._checked(revision)
        if not key:
            return None
        try:
            record = self._newest_record(key, at)
        except lookup.TooManyHits:
            record = self._walk_to_newest(key, at)
        return None if record is None or record.revision.tombstone else record.item

    def close(self) -> None:
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _checked(self, revision: Revision) -> Revision:
        return hashkv.check_revision(revision, self.revision, self.compact_revision)

    def _newest_record(self, key: bytes, at: Revision) -> Record | None:
        recent = [record for record in self._store.tail_records() if record.item.key == key]
        for record in reversed(recent):
            if record.revision.main <= at:
                return record
        bucket = self._store.database.bucket(schema.KEY)
        return lookup.newest_record(self._store.database.buffer, bucket, key, at) if bucket is not None else None

    def _walk_to_newest(self, key: bytes, at: Revision) -> Record | None:
        newest = None
        for data, spans in self._store.pages():
            for _, start, value, end in spans:
                if hashkv.user_key(data, value, end) == key:
                    record = mvcc.decode_record(data[start:value], data[value:end])
                    if record.revision.main > at:
                        return newest
                    newest = record
        return newest

    def _alive(self, selection: Selection, at: Revision) -> dict[bytes, Entry]:
        """The newest record of each selected key at `at`, without the keys that are deleted there."""
        alive: dict[bytes, Entry] = {}
        matches, user_key = selection.matches, hashkv.user_key
        first, limit = (mvcc.encode_revision(RevisionKey(main, 0)) for main in (1, at + 1))
        for data, spans in self._store.pages():
            for _, start, value, end in spans:
                key = user_key(data, value, end)
                if not key or not matches(key):  # without a key: the mark that a restore with a bump leaves
                    continue
                revision_key = data[start:value]
                if revision_key >= limit:
                    return alive
                if revision_key < first:  # no release takes a record of revision 0 into its index
                    continue
                if mvcc.decode_revision(revision_key).tombstone:
                    alive.pop(key, None)
                else:
                    alive[key] = _entry(key, data[value:end])
        return alive


def _entry(key: bytes, data: bytes) -> Entry:
    """What the KeyValue in `data` says besides its value, of which only the size is taken."""
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
