"""A snapshot of five pages that holds something of everything, and a map that says what each of its bytes is.

For the tests that change every byte. The map is made by a reading of its own, simpler and stricter than the product's.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator

from backstay.formats import membership, mvcc, protowire, schema
from backstay.formats.bbolt import build, layout
from backstay.formats.membership import ConfState, Member
from backstay.formats.schema import Lease, Permission, PermissionType, Role, User
from backstay.values import LeaseId, MemberId

PAGE = layout.DEFAULT_PAGE_SIZE
COMPACTED = 12
LEASE = LeaseId(0x32697A4B6F5C1D02)
MEMBER = Member(MemberId(0x8E9E05C52164694D), ("http://localhost:2380",), "default", ("http://localhost:2379",))


def content() -> bytes:
    """The snapshot without its trailer: four pages that the builder wrote, and a free one."""
    pieces: list[bytes] = []
    built = build(_buckets(), pieces.extend)
    pages = bytearray(built.meta_pages + b"".join(pieces))
    pages += b"\xa5" * PAGE
    for number in (0, 1):
        meta = layout.decode_meta(bytes(pages), number * PAGE)
        assert isinstance(meta, layout.Meta)
        grown = layout.Meta(PAGE, meta.root, 0, meta.freelist, meta.high_water + 1, meta.transaction)
        pages[number * PAGE : (number + 1) * PAGE] = layout.encode_meta_page(number, grown)
    return bytes(pages)


def with_trailer(data: bytes) -> bytes:
    """A snapshot file."""
    return data + hashlib.sha256(data).digest()


def _buckets() -> list[tuple[bytes, list[tuple[bytes, bytes]]]]:
    return [
        (schema.ALARM, []),
        (schema.AUTH, [(schema.AUTH_ENABLED, b"\0"), (schema.AUTH_REVISION, schema.encode_u64(3))]),
        (schema.AUTH_ROLES, [schema.encode_role(Role("reader", (Permission(PermissionType.READ, b"/a", b"/b"),)))]),
        (schema.AUTH_USERS, [schema.encode_user(User("alice", b"$2a$10$abcdefgh", ("reader",)))]),
        (schema.CLUSTER, [(schema.CLUSTER_VERSION, b"3.6.0")]),
        (schema.KEY, [mvcc.encode_record(record) for record in _records()]),
        (schema.LEASE, [schema.encode_lease(Lease(LEASE, 3600))]),
        (schema.MEMBERS, [membership.encode_member(MEMBER)]),
        (schema.MEMBERS_REMOVED, [(b"1f", schema.REMOVED)]),
        (
            schema.META,
            [
                (schema.CONF_STATE, membership.encode_conf_state(ConfState((MEMBER.id,)))),
                (schema.CONSISTENT_INDEX, schema.encode_u64(61)),
                (schema.FINISHED_COMPACT, mvcc.encode_revision(mvcc.RevisionKey(COMPACTED, 0))),
                (schema.SCHEDULED_COMPACT, mvcc.encode_revision(mvcc.RevisionKey(COMPACTED, 0))),
                (schema.STORAGE_VERSION, b"3.6.0"),
                (schema.TERM, schema.encode_u64(2)),
            ],
        ),
    ]


def _records() -> Iterator[mvcc.Record]:
    """Two keys that survived a compaction, then puts, overwrites, a lease, a deletion and a new life."""
    yield _put(4, b"/old/kept", 2, 3, b"from before the compaction")
    yield _put(9, b"/old/overwritten", 9, 1, b"first")
    yield mvcc.Record(mvcc.RevisionKey(COMPACTED, 0, tombstone=True), mvcc.KeyValue(b"/old/deleted"))
    yield _put(13, b"/old/overwritten", 9, 2, b"second")
    yield mvcc.Record(mvcc.RevisionKey(14, 0), mvcc.KeyValue(b"/leased", 14, 14, 1, b"while it lasts", LEASE))
    for main in range(15, 35):
        yield _put(main, f"/pods/default/web-{main}".encode(), main, 1, f"pod {main} ".encode() * 6)
    yield _put(35, b"/pods/default/web-15", 15, 2, b"changed")
    yield mvcc.Record(mvcc.RevisionKey(36, 0, tombstone=True), mvcc.KeyValue(b"/pods/default/web-16"))
    yield mvcc.Record(mvcc.RevisionKey(36, 1, tombstone=True), mvcc.KeyValue(b"/pods/default/web-17"))
    yield _put(37, b"/pods/default/web-16", 37, 1, b"")
    yield _put(38, b"/pods/default/web-16", 37, 2, b"again")


def _put(main: int, key: bytes, created: int, version: int, value: bytes) -> mvcc.Record:
    return mvcc.Record(mvcc.RevisionKey(main, 0), mvcc.KeyValue(key, created, main, version, value))


def map_of(data: bytes) -> list[str]:
    """What each byte is, in words."""
    kinds = ["free page"] * len(data)
    for number in (0, 1):
        _mark(kinds, number * PAGE, (number + 1) * PAGE, "unused rest of a meta page")
        _mark(kinds, number * PAGE, number * PAGE + layout.META_END, "meta page")
    root = layout.decode_meta(data, 0)
    assert isinstance(root, layout.Meta)
    _map_page(data, kinds, root.root, "root bucket")
    return kinds


def _mark(kinds: list[str], start: int, end: int, kind: str) -> None:
    kinds[start:end] = [kind] * (end - start)


def _map_page(data: bytes, kinds: list[str], number: int, bucket: str) -> None:
    start = number * PAGE
    _mark(kinds, start, start + PAGE, "unused rest of a page")
    _map_elements(data, kinds, start, bucket)


def _map_elements(data: bytes, kinds: list[str], start: int, bucket: str) -> None:
    _, flags, count, _ = layout.PAGE_HEADER.unpack_from(data, start)
    assert flags in (layout.FLAG_LEAF, layout.FLAG_BRANCH)
    _mark(kinds, start, start + layout.HEADER_SIZE + count * layout.ELEMENT_SIZE, "page header and element table")
    for index in range(count):
        at = start + layout.HEADER_SIZE + index * layout.ELEMENT_SIZE
        if flags == layout.FLAG_BRANCH:
            position, size, child = layout.BRANCH_ELEMENT.unpack_from(data, at)
            _mark(kinds, at + position, at + position + size, "key of a branch page")
            _map_page(data, kinds, child, bucket)
            continue
        _, position, key_size, value_size = layout.LEAF_ELEMENT.unpack_from(data, at)
        key, value = at + position, at + position + key_size
        end = value + value_size
        if bucket == "root bucket":
            _mark(kinds, key, value, "bucket name")
            _map_bucket(data, kinds, value, data[key:value].decode())
        elif bucket == "key":
            _mark(kinds, key, value, "revision key")
            _map_record(data, kinds, value, end)
        else:
            name = data[key:value].decode("ascii", "replace")
            _mark(kinds, key, value, f"{bucket}: a key")
            _mark(
                kinds,
                value,
                end,
                f"{bucket}: {name}" if bucket in ("auth", "cluster", "meta") else f"{bucket}: a value",
            )


def _map_bucket(data: bytes, kinds: list[str], header: int, name: str) -> None:
    _mark(kinds, header, header + 8, "bucket root")
    _mark(kinds, header + 8, header + 16, "bucket sequence")
    (root,) = struct.unpack_from("<Q", data, header)
    if root:
        _map_page(data, kinds, root, name)
    else:
        _map_elements(data, kinds, header + layout.BUCKET_HEADER_SIZE, name)


def _map_record(data: bytes, kinds: list[str], start: int, end: int) -> None:
    names = {1: "user key", 2: "create revision", 3: "mod revision", 4: "version", 5: "value", 6: "lease of a record"}
    _mark(kinds, start, end, "field tags and lengths of a record")
    while start < end:
        number, kind = data[start] >> 3, data[start] & 7
        size, following = protowire.read_varint(data, start + 1, end)
        if kind == protowire.BYTES:
            _mark(kinds, following, following + size, names[number])
            following += size
        else:
            _mark(kinds, start + 1, following, names[number])
        start = following
