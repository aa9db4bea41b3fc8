"""A record as the repository keeps it, and the digests that say which records there are (docs/formats/repository.md, 6).

The value stands as etcd wrote it, never decoded and encoded again: what comes out is what went in, byte for byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from backstay.formats import hashkv, mvcc

Element = tuple[bytes, bytes]
"""Key and value of one element of a bucket."""

_MODULUS = 1 << 256


class StoredRecord(NamedTuple):
    """One version of one key, or its deletion. Tuples compare in the order of runs: key, main, sub."""

    key: bytes
    main: int
    sub: int
    tombstone: bool
    value: bytes
    """The value of its element in bucket `key`: a KeyValue as etcd encoded it."""

    @property
    def element(self) -> Element:
        """The element of bucket `key` that it came from."""
        revision = mvcc.REVISION_STRUCT.pack(self.main, mvcc.SEPARATOR, self.sub)
        return (revision + b"t" if self.tombstone else revision), self.value


class Entry(NamedTuple):
    """One element of a bucket beside `key`. An empty key stands for the bucket itself, which may be empty."""

    bucket: bytes
    key: bytes
    value: bytes


def record_of(key: bytes, value: bytes) -> StoredRecord:
    """The record in one element of bucket `key`. Raises `FormatError`."""
    revision = mvcc.decode_revision(key)
    return StoredRecord(hashkv.user_key(value, 0, len(value)), revision.main, revision.sub, revision.tombstone, value)


def record_digest(record: StoredRecord) -> bytes:
    """SHA-256 of its element, key and value."""
    return hashlib.sha256(b"".join(record.element)).digest()


class DigestSum:
    """The digest of a set of records, in whatever order they come."""

    def __init__(self) -> None:
        self._sum = 0

    def add(self, digest: bytes) -> None:
        """One more record."""
        self._sum += int.from_bytes(digest, "big")

    @property
    def text(self) -> str:
        """64 hex digits."""
        return f"{self._sum % _MODULUS:064x}"


def digest_of(records: Iterable[StoredRecord]) -> str:
    """The digest of all of `records`."""
    total = DigestSum()
    for record in records:
        total.add(record_digest(record))
    return total.text
