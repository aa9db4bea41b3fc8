"""The process that builds a database: `python -m backstay.store.durable.checkpoint_child MEMBER INDEX TARGET`.

Base and log up to INDEX are on disk and never change, so the child needs nothing from the store's process, whose one
computing thread it must not disturb. It writes TARGET durably, finishes a compaction that was only noted so far, and
prints nothing; what went wrong is on standard error, and its status is 1. When the store's process dies, it dies too.

    key     base and log, without what the newest compaction removes       meta    consistent_index INDEX, its term
"""

from __future__ import annotations

import heapq
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from backstay import errors
from backstay.durable import Buffers, DurableFile, durable_file
from backstay.errors import BackstayError
from backstay.formats import bbolt, mvcc, schema
from backstay.formats.bbolt import Database, layout
from backstay.formats.directory import DATABASE, FILE_MODE, SNAP, WAL
from backstay.formats.hashkv import CURRENT_RULE
from backstay.formats.mvcc import RevisionKey
from backstay.store.base import Base
from backstay.store.durable.disk import LocalStoreDisk, StoreDisk
from backstay.store.durable.replay import bodies, consistent_index, open_base, read_segments, replay, unmap
from backstay.store.interest import Interest
from backstay.store.state import StoreState, load_state
from backstay.values import NO_COMPACTION

Item = tuple[bytes, bytes]

_SYNC_EVERY_BYTES = 4 << 20
_NICENESS = 10
"""Nobody waits for a checkpoint, but clients wait for the store beside it."""


def build_database(member: Path, index: int, target: Path, disk: StoreDisk) -> None:
    """Write `target`: the store of the directory `member` as it was after entry `index`.

    Raises `DIRECTORY_INCONSISTENT` when base and log do not hold that entry, `LOG_INVALID`, `FormatError`, and what
    writing raises.
    """
    database = open_base(member / SNAP / DATABASE)
    try:
        known = consistent_index(database)
        # The log is being appended to meanwhile: what its end looks like does not matter, as long as the entry is there.
        log = read_segments(member / WAL, known, is_in_use=True)
        entries = [entry for entry in log.entries if entry.index <= index]
        if known + len(entries) != index:
            raise errors.DIRECTORY_INCONSISTENT.error(
                f"entry {index} is not in the log", where=str(member), why=f"it ends at {log.last_index}"
            )
        state = load_state(database, Interest(bodies(entries)))
        replay(state, entries, member / WAL)
        state.finished_compaction = state.scheduled_compaction or state.finished_compaction
        with durable_file(disk, target, mode=FILE_MODE) as file:
            file.write([bytes(2 * layout.DEFAULT_PAGE_SIZE)])
            built = bbolt.build(_buckets(database, state), _Paced(file, disk).write)
            file.sync()
            file.write_at(built.meta_pages, 0)
    finally:
        unmap(database.buffer)


class _Paced:
    """Writes a file without letting much of it wait for the disk: the store's log is on the same one, and syncs often."""

    def __init__(self, file: DurableFile, disk: StoreDisk) -> None:
        self._file = file
        self._disk = disk
        self._synced = 0

    def write(self, buffers: Buffers) -> None:
        """Append `buffers`."""
        self._file.write(buffers)
        if self._file.size - self._synced >= _SYNC_EVERY_BYTES:
            self._synced = self._file.size
            self._disk.sync_data(self._file.descriptor)


def _buckets(database: Database, state: StoreState) -> Iterator[tuple[bytes, Iterable[Item]]]:
    for name in sorted({*schema.BUCKETS, *database.buckets()}):
        yield name, _records(database, state) if name == schema.KEY else state.bucket_items(name)


def _records(database: Database, state: StoreState) -> Iterator[Item]:
    records = database.bucket(schema.KEY)
    base = records.items() if records is not None else iter(())
    everything = heapq.merge(base, map(mvcc.encode_record, state.records()))
    at = state.compact_revision
    if at == NO_COMPACTION:
        return everything
    newest = _newest_below(database, state, at)
    return (item for item in everything if _survives(mvcc.decode_revision(item[0]), at, newest))


def _newest_below(database: Database, state: StoreState, at: int) -> set[tuple[int, int]]:
    """(main, sub) of each key's newest record at or below `at`."""
    newest: dict[bytes, tuple[int, int]] = {}
    for revision, key, _ in Base(database).heads():
        if revision.main > at:
            break
        newest[key] = revision.main, revision.sub
    for record in state.records():
        if record.revision.main > at:
            break
        newest[record.item.key] = record.revision.main, record.revision.sub
    return set(newest.values())


def _survives(revision: RevisionKey, at: int, newest: set[tuple[int, int]]) -> bool:
    """The rule of `store.compaction`, one record at a time."""
    main, sub, tombstone = revision
    if main > at:
        return True
    keeps = not tombstone or (main == at and CURRENT_RULE.skips_tombstone_at_compaction)
    return keeps and (main, sub) in newest


def end_with_parent() -> None:
    """Wait until the process that wanted this base is gone, and go too: it holds the other end of standard input."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def main(member: str, index: str, target: str) -> int:
    """Build one database; the exit status."""
    os.nice(_NICENESS)
    try:
        build_database(Path(member), int(index), Path(target), LocalStoreDisk())
    except BackstayError as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, daemon=True).start()
    sys.exit(main(*sys.argv[1:]))
