"""A cluster that is a list of records, and a repository beside it: for tests of what backups hold and give back.

    cluster = Cluster(); cluster.put(b"a", b"1"); cluster.compact(2)
    place = Place(); point = place.back_up(cluster); place.elements(point) == cluster.elements()

`Cluster` is written from etcd's rules alone and knows nothing of runs. It is a `RecordSource` by itself.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from backstay.blobs.contract import BlobStore
from backstay.blobs.memory import MemoryStore
from backstay.crypto.sealing import EpochKey
from backstay.crypto.signing import SigningKey
from backstay.crypto.slots import identity_of
from backstay.formats import mvcc, schema
from backstay.formats.bbolt import build
from backstay.formats.hashkv import RecordPage, hash_kv
from backstay.formats.mvcc import KeyValue, RevisionKey
from backstay.repository.catalogue import Catalogue, read_catalogue
from backstay.repository.continuing import BaseRule
from backstay.repository.description import Encryption
from backstay.repository.manifest import FileFacts, HashFacts, Manifest
from backstay.repository.memory import WriterMemory, decode_memory, encode_memory
from backstay.repository.reading import PointReader
from backstay.repository.repository import Founding, Repository, create, new_epoch, open_repository
from backstay.repository.sorting import RecordSorter, by_revision
from backstay.repository.source import classify
from backstay.repository.trust import TrustedRecipient, TrustedWriter
from backstay.repository.writing import BackupDraft, CommittedPoint, Writer, back_up
from backstay.snapshot.canonical import build_canonical
from backstay.telemetry import SilentProgress
from backstay.values import LeaseId, Revision

Element = tuple[bytes, bytes]
BEGIN = datetime(2026, 11, 25, tzinfo=UTC)
CANARY = b"canary-0f7c4b-never-in-clear"
PAGE_SIZE = 4096


def entropy_of(seed: int) -> Callable[[int], bytes]:
    """So many bytes that look random, the same ones every time."""
    return random.Random(seed).randbytes


class Cluster:
    """etcd's keys. `compact_revision` is -1 until the first compaction."""

    def __init__(self) -> None:
        self.revision = 1
        self.compact_revision = -1
        self.leases: dict[int, int] = {}
        """TTL in seconds of each."""
        self._records: dict[tuple[int, int], tuple[bool, KeyValue]] = {}
        self._newest: dict[bytes, KeyValue] = {}

    def copy(self) -> Cluster:
        """What a restored snapshot of it would go on as."""
        return copy.deepcopy(self)

    def put(self, key: bytes, value: bytes, lease: int = 0) -> None:
        """One write."""
        self.write([(key, value)], lease)

    def delete(self, *keys: bytes) -> None:
        """One deletion of several keys; nothing happens when none is there."""
        self.write([(key, None) for key in keys if key in self._newest])

    def write(self, changes: Sequence[tuple[bytes, bytes | None]], lease: int = 0) -> None:
        """One transaction: (key, value), or (key, None) for a deletion."""
        if not changes:
            return
        self.revision += 1
        for sub, (key, value) in enumerate(changes):
            before = self._newest.get(key)
            if value is None:
                self._newest.pop(key, None)
                self._records[self.revision, sub] = (True, KeyValue(key))
                continue
            create = before.create_revision if before is not None else self.revision
            version = before.version + 1 if before is not None else 1
            item = KeyValue(key, create, self.revision, version, value, lease)
            self._newest[key] = item
            self._records[self.revision, sub] = (False, item)

    def compact(self, revision: int, *, keeps_tombstones: bool = True, share: float = 1.0) -> None:
        """Compact at `revision`; with a `share` below 1 only so much of what should go is gone yet, oldest first."""
        self.compact_revision = revision
        newest: dict[bytes, tuple[int, int]] = {}
        for at, (_, item) in self._records.items():
            if at[0] <= revision:
                newest[item.key] = at
        going = [
            at
            for at, (tombstone, item) in self._records.items()
            if at[0] <= revision
            and (newest[item.key] != at or (tombstone and not (keeps_tombstones and at[0] == revision)))
        ]
        for at in going[: round(share * len(going))]:
            del self._records[at]

    def elements(self, start: int = 0) -> Iterator[Element]:
        """Bucket `key` from revision `start` on."""
        for (main, sub), (tombstone, item) in self._records.items():
            if main >= start:
                yield mvcc.encode_revision(RevisionKey(main, sub, tombstone)), mvcc.encode_key_value(item)

    def live(self) -> dict[bytes, bytes]:
        """Every key that exists, and its value."""
        return {key: item.value for key, item in self._newest.items()}

    def entries(self) -> Iterator[tuple[bytes, bytes, bytes]]:
        """All other buckets."""
        contents: dict[bytes, list[Element]] = {name: [] for name in schema.BUCKETS if name != schema.KEY}
        contents[schema.META].append((schema.CONSISTENT_INDEX, schema.encode_u64(self.revision + 10)))
        if self.compact_revision >= 0:
            marker = mvcc.encode_revision(RevisionKey(self.compact_revision, 0))
            contents[schema.META] += [(schema.SCHEDULED_COMPACT, marker), (schema.FINISHED_COMPACT, marker)]
        for lease, ttl in self.leases.items():
            contents[schema.LEASE].append(schema.encode_lease(schema.Lease(LeaseId(lease), ttl)))
        for name in sorted(contents):
            yield name, b"", b""
            for key, value in sorted(contents[name]):
                yield name, key, value

    def hash_kv(self) -> int:
        """HashKV at the newest revision."""

        def pages() -> Iterator[RecordPage]:
            for key, value in self.elements():
                yield RecordPage(key + value, [(0, 0, len(key), len(key) + len(value))])

        return hash_kv(pages, Revision(self.revision), Revision(self.compact_revision)).hash

    def file(self, path: Path) -> Path:
        """A database file of it."""
        groups: dict[bytes, list[Element]] = {schema.KEY: list(self.elements())}
        for name, key, value in self.entries():
            group = groups.setdefault(name, [])
            if key:
                group.append((key, value))
        pages: list[bytes] = []
        built = build(sorted(groups.items()), pages.extend, page_size=PAGE_SIZE)
        path.write_bytes(built.meta_pages + b"".join(pages))
        return path


class Place:
    """A repository in a store, with the keys of everybody; time goes on by itself."""

    def __init__(
        self, store: BlobStore | None = None, *, seed: int = 1, plaintext: bool = False, spill: Path | None = None
    ) -> None:
        self.store = store if store is not None else MemoryStore()
        self.entropy = entropy_of(seed)
        self.now = BEGIN
        self.operator, self.recovery = identity_of(self.entropy(32)), identity_of(self.entropy(32))
        self.writer, self.root = SigningKey(self.entropy(32)), SigningKey(self.entropy(32))
        self.spill = spill if spill is not None else Path("/tmp")
        recipients = (
            TrustedRecipient(self.operator.public, "operator"),
            TrustedRecipient(self.recovery.public, "recovery", offline=True),
        )
        create(
            self.store,
            Founding(
                Encryption.PLAINTEXT if plaintext else Encryption.SEALED,
                () if plaintext else recipients,
                (TrustedWriter(self.writer.public, "host"),),
                self.root,
            ),
            now=self.now,
            entropy=self.entropy,
        )
        self.epoch: EpochKey | None = None if plaintext else new_epoch(self.now, self.entropy)
        self.memory: WriterMemory | None = None

    def repository(self, *, readable: bool = True) -> Repository:
        """The repository, opened anew."""
        return open_repository(self.store, (self.operator,) if readable else ())

    def catalogue(self) -> Catalogue:
        """All points."""
        return read_catalogue(self.repository()).require_sound()

    def commit(
        self, cluster: Cluster, *, rule: BaseRule | None = None, store: BlobStore | None = None, seed: int | None = None
    ) -> CommittedPoint:
        """Make a point as a sealed writer does: without an identity. What is remembered stays as it was."""
        repository = open_repository(store if store is not None else self.store, ())
        classification = classify(cluster)
        built = build_canonical(
            cluster.entries(), (element for _, element in classification.kept(cluster)), page_size=PAGE_SIZE
        )
        return back_up(
            repository,
            cluster,
            classification,
            BackupDraft(
                "prod",
                FileFacts(built.pages_sha256, built.size, built.page_size, built.hash),
                HashFacts(cluster.hash_kv(), cluster.revision, cluster.compact_revision),
                {"kind": "test"},
            ),
            self.memory,
            Writer(
                self.writer,
                self.epoch,
                self.now,
                self.entropy if seed is None else entropy_of(seed),
                self.spill,
                SilentProgress(),
                rule or BaseRule(),
            ),
        )

    def back_up(self, cluster: Cluster, *, rule: BaseRule | None = None) -> CommittedPoint:
        """Make a point and remember it, through the bytes of the memory; a quarter of an hour passes."""
        committed = self.commit(cluster, rule=rule)
        self.memory = decode_memory(encode_memory(committed.memory), "memory")
        self.now += timedelta(minutes=15)
        return committed

    def reader(self, manifest: Manifest) -> PointReader:
        """The point, opened by the operator."""
        return PointReader(self.repository(), manifest)

    def elements(self, manifest: Manifest) -> list[Element]:
        """Bucket `key` of a point."""
        with RecordSorter(by_revision, self.spill, self.entropy, part_bytes=20_000) as records:
            for record in self.reader(manifest).everything():
                records.add(record)
            return [record.element for record in records]

    def live(self, manifest: Manifest) -> dict[bytes, bytes]:
        """The keys that exist in a point's state."""
        return {
            record.key: mvcc.decode_key_value(record.value).value
            for record in self.reader(manifest).state()
            if not record.tombstone
        }


def normalised(cluster: Cluster) -> list[Element]:
    """What the cluster's bucket holds once the compaction that is at work has finished."""
    finished = cluster.copy()
    if finished.compact_revision >= 0:
        keeps = any(
            len(key) == mvcc.TOMBSTONE_KEY_SIZE and int.from_bytes(key[:8], "big") == finished.compact_revision
            for key, _ in finished.elements()
        )
        finished.compact(finished.compact_revision, keeps_tombstones=keeps)
    return list(finished.elements())


def small_history(seed: int = 5) -> Cluster:
    """Some dozen revisions with everything in them: subs, tombstones, leases, binary and empty keys' values."""
    source, cluster = random.Random(seed), Cluster()
    cluster.put(b"/registry/secrets/default/one", CANARY)
    cluster.leases[0x1234] = 60
    cluster.put(b"/leased", b"x", 0x1234)
    cluster.write([(b"a", b"1"), (b"a/b", b""), (b"\0\xff", bytes(range(256))), (b"gone", b"y")])
    for number in range(12):
        cluster.put(b"a", source.randbytes(40) + CANARY)
        if number % 4 == 3:
            cluster.delete(b"gone")
            cluster.put(b"gone", b"again")
    cluster.delete(b"gone")
    cluster.compact(8)
    return cluster
