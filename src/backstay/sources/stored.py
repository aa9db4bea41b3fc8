"""A store on disk as a source: a snapshot file, a bare `db`, or a data directory with its log.

Made by `opening.py`. Values are decoded only where they are given out; everything else reads positions (`places`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from backstay.findings import Finding
from backstay.formats import hashkv, mvcc, schema
from backstay.formats.mvcc import KeyValue, Record
from backstay.snapshot.opened import OpenedStore
from backstay.sources import lookup, places
from backstay.sources.selection import Selection
from backstay.sources.source import NEWEST, Counts, Entry
from backstay.values import Revision

_ALL = Selection()


class StoredSource:
    """A snapshot file, a bare database, or a data directory with what its log has beyond the database."""

    def __init__(self, store: OpenedStore) -> None:
        self._store = store
        self._whole: tuple[Revision, dict[bytes, places.Place]] | None = None

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
        alive = self._alive(selection, revision)
        found = places.entries(self._store, alive)
        return found if sizes else (entry._replace(size=None) for entry in found)

    def count(self, selection: Selection, revision: Revision = NEWEST, *, sizes: bool = True) -> Counts:
        alive = self._alive(selection, revision)
        value_bytes = sum(entry.size or 0 for entry in places.entries(self._store, alive)) if sizes else None
        return Counts(len(alive), value_bytes)

    def get(self, key: bytes, revision: Revision = NEWEST) -> KeyValue | None:
        at = self._checked(revision)
        if not key:
            return None
        try:
            record = self._newest_record(key, at)
        except lookup.TooManyHits:
            record = self._walk_to_newest(key, at)
        return None if record is None or record.revision.tombstone else record.item

    def items(self, selection: Selection, revision: Revision = NEWEST) -> Iterator[KeyValue]:
        alive = self._alive(selection, revision)
        yield from places.items(self._store, alive)

    def differing_items(
        self, selection: Selection, revision: Revision, other: StoredSource, other_revision: Revision
    ) -> Iterator[tuple[bytes, KeyValue | None, KeyValue | None]]:
        """The chosen keys that are not the same here at `revision` and in `other`, with both records, in order."""
        there = other._alive(selection, other_revision)
        return places.differing(self._store, self._alive(selection, revision), other._store, there)

    def history(self, key: bytes) -> Iterator[Record]:
        if not key:
            return
        bucket = self._store.database.bucket(schema.KEY)
        try:
            if bucket is not None:
                yield from lookup.all_records(self._store.database.buffer, bucket, key)
        except lookup.TooManyHits:
            for record in self._store.records(Revision(1)):
                if record.item.key == key:
                    yield record
            return
        for record in self._store.tail_records():
            if record.item.key == key:
                yield record

    def records(self, selection: Selection) -> Iterator[Record]:
        matches = selection.matches
        for record in self._store.records(Revision(1)):
            if record.item.key and matches(record.item.key):
                yield record

    def record_sizes(self) -> Iterator[tuple[bytes, int, int]]:
        """Key, main revision and stored bytes of every record, tombstones included; no value is touched."""
        database = self._store.database
        bucket, buffer = database.bucket(schema.KEY), database.buffer
        for leaf in bucket.leaves() if bucket is not None else ():
            for _, key_at, value_at, end in leaf.spans():
                key = hashkv.user_key(buffer, value_at, end)
                if key:
                    yield key, int.from_bytes(buffer[key_at : key_at + 8], "big"), end - value_at
        for record in self._store.tail_records():
            yield record.item.key, record.revision.main, len(record.item.key) + len(record.item.value)

    def sample(self, count: int) -> Iterator[KeyValue]:
        """The oldest and the newest `count` records that are stored, tombstones left out: what can be had at once."""
        bucket = self._store.database.bucket(schema.KEY)
        for reverse in (False, True):
            left = count
            for leaf in bucket.leaves(reverse=reverse) if bucket is not None else ():
                data, spans, _ = leaf.load()
                for _, start, value, end in reversed(spans) if reverse else spans:
                    if end > value and value - start == mvcc.KEY_SIZE:
                        yield mvcc.decode_key_value(data[value:end])
                left -= len(spans)
                if left <= 0:
                    break
        yield from itertools.islice((record.item for record in self._store.tail_records()), count)

    def close(self) -> None:
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _alive(self, selection: Selection, revision: Revision) -> dict[bytes, places.Place]:
        """Where the selected keys are. A walk over everything is remembered, so that whoever lists may look again."""
        at = self._checked(revision)
        if self._whole is not None and self._whole[0] == at:
            everything = self._whole[1]
            matches = selection.matches
            return (
                {key: place for key, place in everything.items() if matches(key)} if selection != _ALL else everything
            )
        alive = places.alive_places(self._store, selection, at)
        if selection == _ALL:
            self._whole = at, alive
        return alive

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
