"""Small databases and what is in them, for the tests of the formats."""

from __future__ import annotations

from collections.abc import Iterable

from backstay.formats import hashkv, mvcc, schema
from backstay.formats.bbolt import Database, build, layout
from backstay.formats.survey import compact_revision_from
from backstay.values import Revision

SMALL_RECORDS = (
    mvcc.Record(mvcc.RevisionKey(2, 0), mvcc.KeyValue(b"a", 2, 2, 1, b"1")),
    mvcc.Record(mvcc.RevisionKey(3, 0), mvcc.KeyValue(b"b", 3, 3, 1, b"2")),
    mvcc.Record(mvcc.RevisionKey(4, 0), mvcc.KeyValue(b"a", 2, 4, 2, b"3")),
    mvcc.Record(mvcc.RevisionKey(5, 0, tombstone=True), mvcc.KeyValue(b"b")),
)
"""The history of etcd-files sections 1.7 and 9."""

Items = Iterable[tuple[bytes, bytes]]


def build_bytes(buckets: Iterable[tuple[bytes, Items]], *, page_size: int = layout.DEFAULT_PAGE_SIZE) -> bytes:
    """The whole file that the builder makes of `buckets`."""
    pieces: list[bytes] = []
    built = build(buckets, pieces.extend, page_size=page_size)
    data = built.meta_pages + b"".join(pieces)
    assert len(data) == built.size
    return data


def build_records(records: Iterable[mvcc.Record], **settings: int) -> bytes:
    """A file whose bucket `key` holds `records`."""
    return build_bytes([(schema.KEY, [mvcc.encode_record(record) for record in records])], **settings)


def all_items(database: Database) -> dict[bytes, list[tuple[bytes, bytes]]]:
    """Everything in a database, by bucket."""
    found = {}
    for name in database.buckets():
        bucket = database.bucket(name)
        assert bucket is not None
        found[name] = list(bucket.items())
    return found


def compact_revision(database: Database) -> Revision:
    """What the two markers say."""
    meta = database.bucket(schema.META)
    if meta is None:
        return compact_revision_from([])
    markers = (meta.get(schema.SCHEDULED_COMPACT), meta.get(schema.FINISHED_COMPACT))
    return compact_revision_from(marker for marker in markers if marker is not None)


def record_pages(database: Database) -> hashkv.Pages:
    """The records of a database, as HashKV wants them."""

    def pages() -> Iterable[hashkv.RecordPage]:
        bucket = database.bucket(schema.KEY)
        assert bucket is not None
        for leaf in bucket.leaves():
            elements = leaf.load()
            yield hashkv.RecordPage(elements.data, elements.spans)

    return pages
