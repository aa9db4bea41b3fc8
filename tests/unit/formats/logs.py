"""Logs that tests read and damage: the small one of the reference, one of three members, and any list of records."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from backstay.formats import membership, raft
from backstay.formats.membership import ConfState, Member
from backstay.formats.raft import ConfChange, ConfChangeType, Entry, EntryType, HardState
from backstay.formats.wal import Log, LogEncoder, Segment, SegmentName, SnapshotRecord, read_log
from backstay.values import ClusterId, MemberId

FIRST = str(SegmentName(0, 0))
NODE, CLUSTER = MemberId(7), ClusterId(9)
SMALL_MEMBER = Member(
    membership.member_id(["http://localhost:2380"], "etcd-cluster"), ("http://localhost:2380",), "default"
)
START = SnapshotRecord(0, 0)


def normal(index: int, term: int = 1, data: bytes = b"x") -> Entry:
    """An ordinary entry."""
    return Entry(term, index, EntryType.NORMAL, data)


def add_node(member: Member, index: int) -> Entry:
    """The entry that makes `member` part of the first configuration."""
    change = ConfChange(ConfChangeType.ADD_NODE, member.id, member)
    return Entry(1, index, EntryType.CONF_CHANGE, raft.encode_conf_change(change))


def frames(encoder: LogEncoder, records: Iterable[Entry | HardState | SnapshotRecord]) -> list[bytes]:
    """`records`, each as one frame."""
    made = []
    for record in records:
        if isinstance(record, Entry):
            made.append(encoder.entry(record))
        elif isinstance(record, HardState):
            made.append(encoder.state(record))
        else:
            made.append(encoder.snapshot(record))
    return made


def segment(
    records: Iterable[Entry | HardState | SnapshotRecord],
    *,
    encoder: LogEncoder | None = None,
    name: SegmentName | None = None,
    owner: tuple[MemberId, ClusterId] = (NODE, CLUSTER),
) -> Segment:
    """A segment that begins as every segment does; `encoder` is that of the segment before it."""
    encoder = encoder or LogEncoder()
    head = [encoder.crc(), encoder.metadata(*owner)]
    return Segment(str(name or SegmentName(0, 0)), b"".join(head + frames(encoder, records)))


def small_log() -> bytes:
    """The log of 248 bytes in the reference, section 11.2."""
    node = SMALL_MEMBER.id
    records = [START, add_node(SMALL_MEMBER, 1), HardState(1, node, 1)]
    return bytes(segment(records, owner=(node, membership.cluster_id([node]))).data)


def restored_log_of_three() -> bytes:
    """The log of the second of three restored members in the reference, section 6.4."""
    ports = (20031, 20041, 20051)
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    members = [
        Member(membership.member_id([url], "tokR"), (url,), name)
        for url, name in zip(urls, ("m1", "m2", "m3"), strict=True)
    ]
    node = members[1].id
    members.sort(key=lambda member: member.id)
    ids = tuple(member.id for member in members)
    records: list[Entry | HardState | SnapshotRecord] = [START]
    records += [add_node(member, index) for index, member in enumerate(members, start=1)]
    records += [HardState(1, ids[0], 3), SnapshotRecord(3, 1, ConfState(voters=ids))]
    return bytes(segment(records, owner=(node, membership.cluster_id(ids))).data)


def read(*segments: Segment, from_index: int = 0) -> Log:
    """What `read_log` says."""
    return read_log(segments, from_index=from_index)


def codes(log: Log) -> list[str]:
    """The codes of the findings."""
    return [finding.code for finding in log.findings]


def indexes(log: Log) -> list[int]:
    """The indexes of the entries."""
    return [entry.index for entry in log.entries]


def segments_of(data_dir: Path) -> list[Segment]:
    """The segments of an unpacked data directory."""
    return [Segment(path.name, path.read_bytes()) for path in sorted((data_dir / "member" / "wal").glob("*.wal"))]
