"""Raft snapshots: the `.snap` files beside the database, and the v2 store inside them (etcd-files 6.6, 6.7).

The file is named `TERM-INDEX.snap` (16 hex digits each) and says that the log before that entry is not needed any more;
the keys themselves are in the database. Up to 3.5 etcd takes its membership and cluster version from it, 3.6 loads it and
checks it, 3.7 writes it and never reads it. Who restores, or judges a data directory, comes here.

    snappb.Snapshot     1 checksum: CRC-32C of field 2    2 data: raftpb.Snapshot; both must be there
    raftpb.Snapshot     1 data: the v2 store, JSON        2 metadata { 1 ConfState    2 index    3 term }

    08 ccadf89601 12 893b 0a dd3a 7b 22 52 6f 6f 74 ..     checksum 12de16cc, 0x1d89 bytes of data: {"Root...

The v2 store is a tree of {"Path", "CreatedIndex", "ModifiedIndex", "ExpireTime", "Value", "Children"}; Children is null in
a leaf. We write the tree alone: etcd also dumps its watchers and statistics, which no release needs.

    /0/members/ID/raftAttributes    {"peerURLs":["http://10.0.0.1:2380"]}, and "isLearner":true for learners
    /0/members/ID/attributes        {"name":"a","clientURLs":["http://10.0.0.1:2379"]}, once the member has started
    /0/removed_members/ID           of members that left
    /0/version                      the cluster version, 3.5.0
    /1                              keys of the v2 API: must be empty
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from backstay import findings
from backstay.errors import FormatError
from backstay.findings import Finding, Severity
from backstay.formats import membership, protowire, raft
from backstay.formats.crc32c import crc32c
from backstay.formats.membership import ConfState, JsonObject, Member
from backstay.formats.protowire import BYTES, VARINT
from backstay.formats.wal.layout import SnapshotRecord
from backstay.values import MemberId, hex_id

RAFT_SNAPSHOT_DAMAGED = findings.declare(
    "raft-snapshot-damaged",
    Severity.WARNING,
    "A .snap file is damaged. etcd up to 3.6 sets it aside and uses an older one, or the log from its start; 3.7 does not "
    "read it at all.",
    "nothing to do while the log reaches back to an older whole .snap file, or to its start",
)
RAFT_SNAPSHOT_MISSING = findings.declare(
    "raft-snapshot-missing",
    Severity.WARNING,
    "The log speaks of raft snapshots, but no whole .snap file belongs to any of them. etcd up to 3.6 then starts only "
    "when the log reaches back to its first entry; 3.7 does not need the files.",
    "start 3.7, or restore the directory into a new one with `backstay snapshot restore DIR`",
)

_NAME = re.compile(r"([0-9a-f]{16})-([0-9a-f]{16})\.snap", re.ASCII)
_NEVER = "0001-01-01T00:00:00Z"
_V2_VERSION = 2


class RaftSnapshotName(NamedTuple):
    """What the name of a .snap file says."""

    term: int
    index: int  # type: ignore[assignment]  # nobody searches a name with tuple.index()

    def __str__(self) -> str:
        return f"{self.term:016x}-{self.index:016x}.snap"


@dataclass(frozen=True, slots=True)
class RaftSnapshot:
    """One .snap file; `data` is the v2 store."""

    term: int
    index: int
    conf_state: ConfState
    data: bytes


@dataclass(frozen=True, slots=True)
class V2Store:
    """What etcd up to 3.5 knows of its cluster at its start. `cluster_version` is empty when not decided yet."""

    members: tuple[Member, ...]
    removed: tuple[MemberId, ...] = ()
    cluster_version: str = ""


def parse_name(name: str) -> RaftSnapshotName | None:
    """What `name` says, or None when it is not the name of a .snap file."""
    found = _NAME.fullmatch(name)
    return RaftSnapshotName(int(found[1], 16), int(found[2], 16)) if found else None


def encode_file(snapshot: RaftSnapshot) -> bytes:
    """The content of the .snap file."""
    metadata = (
        protowire.bytes_field(1, raft.encode_conf_state(snapshot.conf_state))
        + protowire.int_field(2, snapshot.index)
        + protowire.int_field(3, snapshot.term)
    )
    body = protowire.bytes_field(1, snapshot.data) + protowire.bytes_field(2, metadata)
    return protowire.int_field(1, crc32c(body)) + protowire.bytes_field(2, body)


def decode_file(content: bytes) -> RaftSnapshot:
    """The snapshot in a .snap file. Raises `FormatError`."""
    checksum, body = 0, b""
    for _, value in raft.fields(content, {1: VARINT, 2: BYTES}, "raft snapshot file"):
        if isinstance(value, bytes):
            body = value
        else:
            checksum = value
    if not body or not checksum:
        raise FormatError("a raft snapshot file without data or checksum", offset=0)
    if (computed := crc32c(body)) != checksum:
        raise FormatError(f"checksum is {checksum:08x}, computed {computed:08x}", offset=0)
    data, metadata = b"", b""
    for number, value in raft.fields(body, {1: BYTES, 2: BYTES}, "raft snapshot"):
        assert isinstance(value, bytes)
        if number == 1:
            data = value
        else:
            metadata = value
    numbers, conf_state = [0, 0, 0, 0], ConfState()
    for number, value in raft.fields(metadata, {1: BYTES, 2: VARINT, 3: VARINT}, "raft snapshot's metadata"):
        if isinstance(value, bytes):
            conf_state = raft.decode_conf_state(value)
        else:
            numbers[number] = value
    return RaftSnapshot(numbers[3], numbers[2], conf_state, data)


def encode_v2_store(store: V2Store) -> bytes:
    """The smallest v2 store that 3.4, 3.5 and 3.6 start on. Members that have no client URLs have never started."""
    folders: JsonObject = {}
    for member in sorted(store.members, key=lambda each: each.id):
        path = f"/0/members/{hex_id(member.id)}"
        raft_attributes: JsonObject = {"peerURLs": list(member.peer_urls)}
        if member.is_learner:
            raft_attributes["isLearner"] = True
        children: JsonObject = {}
        if member.client_urls:
            attributes: JsonObject = {"name": member.name, "clientURLs": list(member.client_urls)}
            children["attributes"] = _leaf(f"{path}/attributes", membership.go_json(attributes).decode())
        children["raftAttributes"] = _leaf(f"{path}/raftAttributes", membership.go_json(raft_attributes).decode())
        folders[hex_id(member.id)] = _folder(path, children)
    cluster: JsonObject = {"members": _folder("/0/members", folders)}
    if store.removed:
        gone = sorted(hex_id(identifier) for identifier in store.removed)
        leaves: JsonObject = {name: _leaf(f"/0/removed_members/{name}", "removed") for name in gone}
        cluster["removed_members"] = _folder("/0/removed_members", leaves)
    if store.cluster_version:
        cluster["version"] = _leaf("/0/version", store.cluster_version)
    root = _folder("/", {"0": _folder("/0", cluster), "1": _folder("/1", {})})
    return membership.go_json({"Root": root, "CurrentIndex": 1, "CurrentVersion": _V2_VERSION})


def decode_v2_store(data: bytes) -> V2Store:
    """The membership in a v2 store. Raises `FormatError`."""
    root = _object(membership.parse_object(data, "v2 store").get("Root"), "Root")
    cluster = _children(_children(root).get("0"))
    members = [_member(name, _children(node)) for name, node in _children(cluster.get("members")).items()]
    removed = [membership.decode_member_key(name.encode()) for name in _children(cluster.get("removed_members"))]
    return V2Store(
        tuple(sorted(members, key=lambda each: each.id)), tuple(sorted(removed)), _value(cluster.get("version"))
    )


def check_files(
    files: Mapping[str, bytes], usable: Iterable[SnapshotRecord]
) -> tuple[list[RaftSnapshot], list[Finding]]:
    """The whole snapshots among `files` (name -> content), newest first, and every finding.

    `usable` is `Log.usable_snapshots`. A file without a record in the log is normal: it is written first.
    """
    whole: list[RaftSnapshot] = []
    reported: list[Finding] = []
    for name, content in sorted(files.items()):
        try:
            snapshot = decode_file(content)
            decode_v2_store(snapshot.data)
        except FormatError as error:
            reported.append(RAFT_SNAPSHOT_DAMAGED.at(name, error.what))
            continue
        if (named := parse_name(name)) != (snapshot.term, snapshot.index):
            evidence = f"the content is the snapshot of term {snapshot.term}, index {snapshot.index}"
            reported.append(RAFT_SNAPSHOT_DAMAGED.at(name, evidence if named else f"not a .snap name; {evidence}"))
            continue
        whole.append(snapshot)
    wanted = {(record.term, record.index) for record in usable if record.index}
    if wanted and not wanted & {(snapshot.term, snapshot.index) for snapshot in whole}:
        newest = max(wanted, key=lambda pair: pair[1])
        evidence = f"the newest snapshot in the log is term {newest[0]}, index {newest[1]}; its file is not there"
        reported.append(RAFT_SNAPSHOT_MISSING.at(str(RaftSnapshotName(*newest)), evidence))
    return sorted(whole, key=lambda snapshot: snapshot.index, reverse=True), reported


def _folder(path: str, children: JsonObject) -> JsonObject:
    return _node(path, "", children)


def _leaf(path: str, value: str) -> JsonObject:
    return _node(path, value, None)


def _node(path: str, value: str, children: JsonObject | None) -> JsonObject:
    return {
        "Path": path,
        "CreatedIndex": 1,
        "ModifiedIndex": 1,
        "ExpireTime": _NEVER,
        "Value": value,
        "Children": children,
    }


def _member(name: str, children: JsonObject) -> Member:
    fields: JsonObject = {"id": membership.decode_member_key(name.encode())}
    for attributes in ("raftAttributes", "attributes"):
        if text := _value(children.get(attributes)):
            fields |= membership.parse_object(text.encode(), attributes)
    return membership.member_from_fields(fields)


def _children(node: object) -> JsonObject:
    """The children of a node; a node that does not exist has none."""
    return _object(_object(node, "node").get("Children"), "Children")


def _value(node: object) -> str:
    return membership.read_text(_object(node, "node").get("Value"), "Value")


def _object(value: object, name: str) -> JsonObject:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise FormatError(f"{name} of the v2 store is not an object", offset=0)
    return value
