"""The canonical file of a set of elements: built in one pass, hashed as it is built, and written only where wanted.

The same elements give the same bytes on every machine, so a backup can promise the file that every restore of it must
give. The two meta pages are known last, hence the order of `pages_sha256`: pages from 2 on, then pages 0 and 1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from backstay.errors import FormatError
from backstay.formats import schema
from backstay.formats.bbolt import build
from backstay.formats.crc32c import extend
from backstay.snapshot.opened import OpenedStore
from backstay.values import Revision

Element = tuple[bytes, bytes]
BucketElement = tuple[bytes, bytes, bytes]
"""Bucket, key, value. An empty key says that there is the bucket."""

_CHECKSUM_BYTES = 64 << 10
_DIGEST_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class CanonicalFile:
    """What was built. `hash` is etcd's HASH of it; `meta_pages` belong at offset 0."""

    pages_sha256: str
    size: int
    page_size: int
    hash: int
    meta_pages: bytes


def build_canonical(
    entries: Iterable[BucketElement],
    records: Iterable[Element],
    *,
    page_size: int,
    sink: Callable[[list[bytes]], None] | None = None,
) -> CanonicalFile:
    """Build the file of `records` (bucket `key`, in order) and `entries` (all others, in order).

    `sink` gets everything from page 2 on. Raises `FormatError` for elements out of order or of sizes bbolt cannot hold.
    """
    checksum = _Checksum()
    with _PagesDigest() as digest:

        def take(pages: list[bytes]) -> None:
            digest.add(pages)
            if sink is not None:
                sink(pages)

        built = build(_buckets(entries, records, checksum), take, page_size=page_size)
        pages_sha256 = digest.finish(built.meta_pages)
    return CanonicalFile(pages_sha256, built.size, page_size, checksum.result(), built.meta_pages)


class _PagesDigest:
    """SHA-256 of pages, on a thread of its own: hashing needs no interpreter and takes as long as building.

    The batches are large because before each the thread waits for the interpreter, which the builder holds for milliseconds.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="backstay-sha256")
        self._batch: list[bytes] = []
        self._size = 0
        self._hashing: Future[None] | None = None

    def __enter__(self) -> _PagesDigest:
        return self

    def __exit__(self, kind: object, problem: object, trace: object) -> None:
        self._thread.shutdown()

    def add(self, pages: list[bytes]) -> None:
        self._batch += pages
        self._size += sum(map(len, pages))
        if self._size >= _DIGEST_BYTES:
            self._hash()

    def finish(self, last: bytes) -> str:
        """The digest of all pages and `last`, as hex digits."""
        self._batch.append(last)
        self._hash()
        if self._hashing is not None:
            self._hashing.result()
        return self._digest.hexdigest()

    def _hash(self) -> None:
        data = b"".join(self._batch)
        self._batch, self._size = [], 0
        if self._hashing is not None:
            self._hashing.result()  # at most one batch waits, so that memory stays bounded
        self._hashing = self._thread.submit(self._digest.update, data)


class _Checksum:
    """etcd's HASH: CRC-32C of bucket names, keys and values in their order."""

    def __init__(self) -> None:
        self._checksum = 0
        self._parts: list[bytes] = []
        self._size = 0

    def watch(self, name: bytes, elements: Iterable[Element]) -> Iterator[Element]:
        self._add(name)
        parts = self._parts
        for element in elements:
            parts += element
            self._size += len(element[1]) + 20
            if self._size >= _CHECKSUM_BYTES:
                self._flush()
            yield element

    def result(self) -> int:
        self._flush()
        return self._checksum

    def _add(self, data: bytes) -> None:
        self._parts.append(data)

    def _flush(self) -> None:
        self._checksum = extend(self._checksum, b"".join(self._parts))
        self._parts.clear()
        self._size = 0


def _buckets(
    entries: Iterable[BucketElement], records: Iterable[Element], checksum: _Checksum
) -> Iterator[tuple[bytes, Iterable[Element]]]:
    is_missing = True
    for name, group in groupby(entries, key=itemgetter(0)):
        if name == schema.KEY:
            raise FormatError("bucket `key` stands among the other buckets", offset=0)
        if is_missing and name > schema.KEY:
            is_missing = False
            yield schema.KEY, checksum.watch(schema.KEY, records)
        yield name, checksum.watch(name, ((key, value) for _, key, value in group if key))
    if is_missing:
        yield schema.KEY, checksum.watch(schema.KEY, records)


class StoreContents:
    """An opened store as what a backup is made from: all its elements, twice if need be."""

    def __init__(self, store: OpenedStore) -> None:
        self._store = store

    @property
    def revision(self) -> Revision:
        return self._store.revision

    @property
    def compact_revision(self) -> Revision:
        return self._store.compact_revision

    def elements(self, start: int = 0) -> Iterator[Element]:
        """Bucket `key` from revision `start` on."""
        pages = self._store.pages(Revision(start))
        if start:
            first = start.to_bytes(8, "big")
            for data, spans in pages:
                for _, key, value, end in spans:
                    if data[key : key + 8] >= first:
                        yield data[key:value], data[value:end]
            return
        for data, spans in pages:
            for _, key, value, end in spans:
                yield data[key:value], data[value:end]

    def entries(self) -> Iterator[BucketElement]:
        """All other buckets, each begun by an element without key."""
        for name in self._store.bucket_names():
            if name != schema.KEY:
                yield name, b"", b""
                for key, value in self._store.bucket_items(name):
                    yield name, key, value
