"""The newest record of one key in a database, or all of them, without reading those of other keys: a search for its bytes.

Every release writes a record's value with the key first, so the bytes of a record of key K are

    8 bytes main, '_', 8 bytes sub, 't' on tombstones   |   0a  length of K (varint)  K  ...

and a search for the right-hand part finds every record of K, along with look-alikes in other values and on pages that are
free. Each hit is therefore looked up in the tree by its revision, newest first, before it is believed. A store of 1 GiB
takes a quarter of a second; walking its tree takes several times as long.
"""

from __future__ import annotations

from collections.abc import Iterator

from backstay.formats import hashkv, mvcc, protowire
from backstay.formats.bbolt import Bucket, Buffer
from backstay.formats.mvcc import Record, RevisionKey
from backstay.values import Revision

CHUNK_BYTES = 128 << 10
"""Small enough to stay in the processor's cache between copying and searching."""

HIT_LIMIT = 1_000_000
CANDIDATE_LIMIT = 10_000
"""Beyond these the bytes of the key are no clue, and the caller must walk the tree."""


class TooManyHits(Exception):
    """The key's bytes stand in so many places that searching for them costs more than reading everything."""


def newest_record(buffer: Buffer, bucket: Bucket, key: bytes, at: Revision) -> Record | None:
    """The newest record of `key` at or below revision `at`, a tombstone included; None when there is none.

    Raises `TooManyHits`, and `FormatError` for damage on the way to the record.
    """
    candidates = [revision for revision in _candidates(buffer, key) if 0 < revision.main <= at]
    for revision in sorted(candidates, reverse=True):
        value = bucket.get(mvcc.encode_revision(revision))
        if value is not None and hashkv.user_key(value, 0, len(value)) == key:
            return Record(revision, mvcc.decode_key_value(value))
    return None


def all_records(buffer: Buffer, bucket: Bucket, key: bytes) -> Iterator[Record]:
    """Every record of `key`, oldest first, tombstones included. Raises as `newest_record` does, before the first one."""
    for revision in sorted(each for each in _candidates(buffer, key) if each.main > 0):
        value = bucket.get(mvcc.encode_revision(revision))
        if value is not None and hashkv.user_key(value, 0, len(value)) == key:
            yield Record(revision, mvcc.decode_key_value(value))


def _candidates(buffer: Buffer, key: bytes) -> set[RevisionKey]:
    """The revisions that stand in front of `key`'s bytes anywhere in the file."""
    needle = protowire.bytes_field(1, key)
    found: set[RevisionKey] = set()
    hits = 0
    overlap = mvcc.TOMBSTONE_KEY_SIZE + len(needle)
    for start in range(0, len(buffer), CHUNK_BYTES):
        # A copy, because searching bytes is several times faster than searching a mapped file.
        first = max(0, start - overlap)
        chunk = buffer[first : start + CHUNK_BYTES]
        position = chunk.find(needle, max(0, start - first - len(needle) + 1))
        while position >= 0:
            hits += 1
            for size in (mvcc.KEY_SIZE, mvcc.TOMBSTONE_KEY_SIZE):
                if position >= size and chunk[position - size + 8] == mvcc.SEPARATOR:
                    _add(found, chunk[position - size : position])
            if hits > HIT_LIMIT or len(found) > CANDIDATE_LIMIT:
                raise TooManyHits
            position = chunk.find(needle, position + 1)
    return found


def _add(found: set[RevisionKey], encoded: bytes) -> None:
    main, _, sub = mvcc.REVISION_STRUCT.unpack_from(encoded)
    is_tombstone = len(encoded) == mvcc.TOMBSTONE_KEY_SIZE
    is_possible = main <= mvcc.MAX_REVISION and sub <= mvcc.MAX_REVISION
    if is_possible and (not is_tombstone or encoded[mvcc.KEY_SIZE] == mvcc.TOMBSTONE_MARK):
        found.add(RevisionKey(main, sub, is_tombstone))
