"""Looking into a point without restoring it: one key, some keys, all keys, at any revision that its runs hold.

Runs are sorted by key and say where their frames begin, so a key costs a frame of each run, and all keys cost one pass with
a frame of each run in memory. Nothing is written anywhere. What is read whole at the point's own revision is compared with
the recorded digest; parts rest on the seals of their frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from backstay.repository import merging
from backstay.repository.reading import PointReader, vanished_records
from backstay.repository.records import StoredRecord
from backstay.repository.run.reader import RunReader


class PointView:
    """A point, looked into. The footers of its runs are read once; close nothing. Raises as `PointReader` does."""

    def __init__(self, point: PointReader) -> None:
        self.point = point

    @property
    def revision(self) -> int:
        """The point's own revision."""
        return self.point.facts.revision

    @property
    def compact_revision(self) -> int:
        """The oldest revision that can be read; -1 where that is the first."""
        return self.point.facts.compact_revision

    def alive(self, at: int, first: bytes = b"", end: bytes = b"") -> Iterator[StoredRecord]:
        """The keys that exist at revision `at`, from `first` on and below `end` (empty: to the last), in their order."""
        if at == self.revision:
            records = self.point.state() if not first and not end else self._state(first, end)
            return (record for record in records if not record.tombstone)
        return _newest_of_each(self.records(first, end), at)

    def records(self, first: bytes = b"", end: bytes = b"") -> Iterator[StoredRecord]:
        """Every record that the source held of keys from `first` on and below `end`, by key, deletions included."""
        if not first and not end:
            return self.point.everything()
        merged = merging.merged(reader.within(first, end) for reader in self._readers)
        return merging.everything(merged, self.point.facts.rule, self._vanished)

    def newest(self, key: bytes, at: int) -> StoredRecord | None:
        """One key as it was at revision `at`, None where it did not exist."""
        found: StoredRecord | None = None
        readers = self._chain if at == self.revision else self._readers
        for reader in sorted(readers, key=lambda each: each.footer.end, reverse=True):
            footer = reader.footer
            if footer.start >= at or (found is not None and found.main > footer.end):
                continue
            for record in (reader.newest(key),) if footer.end <= at else reader.of_key(key):
                if record is not None and record.main <= at and (found is None or record[1:3] > found[1:3]):
                    found = record
        return None if found is None or found.tombstone or found[1:3] in self._vanished else found

    def _state(self, first: bytes, end: bytes) -> Iterator[StoredRecord]:
        records = merging.merged(reader.within(first, end) for reader in self._chain)
        return merging.state(records, self.revision, self._vanished)

    @cached_property
    def _chain(self) -> Sequence[RunReader]:
        return self.point.chain()

    @cached_property
    def _readers(self) -> Sequence[RunReader]:
        return (*self._chain, *self.point.histories())

    @cached_property
    def _vanished(self) -> frozenset[tuple[int, int]]:
        return vanished_records(self._chain)


def _newest_of_each(records: Iterable[StoredRecord], at: int) -> Iterator[StoredRecord]:
    """Of each key the newest record at or below `at`, where it is a put."""
    newest: StoredRecord | None = None
    for record in records:
        if newest is not None and newest.key != record.key:
            if not newest.tombstone:
                yield newest
            newest = None
        if record.main <= at:
            newest = record
    if newest is not None and not newest.tombstone:
        yield newest
