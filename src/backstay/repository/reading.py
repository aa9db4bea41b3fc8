"""Giving a point back: its runs merged, what compaction left of them, each stream compared with the digest it must have.

An iteration that ends without an error has given exactly what was backed up; until then nothing it gave may be used for
good. Callers build files under temporary names, and drop them when the end raises.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from backstay import errors
from backstay.crypto.sealing import ObjectClass
from backstay.repository import merging
from backstay.repository.catalogue import facts_of
from backstay.repository.manifest import Manifest, RunReference
from backstay.repository.records import DigestSum, Entry, StoredRecord, record_digest
from backstay.repository.repository import Repository
from backstay.repository.run.reader import WINDOW_BYTES, RunReader

_ALL_WINDOWS = 48 << 20
_SMALLEST_WINDOW = 256 << 10
_CHAIN = (ObjectClass.BASE, ObjectClass.STATE, ObjectClass.MERGED)


class PointReader:
    """One point, opened. Raises `KEY_UNAVAILABLE`, `OBJECT_MISSING`, `OBJECT_DAMAGED`."""

    def __init__(self, repository: Repository, manifest: Manifest) -> None:
        self.manifest = manifest
        self.facts = facts_of(repository, manifest)
        self._repository = repository
        self._window = max(_SMALLEST_WINDOW, min(WINDOW_BYTES, _ALL_WINDOWS // max(1, len(manifest.runs))))

    def run(self, reference: RunReference) -> RunReader:
        """A run of the point, its footer read. Raises `CHAIN_BROKEN` for a run of another lineage."""
        reader = RunReader(
            self._repository.store,
            reference.name,
            reference.size,
            reference.kind,
            repository=self._repository.id,
            keys=self._repository.key_of,
            window=self._window,
        )
        if reader.footer.lineage != self.manifest.lineage:
            raise errors.CHAIN_BROKEN.error(f"`{reference.name}` is of another lineage", where=self.manifest.where)
        return reader

    def everything(self) -> Iterator[StoredRecord]:
        """All records that the source held, in the order of keys. Raises `POINT_UNPROVEN` at the end if they are not.

        Of a point that is state-only these are the records of its state.
        """
        if self.manifest.is_state_only:
            yield from self.state()
            return
        readers = [*self.chain(), *self.histories()]
        merged = merging.merged(reader.records() for reader in readers)
        records = merging.everything(merged, self.facts.rule, vanished_records(readers))
        yield from self._proven(records, self.facts.records_digest, "records")

    def state(self) -> Iterator[StoredRecord]:
        """The newest record of every key that existed, and the records of the point's revision, in the order of keys."""
        readers = self.chain()
        merged = merging.merged(reader.records() for reader in readers)
        records = merging.state(merged, self.facts.revision, vanished_records(readers))
        return self._proven(records, self.facts.state_digest, "state", with_tombstones=False)

    def newest(self, key: bytes) -> StoredRecord | None:
        """The newest record of one key, None where it does not exist at the point. Reads a frame of each run at most.

        Rests on the seals alone; no digest is compared.
        """
        readers = self.chain()
        vanished = vanished_records(readers)
        for reader in reversed(readers):
            record = reader.newest(key)
            if record is not None:
                return None if record.tombstone or record[1:3] in vanished else record
        return None

    def entries(self) -> Iterator[Entry]:
        """The elements of the other buckets. Raises `POINT_UNPROVEN` before the first if they are not the source's."""
        for reference in self.manifest.of_kind(ObjectClass.ENTRIES):
            reader = self.run(reference)
            if reader.plain_sha256() != self.facts.entries_digest:
                raise self._unproven("the entries of the other buckets have another digest")
            yield from reader.entries()

    def chain(self) -> list[RunReader]:
        """The base and the runs of states that go on from it. Raises `POINT_UNPROVEN` where they do not."""
        readers = [self.run(run) for run in self.manifest.of_kind(*_CHAIN)]
        self._check_chain(readers)
        return readers

    def histories(self) -> list[RunReader]:
        """The runs that hold what the chain leaves out."""
        return [self.run(run) for run in self.manifest.of_kind(ObjectClass.HISTORY)]

    def _check_chain(self, readers: list[RunReader]) -> None:
        """The runs lead from the base to the point's state without a gap or an overlap, each going on from the one before."""
        at, state = 0, ""
        for number, reader in enumerate(readers):
            footer = reader.footer
            if footer.start != at or (number == 0) != (footer.kind is ObjectClass.BASE):
                raise self._unproven(f"`{reader.name}` begins at revision {footer.start}, not {at}")
            if footer.before != state:
                raise self._unproven(f"`{reader.name}` goes on from another state than the run before it")
            at, state = footer.end, footer.after
        if at > self.facts.revision or state != self.facts.state_digest:
            raise self._unproven(f"its runs end at revision {at} with another state than the point's")

    def _proven(
        self, records: Iterable[StoredRecord], wanted: str, what: str, *, with_tombstones: bool = True
    ) -> Iterator[StoredRecord]:
        total = DigestSum()
        for record in records:
            if with_tombstones or not record.tombstone:
                total.add(record_digest(record))
            yield record
        if total.text != wanted:
            raise self._unproven(f"the {what} read back have another digest than those that were backed up")

    def _unproven(self, why: str) -> errors.BackstayError:
        return errors.POINT_UNPROVEN.error(
            f"the point {self.manifest.id} cannot be given back", where=self.manifest.where, why=why
        )


def vanished_records(readers: Iterable[RunReader]) -> frozenset[tuple[int, int]]:
    """The records that some run says are gone."""
    return frozenset(each for reader in readers for each in reader.footer.vanished)
