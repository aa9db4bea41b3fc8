"""One revision in the making: what a request writes, invisible to others until all of it is done.

Reads through a batch see its own writes, as operations of a transaction see those before them. Dropping a batch undoes
everything, which is how a refused transaction changes nothing.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from backstay.formats import requests
from backstay.formats.mvcc import KeyValue, Record, RevisionKey
from backstay.store import refusals
from backstay.store.answers import DeleteAnswer, PutAnswer
from backstay.store.ranges import KeyRange, key_range
from backstay.store.refusals import Refused
from backstay.store.state import StoreState
from backstay.values import LeaseId, Revision


class WriteBatch:
    """Writes on top of `state`, all with the next main revision and sub revisions 0, 1, 2, ... in order."""

    def __init__(self, state: StoreState) -> None:
        self.records: list[Record] = []
        self._state = state
        self._main = state.revision + 1
        self._newest: dict[bytes, KeyValue | None] = {}

    @property
    def revision(self) -> Revision:
        """The store's revision as seen from inside: the new one from the first write on."""
        return Revision(self._main) if self.records else self._state.revision

    @property
    def compact_revision(self) -> Revision:
        """The store's compact revision."""
        return self._state.compact_revision

    def read(self, key: bytes, at: Revision | None = None) -> KeyValue | None:
        """What `key` holds, this batch's writes included."""
        if key in self._newest and (at is None or at >= self._main):
            return self._newest[key]
        return self._state.read(key, at)

    def keys(self, within: KeyRange, at: Revision | None = None) -> Iterator[bytes]:
        """The keys that exist inside a range, in order."""
        if not self._newest or (at is not None and at < self._main):
            return self._state.keys(within, at)
        start, end = within
        own = sorted(key for key in self._newest if start <= key and (end is None or key < end))
        older = (key for key in self._state.keys(within) if key not in self._newest)
        return heapq.merge(older, (key for key in own if self._newest[key] is not None))

    def count(self, within: KeyRange, at: Revision | None = None) -> int:
        """How many keys `keys` gives."""
        if not self._newest or (at is not None and at < self._main):
            return self._state.count(within, at)
        return sum(1 for _ in self.keys(within, at))

    def put(self, request: requests.Put) -> PutAnswer:
        """Write one key. Raises `Refused`."""
        if request.lease and LeaseId(request.lease) not in self._state.leases.granted:
            raise Refused(refusals.LEASE_NOT_FOUND)
        before = self.read(request.key)
        if before is None and (request.ignore_value or request.ignore_lease):
            raise Refused(refusals.KEY_NOT_FOUND)
        item = KeyValue(
            key=request.key,
            create_revision=before.create_revision if before else self._main,
            mod_revision=self._main,
            version=before.version + 1 if before else 1,
            value=before.value if before and request.ignore_value else request.value,
            lease=before.lease if before and request.ignore_lease else request.lease,
        )
        self._write(item, tombstone=False)
        return PutAnswer(self.revision, before if request.prev_kv else None)

    def delete_range(self, request: requests.DeleteRange) -> DeleteAnswer:
        """Delete the keys of a range, in key order."""
        keys = list(self.keys(key_range(request.key, request.range_end)))
        previous = [self.read(key) for key in keys] if request.prev_kv else []
        self.delete(keys)
        return DeleteAnswer(self.revision, len(keys), tuple(item for item in previous if item is not None))

    def delete(self, keys: list[bytes]) -> None:
        """Delete `keys`, all of which exist."""
        for key in keys:
            self._write(KeyValue(key), tombstone=True)

    def commit(self) -> None:
        """Make the writes part of the store."""
        self._state.append(self.records)

    def _write(self, item: KeyValue, *, tombstone: bool) -> None:
        self.records.append(Record(RevisionKey(self._main, len(self.records), tombstone), item))
        self._newest[item.key] = None if tombstone else item
