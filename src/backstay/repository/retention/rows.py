"""One run out of several that follow one another: what they say together, and the proof that it is the same.

    of each key   the greatest record at or below `floor`, and all records above it

`floor` is the lowest compact revision of the points whose chains hold the whole row. What is left out here compaction has
taken from every one of them, so each comes back byte for byte as before, with all its history; and the newest record of
every key, which is the state, is always among what stays. What was written is read back from the store and compared with
a second reading of what it replaces.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from backstay import errors
from backstay.crypto.sealing import SALT_SIZE, EpochKey, ObjectClass
from backstay.repository import merging, names
from backstay.repository.manifest import RunReference
from backstay.repository.records import DigestSum, StoredRecord, record_digest
from backstay.repository.repository import Entropy, Repository
from backstay.repository.run.reader import RunReader
from backstay.repository.run.writer import RunFacts, write_records

_ALL_WINDOWS = 48 << 20
_SMALLEST_WINDOW = 256 << 10


@dataclass(frozen=True, slots=True)
class RowWriter:
    """With what key runs are written, when, and where temporary sealed bytes may lie."""

    epoch: EpochKey | None
    now: datetime
    entropy: Entropy
    spill: Path


def merge_row(
    repository: Repository, lineage: str, runs: Sequence[RunReference], floor: int, writer: RowWriter
) -> RunReference:
    """Put the run that says what `runs` of `lineage` say together.

    Raises `CHAIN_BROKEN` where they do not follow one another, `POINT_UNPROVEN` where what reads back is not the same,
    `OBJECT_DAMAGED`, `KEY_UNAVAILABLE`, and the store's own errors.
    """
    readers = _follow(repository, lineage, runs)
    first, last = readers[0].footer, readers[-1].footer
    gone = tuple(sorted({each for reader in readers for each in reader.footer.vanished}))
    facts = RunFacts(ObjectClass.MERGED, lineage, first.start, last.end, first.before, last.after, gone)
    written = write_records(
        thinned(merging.merged(reader.records() for reader in readers), floor),
        facts,
        repository=repository.id,
        epoch=writer.epoch,
        salt=writer.entropy(SALT_SIZE),
        spill=writer.spill,
    )
    with written:
        name = names.run(lineage, ObjectClass.MERGED, writer.now, written.salt, written.sha256)
        repository.store.put(name, written.content)
        run = RunReference(ObjectClass.MERGED, name, written.size)
    _prove(repository, lineage, runs, run, floor)
    return run


def thinned(records: Iterable[StoredRecord], floor: int) -> Iterator[StoredRecord]:
    """Of each key the last record at or below `floor`, and all above it. `records` are in the order of keys."""
    candidate: StoredRecord | None = None
    for record in records:
        if candidate is not None and (candidate.key != record.key or record.main > floor):
            yield candidate
            candidate = None
        if record.main <= floor:
            candidate = record
        else:
            yield record
    if candidate is not None:
        yield candidate


def _follow(repository: Repository, lineage: str, runs: Sequence[RunReference]) -> list[RunReader]:
    """The runs, opened; each goes on from the one before."""
    window = max(_SMALLEST_WINDOW, _ALL_WINDOWS // len(runs))
    readers = [
        RunReader(
            repository.store, each.name, each.size, each.kind,
            repository=repository.id, keys=repository.key_of, window=window,
        )
        for each in runs
    ]  # fmt: skip
    before = None
    for reader in readers:
        footer = reader.footer
        follows = before is None or (footer.start, footer.before) == (before.end, before.after)
        if footer.lineage != lineage or not follows:
            raise errors.CHAIN_BROKEN.error(f"`{reader.name}` does not follow the run before it", where=reader.name)
        before = footer
    return readers


def _prove(repository: Repository, lineage: str, runs: Sequence[RunReference], run: RunReference, floor: int) -> None:
    """Raise `POINT_UNPROVEN` unless `run`, as the store gives it, says what `runs` say.

    By another way than it was made: which keys have which newest record, and which records lie above the floor.
    """
    wanted = _said(merging.merged(reader.records() for reader in _follow(repository, lineage, runs)), floor)
    found = _said((record for reader in _follow(repository, lineage, [run]) for record in reader.records()), floor)
    if wanted != found:
        raise errors.POINT_UNPROVEN.error(
            f"{len(runs)} runs were merged, and the result says something else", where=run.name, why="it was not used"
        )


def _said(records: Iterable[StoredRecord], floor: int) -> tuple[str, str, str]:
    """Digests of the newest record of each key, of the last ones up to the floor, and of all above it."""
    newest, settled, recent = DigestSum(), DigestSum(), DigestSum()
    last: StoredRecord | None = None
    old: StoredRecord | None = None
    for record in records:
        if last is not None and last.key != record.key:
            newest.add(record_digest(last))
            if old is not None:
                settled.add(record_digest(old))
            old = None
        last = record
        if record.main > floor:
            recent.add(record_digest(record))
        else:
            old = record
    if last is not None:
        newest.add(record_digest(last))
    if old is not None:
        settled.add(record_digest(old))
    return newest.text, settled.text, recent.text
