"""A point built into its canonical file, and everything the file must be compared with what the backup promised.

`restore` gives a sink that writes, `verify` one that forgets. Every byte is read, opened, merged, proven by digests, put in
the order of revisions, and built; the pages' SHA-256, etcd's HASH and HashKV must then be the recorded ones.

A point whose history has faded is built of its state, as if the source had been compacted at the point's own revision: its
records and the other buckets are proven by their digests; the promised file held the history too, and is not compared.

A revision within the history is built of the records up to it, after the digest of all of them has proven right. Its other
buckets are the point's, for their history is nowhere; a lease that its keys are attached to and that is over since is made
anew, because without it they would never end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass
from pathlib import Path

from backstay import errors
from backstay.formats import mvcc, schema
from backstay.formats.hashkv import CURRENT_RULE, HashFeed
from backstay.formats.mvcc import RevisionKey
from backstay.repository.reading import PointReader
from backstay.repository.records import Entry, StoredRecord
from backstay.repository.repository import Entropy
from backstay.repository.sorting import RecordSorter, by_revision
from backstay.snapshot.canonical import CanonicalFile, Element, build_canonical
from backstay.snapshot.restore.plan import MISSING_LEASE_SECONDS
from backstay.telemetry import Progress
from backstay.values import LeaseId, Revision

_BATCH = 256
_ADVANCE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The file, and HashKV of its records."""

    file: CanonicalFile
    hash_kv: int
    records: int
    missing_revisions: int
    """Main revisions above the compact revision without a record; 0 in a sound store."""


def rebuild(
    point: PointReader,
    *,
    spill: Path,
    entropy: Entropy,
    progress: Progress,
    sink: Callable[[list[bytes]], None] | None = None,
    revision: int | None = None,
) -> Rebuilt:
    """Build the file of `point`, at a `revision` of its history if one is given.

    Raises `POINT_UNPROVEN` for any difference, and what reading raises.
    """
    facts = point.facts
    at = facts.revision if revision is None else revision
    leases: set[int] = set()
    progress.begin("reading runs", None)
    survivors = _Survivors(facts.compact_revision)
    with RecordSorter(by_revision, spill, entropy) as records:
        unreported = 0
        for record in _up_to(at, point.everything(), leases if at < facts.revision else None):
            survivors.see(record)
            records.add(record)
            unreported += len(record.value)
            if unreported >= _ADVANCE_BYTES:
                progress.advance(unreported)
                unreported = 0
        progress.begin("building the file", facts.file.size)
        feed = HashFeed(Revision(at), Revision(facts.compact_revision), None, CURRENT_RULE)
        built = build_canonical(
            _entries_at(point, at, leases),
            _fed((record for record in records), survivors, feed),
            page_size=facts.file.page_size,
            sink=_counted(sink, progress),
        )
        count = records.count
    hash_kv = feed.result().hash
    if at == facts.revision and not point.manifest.is_state_only:
        _compare(point, built, hash_kv)
    floor = max(facts.compact_revision, 1)
    return Rebuilt(built, hash_kv, count, max(0, at - floor) - survivors.recent)


def _entries_at(point: PointReader, at: int, leases: Set[int]) -> Iterable[Entry]:
    """The elements of the other buckets."""
    if point.manifest.is_state_only:
        return _compacted_at(point.entries(), at)
    return point.entries() if at == point.facts.revision else _with_leases(point.entries(), leases)


def _compare(point: PointReader, built: CanonicalFile, hash_kv: int) -> None:
    """Raise `POINT_UNPROVEN` unless the file is the one that was promised."""
    facts = point.facts
    for what, got, wanted in (
        ("SHA-256 of the pages", built.pages_sha256, facts.file.pages_sha256),
        ("size", built.size, facts.file.size),
        ("HASH", built.hash, facts.file.hash),
        ("HashKV", hash_kv, facts.hash_kv.hash),
    ):
        if got != wanted:
            raise errors.POINT_UNPROVEN.error(
                f"the point {point.manifest.id} does not come back as it was",
                where=point.manifest.where,
                why=f"{what} is {got}, not {wanted}",
            )


def _up_to(at: int, records: Iterable[StoredRecord], leases: set[int] | None) -> Iterator[StoredRecord]:
    """The records up to revision `at`, and in `leases`, if it is given, those that keys are attached to there."""
    newest: StoredRecord | None = None
    for record in records:
        if record.main > at:
            continue
        if leases is not None and newest is not None and newest.key != record.key:
            leases.add(_lease_of(newest))
        newest = record
        yield record
    if leases is not None and newest is not None:
        leases.add(_lease_of(newest))


def _lease_of(record: StoredRecord) -> int:
    return 0 if record.tombstone else mvcc.decode_key_value(record.value).lease


def _compacted_at(entries: Iterable[Entry], revision: int) -> Iterator[Entry]:
    """The elements of the other buckets of a source that had been compacted at `revision`."""
    found = {(each.bucket, each.key): each for each in entries}
    value = mvcc.encode_revision(RevisionKey(Revision(revision), 0))
    for key in (schema.SCHEDULED_COMPACT, schema.FINISHED_COMPACT):
        found[schema.META, key] = Entry(schema.META, key, value)
    return (found[each] for each in sorted(found))


def _with_leases(entries: Iterable[Entry], attached: Set[int]) -> Iterator[Entry]:
    """The elements of the other buckets, and a lease for each of `attached` that is not among them."""
    found = {(each.bucket, each.key): each for each in entries}
    found.setdefault((schema.LEASE, b""), Entry(schema.LEASE, b"", b""))
    for lease in attached - {0}:
        key, value = schema.encode_lease(schema.Lease(LeaseId(lease), MISSING_LEASE_SECONDS))
        found.setdefault((schema.LEASE, key), Entry(schema.LEASE, key, value))
    return (found[each] for each in sorted(found))


class _Survivors:
    """Which records HashKV leaves out, learned while records pass in the order of keys.

    Of the records at or below the compact revision only those count that are the newest of their key and a put; but all
    of them where no key exists at all (formats.hashkv).
    """

    def __init__(self, compact_revision: int) -> None:
        self._compact = compact_revision
        self._previous: StoredRecord | None = None
        self._superseded: set[tuple[int, int]] = set()
        self._mains: set[int] = set()
        self._live = 0

    def see(self, record: StoredRecord) -> None:
        previous = self._previous
        if previous is not None and previous.key == record.key:
            self._live -= not previous.tombstone
            if previous.main <= self._compact:
                self._superseded.add((previous.main, previous.sub))
        self._live += not record.tombstone
        if record.main > max(self._compact, 1):
            self._mains.add(record.main)
        self._previous = record

    def counts(self, record: StoredRecord) -> bool:
        if record.main > self._compact or not self._live:
            return True
        return not record.tombstone and (record.main, record.sub) not in self._superseded

    @property
    def recent(self) -> int:
        """How many main revisions above the compact revision have a record."""
        return len(self._mains)


def _fed(records: Iterable[StoredRecord], survivors: _Survivors, feed: HashFeed) -> Iterator[Element]:
    """The elements of bucket `key`, those that count fed to HashKV on their way."""
    parts: list[bytes] = []
    spans: list[tuple[int, int, int, int]] = []
    at = 0
    for record in records:
        element = record.element
        if survivors.counts(record):
            key_size = len(element[0])
            end = at + key_size + len(element[1])
            spans.append((0, at, at + key_size, end))
            parts += element
            at = end
            if len(spans) == _BATCH:
                feed.feed(b"".join(parts), spans)
                parts, spans, at = [], [], 0
        yield element
    feed.feed(b"".join(parts), spans)


def _counted(sink: Callable[[list[bytes]], None] | None, progress: Progress) -> Callable[[list[bytes]], None]:
    def take(pages: list[bytes]) -> None:
        if sink is not None:
            sink(pages)
        progress.advance(sum(map(len, pages)))

    return take
