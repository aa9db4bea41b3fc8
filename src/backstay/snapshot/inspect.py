"""One pass over a store on disk that learns everything the other commands want to know about it.

`status` prints some of it, `verify` judges it, `save` asks it before a file may be kept. While the leaves pass by, the
structure is checked, the records are surveyed, etcd's HASH is fed and the small buckets are decoded; SHA-256 runs on its
own thread beside. HashKV needs to know the newest record of each key first, so it is a second pass, on demand.

Nothing here judges: an inspection of a damaged file succeeds and lists what is wrong.
"""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from backstay.errors import FormatError
from backstay.findings import Finding, Severity
from backstay.formats import hashkv, mvcc, schema
from backstay.formats.bbolt import Database, Elements, StructureCheck, layout
from backstay.formats.crc32c import extend
from backstay.formats.hashkv import HashKV, HashRule, RecordPage
from backstay.formats.survey import KeyspaceSurvey, KeyspaceTotals
from backstay.snapshot.contents import Contents
from backstay.snapshot.hash import BackgroundDigest
from backstay.snapshot.opened import OpenedStore
from backstay.telemetry import Progress, SilentProgress
from backstay.values import NO_COMPACTION, Revision

_ADVANCE_BYTES = 1 << 20
_RELEASE_BYTES = 64 << 20
_BATCH_PAGES = 32
"""How many pages of records the survey is given at a time."""


class Trailer(Enum):
    """What is known about the SHA-256 at the end of a snapshot file."""

    RIGHT = "right"
    WRONG = "wrong"
    MISSING = "missing"
    NOT_COMPARED = "not compared"
    NOT_DUE = "not due"
    """A data directory's database never has one."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """All that one pass learned. Sizes are bytes, `revision` is the main revision of the last record (0: none)."""

    file_size: int
    content_size: int
    data_size: int
    page_size: int
    page_count: int
    reachable_pages: int
    hash: int
    element_count: int
    buckets: dict[bytes, int]
    root_strays: tuple[bytes, ...]
    nested_buckets: tuple[bytes, ...]
    records: KeyspaceTotals
    contents: Contents
    attached_leases: frozenset[int]
    trailer: Trailer
    hash_kv: HashKV | None
    structure_findings: tuple[Finding, ...]
    record_findings: tuple[Finding, ...]

    @property
    def compact_revision(self) -> Revision:
        """The higher of the two compaction markers."""
        return hashkv.compact_revision_of(self.contents.scheduled_compact, self.contents.finished_compact)

    @property
    def current_revision(self) -> Revision:
        """The revision a server that starts on this store is at."""
        return Revision(max(self.records.last_revision, self.compact_revision, 1))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything that was found while reading, structure first."""
        return (*self.structure_findings, *self.record_findings, *self.contents.findings)


def inspect(
    store: OpenedStore,
    *,
    with_trailer: bool = True,
    with_hash_kv: HashRule | None = None,
    progress: Progress | None = None,
) -> Inspection:
    """Inspect an opened store; HashKV at its newest revision by the rule given, where the records are sound.

    Of a data directory, structure and HASH are those of its database; records and entries include the log's tail.
    """
    progress = progress or SilentProgress()
    database = store.database
    progress.begin("checking", database.data_size)
    walk = _Walk(database, progress, store.tail.compact_revision if store.tail is not None else None)
    with contextlib.ExitStack() as stack:
        digest = None
        if with_trailer and store.trailer is not None and not store.path.is_dir():
            digest = stack.enter_context(BackgroundDigest(database.buffer, store.content_size))
        walk.run()
        if store.tail is not None:
            walk.add_tail(store)
        trailer = Trailer.MISSING if store.trailer is None else Trailer.NOT_COMPARED
        if store.path.is_dir():
            trailer = Trailer.NOT_DUE
        if digest is not None:
            trailer = Trailer.RIGHT if digest.result() == store.trailer else Trailer.WRONG
    return walk.inspection(store.file_size, store.content_size, trailer, with_hash_kv)


def inspect_database(database: Database, *, with_hash_kv: HashRule | None = None) -> Inspection:
    """Inspect what is not a file: bytes in memory, without a trailer to compare."""
    size = len(database.buffer)
    walk = _Walk(database, SilentProgress())
    walk.run()
    return walk.inspection(size, size, Trailer.NOT_COMPARED, with_hash_kv)


class _Walk:
    """The pass itself, and what it gathers."""

    def __init__(self, database: Database, progress: Progress, compact_revision: Revision | None = None) -> None:
        self._database = database
        self._progress = progress
        self._check = StructureCheck(database)
        self._compact = _compact_revision(database) if compact_revision is None else compact_revision
        self._tail: list[RecordPage] = []
        self._survey = KeyspaceSurvey(self._compact)
        self._contents = Contents()
        self._hash = 0
        self._buckets: dict[bytes, int] = {}
        self._nested: list[bytes] = []

    def run(self) -> None:
        """Walk the whole file."""
        # Local names throughout: this loop runs once per page, and a page is often one record.
        take = self._contents.take
        batch: list[RecordPage] = []
        checksum = element_count = unreported = walked = 0
        name = b""
        is_records = False
        for path, elements in self._check.walk():
            if elements is None:
                if len(path) > 1:
                    self._nested.append(b"/".join(path))
                    continue
                self._count(name, element_count)
                element_count = 0
                name = path[0]
                is_records = name == schema.KEY
                checksum = extend(checksum, name)
                continue
            if len(path) > 1:
                continue
            data, spans, has_buckets = elements
            element_count += len(spans)
            checksum = _extend_without_headers(checksum, elements) if has_buckets else extend(checksum, data)
            if is_records:
                batch.append(RecordPage(data, spans))
                if len(batch) == _BATCH_PAGES:
                    self._survey.feed_pages(batch)
                    batch = []
            else:
                for _, key, value, end in spans:
                    take(name, data[key:value], data[value:end])
            unreported += len(data)
            if unreported >= _ADVANCE_BYTES:
                self._progress.advance(unreported)
                walked += unreported
                unreported = 0
                if walked >= _RELEASE_BYTES:
                    _release(self._database)
                    walked = 0
        self._survey.feed_pages(batch)
        self._count(name, element_count)
        self._hash = checksum
        self._progress.advance(unreported)

    def add_tail(self, store: OpenedStore) -> None:
        """What the log has beyond the database: its records, and the other buckets as they are after it."""
        for record in store.tail_records():
            key, value = mvcc.encode_record(record)
            self._tail.append(RecordPage(key + value, [(0, 0, len(key), len(key) + len(value))]))
        self._survey.feed_pages(self._tail)
        before, self._contents = self._contents, Contents()
        for name in store.bucket_names():
            if name != schema.KEY:
                for key, value in store.bucket_items(name):
                    self._contents.take(name, key, value)
        known = set(self._contents.findings)
        self._contents.findings += [each for each in before.findings if each not in known]

    def _count(self, name: bytes, element_count: int) -> None:
        if name:
            self._buckets[name] = self._buckets.get(name, 0) + element_count

    def inspection(self, file_size: int, content_size: int, trailer: Trailer, rule: HashRule | None) -> Inspection:
        """Everything gathered, after `run`."""
        database, check = self._database, self._check
        self._survey.finish()
        sound = not any(each.severity is Severity.ERROR for each in (*check.findings, *self._survey.findings))
        return Inspection(
            file_size=file_size,
            content_size=content_size,
            data_size=database.data_size,
            page_size=database.page_size,
            page_count=database.meta.high_water,
            reachable_pages=check.reachable_pages,
            hash=self._hash,
            element_count=sum(self._buckets.values()),
            buckets=self._buckets,
            root_strays=tuple(check.top_level_strays),
            nested_buckets=tuple(self._nested),
            records=self._survey.totals,
            contents=self._contents,
            attached_leases=frozenset(self._survey.live_leases()),
            trailer=trailer,
            hash_kv=self._hash_kv(rule) if rule is not None and sound else None,
            structure_findings=tuple(check.findings),
            record_findings=tuple(self._survey.findings),
        )

    def _hash_kv(self, rule: HashRule) -> HashKV:
        current = Revision(max(self._survey.totals.last_revision, self._compact, 1))
        self._progress.begin("hashing", self._database.data_size)
        feed = hashkv.HashFeed(current, self._compact, self._survey.kept, rule)
        walked = 0
        for elements in _leaves(self._database):
            feed.feed(elements.data, elements.spans)
            walked += len(elements.data)
            if walked >= _ADVANCE_BYTES:
                self._progress.advance(walked)
                walked = 0
        for page in self._tail:
            feed.feed(*page)
        self._progress.advance(walked)
        return feed.result()


def _leaves(database: Database) -> Iterator[Elements]:
    bucket = database.bucket(schema.KEY)
    if bucket is not None:
        for leaf in bucket.leaves():
            yield leaf.load()


def _compact_revision(database: Database) -> Revision:
    """The compact revision, which the survey must know before the walk comes to bucket `meta`; damage counts as none."""
    revision = NO_COMPACTION
    for name in (schema.SCHEDULED_COMPACT, schema.FINISHED_COMPACT):
        # Whatever is wrong here is reported by the walk, which sees the same pages.
        with contextlib.suppress(FormatError):
            bucket = database.bucket(schema.META)
            marker = bucket.get(name) if bucket is not None else None
            if marker is not None:
                revision = max(revision, Revision(mvcc.decode_revision(marker).main))
    return revision


def _extend_without_headers(checksum: int, elements: Elements) -> int:
    """etcd's HASH sees a nested bucket as a key without a value; etcd itself never nests buckets."""
    data = elements.data
    for flags, key, value, end in elements.spans:
        checksum = extend(checksum, data[key : value if flags & layout.ELEMENT_IS_BUCKET else end])
    return checksum


def _release(database: Database) -> None:
    """Hand mapped pages back, so that the resident memory does not grow to the size of the file."""
    if isinstance(database.buffer, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        database.buffer.madvise(mmap.MADV_DONTNEED)
