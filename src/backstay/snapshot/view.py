"""A backup as the state of a store: whole, as it stands or as it was at a revision, without a copy and without a restore.

    opened store --> index over its records up to a revision, log's tail included --> StoreState that is only read

What a view shows of leases, users and alarms is what the backup ends with: their history is nowhere. An old revision must
not be older than the newest compaction.
"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Iterable, Iterator
from typing import BinaryIO, cast

from backstay import errors
from backstay.errors import FormatError
from backstay.formats import bbolt, mvcc, schema
from backstay.formats.bbolt import layout
from backstay.snapshot.opened import OpenedStore
from backstay.store.base import Base
from backstay.store.key_index import KeyIndex
from backstay.store.leases import LeaseTable
from backstay.store.state import StoreState, load_state
from backstay.values import Revision, compaction_text

Item = tuple[bytes, bytes]

_PIECE_BYTES = 1 << 20


def view_state(store: OpenedStore, at: Revision | None = None) -> StoreState:
    """The state of `store`, at revision `at` of its history (None: the newest). It reads from the store's files.

    Raises `REVISION_FUTURE`, `REVISION_COMPACTED`, and `FormatError` for damage.
    """
    check_revision(store, at)
    try:
        state = load_state(store.database)
    except FormatError as problem:
        where = f"{store.path}, offset {problem.offset}"
        raise FormatError(problem.what, offset=problem.offset, where=where, why=problem.why) from problem
    tail = store.tail
    if tail is not None:
        state.leases.granted |= tail.leases.granted
        for lease in state.leases.granted.keys() - tail.leases.granted.keys():
            state.leases.remove(lease)
        for record in store.tail_records():
            state.append([record])
        state.revision = tail.revision
        state.access, state.alarms, state.cluster = tail.access, tail.alarms, tail.cluster
        state.scheduled_compaction, state.finished_compaction = tail.scheduled_compaction, tail.finished_compaction
        state.consistent_index, state.term = tail.consistent_index, tail.term
    if at is not None and at < state.revision:
        _go_back(state, store, at)
    return state


def check_revision(store: OpenedStore, at: Revision | None) -> None:
    """Raise `REVISION_FUTURE` or `REVISION_COMPACTED` unless everything that was there at `at` is still in `store`."""
    if at is None:
        return
    what, where = f"revision {at} is not in `{store.path}`", str(store.path)
    if at > store.revision:
        raise errors.REVISION_FUTURE.error(what, where=where, why=f"the newest revision is {store.revision}")
    if at < store.compact_revision:
        raise errors.REVISION_COMPACTED.error(what, where=where, why=compaction_text(store.compact_revision))


def _go_back(state: StoreState, store: OpenedStore, at: Revision) -> None:
    """Forget everything after `at`: the index decides what a state shows, so it is built anew without it."""
    granted = state.leases.granted
    state.index, state.leases = KeyIndex(), LeaseTable()
    state.leases.granted = granted
    for revision, key, lease in Base(store.database).heads():
        if revision.main > at:
            break
        state.index.add(key, revision)
        state.leases.attach(key, lease)
    for record in store.tail_records():
        if record.revision.main > at:
            break
        state.index.add(record.item.key, record.revision)
        state.leases.attach(record.item.key, 0 if record.revision.tombstone else record.item.lease)
    state.revision = at


def view_file(store: OpenedStore, state: StoreState) -> tuple[int, Iterator[bytes]]:
    """A database file that holds the view, for Maintenance.Snapshot: its size in bytes, and its bytes in pieces.

    A file that is shown whole is given out as it is; for anything else one is built in the directory for temporary files.
    """
    if store.tail is None and state.revision == store.revision:
        buffer, size = store.database.buffer, store.content_size
        return size, (bytes(buffer[at : min(at + _PIECE_BYTES, size)]) for at in range(0, size, _PIECE_BYTES))
    file = tempfile.TemporaryFile(prefix="backstay-view-")  # noqa: SIM115 - it lives as long as its pieces are read
    try:
        file.write(bytes(2 * layout.DEFAULT_PAGE_SIZE))
        built = bbolt.build(_buckets(store, state), lambda pages: file.writelines(pages))
        size = file.tell()
        file.seek(0)
        file.write(built.meta_pages)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return size, _pieces(cast(BinaryIO, file))


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE_BYTES):
            yield piece


def _buckets(store: OpenedStore, state: StoreState) -> Iterator[tuple[bytes, Iterable[Item]]]:
    for name in sorted({*schema.BUCKETS, *store.bucket_names()}):
        yield name, _records(store, state.revision) if name == schema.KEY else state.bucket_items(name)


def _records(store: OpenedStore, up_to: Revision) -> Iterator[Item]:
    bucket = store.database.bucket(schema.KEY)
    base = bucket.items() if bucket is not None else iter(())
    for key, value in heapq.merge(base, map(mvcc.encode_record, store.tail_records())):
        if mvcc.decode_revision(key).main > up_to:
            return
        yield key, value
