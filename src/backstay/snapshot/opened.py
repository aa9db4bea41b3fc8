"""A store on disk, open for reading: a snapshot file, a bare `db`, or (see `open_directory`) a whole data directory.

Everybody who reads etcd's files from disk comes through here: inspection, restore, the sources of `keys` and `get`. The
file is mapped read-only, so memory stays at what is looked at; nothing here decides whether the content is sound, and
opening succeeds on anything that has one valid meta page. Reading then raises `FormatError` at the first damage.
"""

from __future__ import annotations

import errno
import fcntl
import functools
import mmap
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from backstay import errors
from backstay.errors import FormatError
from backstay.findings import Finding
from backstay.formats import mvcc, schema
from backstay.formats.bbolt import Bucket, Database, open_database
from backstay.formats.hashkv import RecordPage
from backstay.formats.mvcc import Record
from backstay.values import NO_COMPACTION, Revision, size_text

TRAILER_SIZE = 32
"""Bytes of the SHA-256 that `snapshot save` appends."""

_SECTOR = 512
_FROM_THE_START = Revision(0)
_RELEASE_AFTER_BYTES = 64 << 20
"""After how many bytes of leaves a walk hands the mapped pages back; they stay in the kernel's cache."""


class MappedFile:
    """A file mapped for reading, under a shared lock while it is open where the caller asks for one."""

    def __init__(self, path: Path, *, refuse_in_use: bool) -> None:
        self.path = path
        self._descriptor = _open_for_reading(path)
        try:
            if refuse_in_use:
                refuse_locked(self._descriptor, path)
            self.size = os.fstat(self._descriptor).st_size
            if self.size == 0:
                raise errors.FORMAT_INVALID.error(f"`{path}` is empty", where=str(path))
            self.buffer = mmap.mmap(self._descriptor, 0, access=mmap.ACCESS_READ)
        except BaseException:
            os.close(self._descriptor)
            raise

    def release(self) -> None:
        """Hand the mapped pages back to the kernel; they are read again when they are needed."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self.buffer.madvise(mmap.MADV_DONTNEED)

    def close(self) -> None:
        """Unmap the file and give up its lock."""
        self.buffer.close()
        os.close(self._descriptor)


class OpenedStore:
    """A store on disk. Use as a context manager; everything it gave out is copied and outlives it."""

    def __init__(self, path: Path, file: MappedFile, database: Database) -> None:
        self.path = path
        self.database = database
        self.findings: list[Finding] = []
        """What opening noticed; the content is checked elsewhere."""
        self._file = file

    def __enter__(self) -> OpenedStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. The store is of no use afterwards."""
        self._file.close()

    @property
    def file_size(self) -> int:
        """Bytes of the database file, trailer included."""
        return self._file.size

    @functools.cached_property
    def trailer(self) -> bytes | None:
        """The last 32 bytes where the file's size says that they are a SHA-256 (etcd-files section 3.2), else None."""
        if self._file.size % _SECTOR != TRAILER_SIZE:
            return None
        return self._file.buffer[self._file.size - TRAILER_SIZE :]

    @property
    def content_size(self) -> int:
        """Bytes of the file before the trailer: what the SHA-256 is of."""
        return self._file.size - (TRAILER_SIZE if self.trailer is not None else 0)

    @property
    def revision(self) -> Revision:
        """The current revision: the newest record's, or the compact revision where that is higher."""
        last = self._records_bucket().last_key()
        newest = mvcc.decode_revision(last).main if last is not None else 0
        return Revision(max(newest, self.compact_revision, 1))

    @functools.cached_property
    def compact_revision(self) -> Revision:
        """The higher of the two compaction markers, `NO_COMPACTION` when there is none."""
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
        found = self.database.bucket(bucket)
        return found.get(key) if found is not None else None

    def bucket_names(self) -> list[bytes]:
        """Names of all top-level buckets, in order."""
        return self.database.buckets()

    def bucket_items(self, name: bytes) -> Iterator[tuple[bytes, bytes]]:
        """(key, value) of any bucket but `key`, in key order; nothing when the bucket is absent."""
        bucket = self.database.bucket(name)
        if bucket is not None:
            yield from bucket.items()

    def pages(self) -> Iterator[RecordPage]:
        """All records in order, leaf by leaf: `hashkv.Pages`."""
        walked = 0
        for leaf in self._records_bucket().leaves():
            data, spans, _ = leaf.load()
            yield RecordPage(data, spans)
            walked += len(data)
            if walked >= _RELEASE_AFTER_BYTES:
                self._file.release()
                walked = 0

    def records(self, start: Revision = _FROM_THE_START) -> Iterator[Record]:
        """The records from revision `start` on, in order."""
        walked = 0
        first = mvcc.encode_revision(mvcc.RevisionKey(start, 0))
        for leaf in self._records_bucket().leaves(start=first):
            data, spans, _ = leaf.load()
            for _, key, value, end in spans:
                found = data[key:value]
                if found >= first:
                    yield mvcc.decode_record(found, data[value:end])
            walked += len(data)
            if walked >= _RELEASE_AFTER_BYTES:
                self._file.release()
                walked = 0

    def describe(self) -> str:
        """One line for a person: what is open and how big it is."""
        kind = "snapshot" if self.trailer is not None else "database file"
        return f"{kind} {self.path} ({size_text(self.file_size)})"

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
        return OpenedStore(path, file, open_database(file.buffer))
    except FormatError as problem:
        file.close()
        raise FormatError(problem.what, offset=problem.offset, where=str(path), why=problem.why) from problem
    except BaseException:
        file.close()
        raise


def refuse_locked(descriptor: int, path: Path) -> None:
    """Take a shared lock that ends with `descriptor`. Raises `DIRECTORY_IN_USE` if somebody holds an exclusive one."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as problem:
        if problem.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
            raise errors.DIRECTORY_IN_USE.error(
                f"`{path}` is in use", where=str(path), why="a running etcd holds its lock"
            ) from problem
        # A file system without locks (some network and user-space ones): nothing there can be held either.


def _open_for_reading(path: Path) -> int:
    # Not blocking: somebody may name a pipe, and opening one would wait for its writer.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as problem:
        raise source_error(problem, path) from problem
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return descriptor
    os.close(descriptor)
    kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
    raise errors.SOURCE_UNKNOWN.error(f"`{path}` is {kind}", where=str(path))


def source_error(problem: OSError, path: Path) -> errors.BackstayError:
    """The declared error for an `OSError` met while opening or reading `path`."""
    why = problem.strerror or str(problem)
    where = str(problem.filename or path)
    if problem.errno in (errno.ENOENT, errno.ENOTDIR):
        return errors.SOURCE_NOT_FOUND.error(f"`{path}` does not exist", where=where)
    if problem.errno in (errno.EACCES, errno.EPERM):
        return errors.SOURCE_UNREADABLE.error(f"cannot read `{path}`", where=where, why=why)
    return errors.INPUT_OUTPUT.error(f"cannot read `{path}`", where=where, why=why)
