"""What is handed out of a store on disk: revisions, records, pages, buckets, with the log's tail where there is one.

Nothing here decides whether the content is sound: opening succeeds on anything that has one valid meta page, and reading
raises `FormatError` at the first damage.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

from backstay import errors
from backstay.errors import FormatError
from backstay.findings import Finding
from backstay.formats import mvcc, schema
from backstay.formats.bbolt import Bucket, Database, open_database
from backstay.formats.hashkv import RecordPage, Span
from backstay.formats.mvcc import Record
from backstay.snapshot.opened.files import MappedFile
from backstay.store.state import StoreState
from backstay.values import NO_COMPACTION, Revision, size_text

TRAILER_SIZE = 32
"""Bytes of the SHA-256 that `snapshot save` appends."""

_SECTOR = 512
_FROM_THE_START = Revision(0)
_RELEASE_AFTER_BYTES = 64 << 20
"""After how many bytes of leaves a walk hands the mapped pages back; they stay in the kernel's cache."""

_TAIL_PAGE_BYTES = 1 << 20


class OpenedStore:
    """A store on disk. Use as a context manager; what it gave out is copied and outlives it."""

    def __init__(
        self,
        path: Path,
        database: Database,
        files: Iterable[MappedFile],
        *,
        tail: StoreState | None = None,
        findings: Iterable[Finding] = (),
    ) -> None:
        self.path = path
        self.database = database
        """The database as it is on disk, without the tail; an empty one in memory where the directory has none."""
        self.tail = tail
        """What the log has beyond the database, None where it has nothing. It indexes only the keys it touched."""
        self.findings = list(findings)
        """What opening noticed; the content is checked elsewhere."""
        self._files = list(files)

    def __enter__(self) -> OpenedStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every file. The store is of no use afterwards."""
        for file in self._files:
            file.close()
        self._files.clear()

    @property
    def file_size(self) -> int:
        """Bytes of the database file, trailer included."""
        return len(self.database.buffer)

    @functools.cached_property
    def trailer(self) -> bytes | None:
        """The last 32 bytes where the file's size says that they are a SHA-256 (etcd-files section 3.2), else None."""
        size = self.file_size
        return self.database.buffer[size - TRAILER_SIZE :] if size % _SECTOR == TRAILER_SIZE else None

    @property
    def content_size(self) -> int:
        """Bytes of the file before the trailer: what the SHA-256 is of."""
        return self.file_size - (TRAILER_SIZE if self.trailer is not None else 0)

    @property
    def revision(self) -> Revision:
        """The current revision: the newest record's, or the compact revision where that is higher."""
        if self.tail is not None:
            return self.tail.revision
        last = self._records_bucket().last_key()
        newest = mvcc.decode_revision(last).main if last is not None else 0
        return Revision(max(newest, self.compact_revision, 1))

    @functools.cached_property
    def compact_revision(self) -> Revision:
        """The higher of the two compaction markers, `NO_COMPACTION` when there is none."""
        if self.tail is not None:
            return self.tail.compact_revision
        markers = [self.item(schema.META, name) for name in (schema.SCHEDULED_COMPACT, schema.FINISHED_COMPACT)]
        return Revision(
            max((mvcc.decode_revision(marker).main for marker in markers if marker is not None), default=NO_COMPACTION)
        )

    @property
    def version(self) -> str:
        """The storage version as text (`3.6.0`), "" where none is stored, as before 3.6."""
        return (self.item(schema.META, schema.STORAGE_VERSION) or b"").decode("utf-8", "replace")

    @property
    def cluster_version(self) -> str:
        """The cluster version as text (`3.5.0`), "" where none is stored."""
        return (self.item(schema.CLUSTER, schema.CLUSTER_VERSION) or b"").decode("utf-8", "replace")

    def item(self, bucket: bytes, key: bytes) -> bytes | None:
        """The value of `key` in `bucket`, None when either is absent."""
        if self.tail is not None and bucket != schema.KEY:
            return dict(self.tail.bucket_items(bucket)).get(key)
        found = self.database.bucket(bucket)
        return found.get(key) if found is not None else None

    def bucket_names(self) -> list[bytes]:
        """Names of all top-level buckets, in order."""
        names = set(self.database.buckets())
        return sorted(names | set(schema.BUCKETS) if self.tail is not None else names)

    def bucket_items(self, name: bytes) -> Iterator[tuple[bytes, bytes]]:
        """(key, value) of any bucket but `key`, in key order; nothing when the bucket is absent."""
        if self.tail is not None and name != schema.KEY:
            yield from self.tail.bucket_items(name)
            return
        bucket = self.database.bucket(name)
        if bucket is not None:
            yield from bucket.items()

    def pages(self, start: Revision = _FROM_THE_START) -> Iterator[RecordPage]:
        """All records in order, leaf by leaf, the tail's last: `hashkv.Pages`.

        With `start` the pages that hold no later record are left out; the first one may hold earlier records too.
        """
        yield from self._base_pages(mvcc.encode_revision(mvcc.RevisionKey(start, 0)) if start else b"")
        yield from self._tail_pages()

    def records(self, start: Revision = _FROM_THE_START) -> Iterator[Record]:
        """The records from revision `start` on, in order."""
        first = mvcc.encode_revision(mvcc.RevisionKey(start, 0))
        for data, spans in self._base_pages(first):
            for _, key, value, end in spans:
                found = data[key:value]
                if found >= first:
                    yield mvcc.decode_record(found, data[value:end])
        for record in self.tail_records():
            if record.revision.main >= start:
                yield record

    def tail_records(self) -> Iterator[Record]:
        """The records that are in the log only, in order."""
        if self.tail is not None:
            yield from self.tail.records()

    def describe(self) -> str:
        """One line for a person: what is open and how big it is."""
        if self.path.is_dir():
            tail = f", and {self.tail.record_count} records from its log" if self.tail is not None else ""
            return f"data directory {self.path} (database {size_text(self.file_size)}{tail})"
        kind = "snapshot" if self.trailer is not None else "database file"
        return f"{kind} {self.path} ({size_text(self.file_size)})"

    def leaf_numbers(self) -> Iterator[int]:
        """The pages of the database that hold records, in order, from the branches alone: none was looked at yet.

        None for a database so small that its records stand in no page of their own; `pages` has them. While they are
        read, the mapped pages are handed back from time to time.
        """
        per_release = _RELEASE_AFTER_BYTES // self.database.page_size
        for count, (_, number) in enumerate(self._records_bucket().leaf_pages(), 1):
            yield number
            if count % per_release == 0:
                self._release()

    def _base_pages(self, first: bytes) -> Iterator[RecordPage]:
        walked = 0
        for leaf in self._records_bucket().leaves(start=first):
            data, spans, _ = leaf.load()
            yield RecordPage(data, spans)
            walked += len(data)
            if walked >= _RELEASE_AFTER_BYTES:
                self._release()
                walked = 0

    def _release(self) -> None:
        for file in self._files:
            file.release()

    def _tail_pages(self) -> Iterator[RecordPage]:
        parts: list[bytes] = []
        spans: list[Span] = []
        size = 0
        for record in self.tail_records():
            key, value = mvcc.encode_record(record)
            value_start = size + len(key)
            spans.append((0, size, value_start, value_start + len(value)))
            parts += (key, value)
            size = value_start + len(value)
            if size >= _TAIL_PAGE_BYTES:
                yield RecordPage(b"".join(parts), spans)
                parts, spans, size = [], [], 0
        if parts:
            yield RecordPage(b"".join(parts), spans)

    def _records_bucket(self) -> Bucket:
        bucket = self.database.bucket(schema.KEY)
        if bucket is None:
            raise FormatError("there is no bucket `key`: this is not an etcd database", offset=0)
        return bucket


def open_file(path: Path, *, refuse_in_use: bool = False) -> OpenedStore:
    """Open a snapshot file or a bare `db`.

    With `refuse_in_use` the file is locked (shared) while it is open, and `DIRECTORY_IN_USE` is raised if a running
    etcd holds it. Raises `SOURCE_NOT_FOUND`, `SOURCE_UNREADABLE`, `SOURCE_UNKNOWN`, and `FORMAT_INVALID` (`FormatError`)
    for what is no bbolt database.
    """
    file = MappedFile(path, refuse_in_use=refuse_in_use)
    try:
        if not file.size:
            raise errors.FORMAT_INVALID.error(f"`{path}` is empty", where=str(path))
        return OpenedStore(path, open_database(file.buffer), [file])
    except FormatError as problem:
        file.close()
        raise FormatError(problem.what, offset=problem.offset, where=str(path), why=problem.why) from problem
    except BaseException:
        file.close()
        raise
