"""From runs to what a point holds: records merged by identity, then what etcd's compaction leaves of them.

    everything  of each key the greatest record at or below the compact revision C stays if it is a put, or a tombstone at
                exactly C where such are kept; all records above C stay
    state       the newest record of each key if it is a put; and the records of the point's own revision, so that the
                revision does not step back

Both drop records that a run says have vanished. Two records of one revision with different bytes are two histories; that
is never papered over.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass

from backstay import errors
from backstay.repository.records import StoredRecord


@dataclass(frozen=True, slots=True)
class CompactionRule:
    """What compaction left: `compact_revision` is -1 where there never was one."""

    compact_revision: int
    keeps_tombstones: bool = False


def merged(runs: Iterable[Iterable[StoredRecord]]) -> Iterator[StoredRecord]:
    """The records of all runs in the order of keys, each once. Raises `CHAIN_BROKEN` for two with one revision."""
    previous: StoredRecord | None = None
    for record in heapq.merge(*runs):
        if previous is not None and previous.main == record.main and previous[:3] == record[:3]:
            if previous != record:
                raise errors.CHAIN_BROKEN.error(
                    "two runs hold different records of one revision",
                    where=f"revision {record.main}",
                    why="they are of two histories",
                )
            continue
        previous = record
        yield record


def everything(
    records: Iterable[StoredRecord], rule: CompactionRule, vanished: Set[tuple[int, int]]
) -> Iterator[StoredRecord]:
    """What the source's bucket held, in the order of keys."""
    compact = rule.compact_revision
    candidate: StoredRecord | None = None
    for record in records:
        if candidate is not None and candidate.key != record.key:
            if _stays(candidate, rule, vanished):
                yield candidate
            candidate = None
        if record.main <= compact:
            candidate = record
            continue
        if candidate is not None:
            if _stays(candidate, rule, vanished):
                yield candidate
            candidate = None
        yield record
    if candidate is not None and _stays(candidate, rule, vanished):
        yield candidate


def state(records: Iterable[StoredRecord], revision: int, vanished: Set[tuple[int, int]]) -> Iterator[StoredRecord]:
    """The newest record of each key that exists, and the records of `revision`, in the order of keys."""
    newest: StoredRecord | None = None
    for record in records:
        if newest is not None and newest.key != record.key and _is_state(newest, revision, vanished):
            yield newest
        newest = record
    if newest is not None and _is_state(newest, revision, vanished):
        yield newest


def _stays(record: StoredRecord, rule: CompactionRule, vanished: Set[tuple[int, int]]) -> bool:
    if record.tombstone:
        return rule.keeps_tombstones and record.main == rule.compact_revision
    return (record.main, record.sub) not in vanished


def _is_state(record: StoredRecord, revision: int, vanished: Set[tuple[int, int]]) -> bool:
    if record.tombstone:
        return record.main == revision
    return (record.main, record.sub) not in vanished
