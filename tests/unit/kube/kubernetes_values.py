"""Stored values made by hand, for tests of what reads them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from backstay.formats import bbolt, mvcc, protowire, schema
from backstay.formats.mvcc import KeyValue, Record, RevisionKey


def envelope(api_version: str, kind: str, message: bytes) -> bytes:
    """A protobuf value as an API server stores it."""
    meta = protowire.bytes_field(1, api_version.encode()) + protowire.bytes_field(2, kind.encode())
    body = protowire.bytes_field(1, meta) + protowire.bytes_field(2, message)
    return b"k8s\x00" + body + protowire.bytes_field(3, b"") + protowire.bytes_field(4, b"")


def metadata(name: str, namespace: str = "") -> bytes:
    """Field 1 of an object: its metadata."""
    inner = protowire.bytes_field(1, name.encode()) + protowire.bytes_field(3, namespace.encode())
    return protowire.bytes_field(1, inner)


def pod(name: str = "web", namespace: str = "default", spec: bytes = b"") -> bytes:
    """A stored Pod."""
    return envelope("v1", "Pod", metadata(name, namespace) + protowire.bytes_field(2, spec))


def write_store(path: Path, writes: Iterable[tuple[bytes, bytes | None]]) -> Path:
    """A database at `path` in which `writes` follow each other, from revision 2 on; None deletes the key."""
    records, lives = [], dict[bytes, tuple[int, int]]()
    for revision, (key, value) in enumerate(writes, 2):
        if value is None:
            del lives[key]
            records.append(Record(RevisionKey(revision, 0, True), KeyValue(key)))
            continue
        create, version = lives.get(key, (revision, 0))
        lives[key] = create, version + 1
        records.append(Record(RevisionKey(revision, 0), KeyValue(key, create, revision, version + 1, value)))
    pages: list[bytes] = []
    built = bbolt.build([(schema.KEY, [mvcc.encode_record(record) for record in records])], pages.extend)
    path.write_bytes(built.meta_pages + b"".join(pages))
    return path
