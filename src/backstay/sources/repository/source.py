"""The source over a point. Its newest revision is the point's, or the one within its history that was chosen.

Frames are independent and runs say where each begins, so a key costs a frame of each run, and a prefix those frames that can
hold it. No value is written to a disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from backstay.findings import Finding
from backstay.formats import hashkv, mvcc
from backstay.formats.mvcc import KeyValue, Record, RevisionKey
from backstay.repository.records import StoredRecord
from backstay.repository.repository import Entropy
from backstay.repository.sorting import RecordSorter, by_revision
from backstay.repository.view import PointView
from backstay.sources.selection import Selection
from backstay.sources.source import NEWEST, Counts, Entry
from backstay.values import LeaseId, Revision


class RepositorySource:
    """A point, looked into. `spill` is where records that are sorted may lie, sealed; `close` gives up the store."""

    def __init__(
        self,
        view: PointView,
        revision: int | None = None,
        *,
        location: str,
        spill: Path,
        entropy: Entropy,
        close: Callable[[], None] | None = None,
    ) -> None:
        self.point = view.point
        self._spill, self._entropy = spill, entropy
        self._view = view
        self._revision = Revision(revision if revision is not None else view.revision)
        self._location = location
        self._close = close

    def describe(self) -> str:
        manifest = self.point.manifest
        at = "" if self._revision == self._view.revision else f" at revision {self._revision}"
        return f"point {manifest.id} of {manifest.cluster}, {manifest.time:%Y-%m-%d %H:%M:%S}Z{at}, in {self._location}"

    @property
    def findings(self) -> tuple[Finding, ...]:
        return ()

    @property
    def revision(self) -> Revision:
        return self._revision

    @property
    def compact_revision(self) -> Revision:
        return Revision(self._view.compact_revision)

    def keys(self, selection: Selection, revision: Revision = NEWEST, *, sizes: bool = True) -> Iterator[Entry]:
        at = self._checked(revision)
        return (_entry(record, sizes) for record in self._alive(selection, at))

    def count(self, selection: Selection, revision: Revision = NEWEST, *, sizes: bool = True) -> Counts:
        keys = value_bytes = 0
        for entry in self.keys(selection, revision, sizes=sizes):
            keys += 1
            value_bytes += entry.size or 0
        return Counts(keys, value_bytes if sizes else None)

    def get(self, key: bytes, revision: Revision = NEWEST) -> KeyValue | None:
        at = self._checked(revision)
        record = self._view.newest(key, at) if key else None
        return None if record is None else mvcc.decode_key_value(record.value)

    def items(self, selection: Selection, revision: Revision = NEWEST) -> Iterator[KeyValue]:
        at = self._checked(revision)
        return (mvcc.decode_key_value(record.value) for record in self._alive(selection, at))

    def history(self, key: bytes) -> Iterator[Record]:
        if key:
            yield from (_record(record) for record in self._view.records(key, key + b"\0") if self._shows(record))

    def records(self, selection: Selection) -> Iterator[Record]:
        matches = selection.matches
        with RecordSorter(by_revision, self._spill, self._entropy) as found:
            for record in self._view.records(selection.prefix, _prefix_end(selection.prefix)):
                if self._shows(record) and matches(record.key):
                    found.add(record)
            yield from (_record(record) for record in found)

    def close(self) -> None:
        if self._close is not None:
            self._close()
            self._close = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _checked(self, revision: Revision) -> Revision:
        return hashkv.check_revision(revision, self.revision, self.compact_revision)

    def _alive(self, selection: Selection, at: Revision) -> Iterator[StoredRecord]:
        """The records of the selected keys that exist at `at`, in the order of keys."""
        matches = selection.matches
        for record in self._view.alive(at, selection.prefix, _prefix_end(selection.prefix)):
            if self._shows(record) and matches(record.key):
                yield record

    def _shows(self, record: StoredRecord) -> bool:
        # Without a key: the mark that a restore with a bump leaves. No release indexes records of revision 0.
        return bool(record.key) and 1 <= record.main <= self._revision


def _entry(record: StoredRecord, sizes: bool) -> Entry:
    item = mvcc.decode_key_value(record.value)
    size = len(item.value) if sizes else None
    return Entry(
        item.key, Revision(item.create_revision), Revision(item.mod_revision), item.version, LeaseId(item.lease), size
    )


def _record(record: StoredRecord) -> Record:
    return Record(RevisionKey(record.main, record.sub, record.tombstone), mvcc.decode_key_value(record.value))


def _prefix_end(prefix: bytes) -> bytes:
    """The first key behind all that begin with `prefix`; empty where there is none."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1]) if stripped else b""
