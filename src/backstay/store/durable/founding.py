"""Founding a store: the smallest data directory that backstay and every etcd since 3.4 start on (etcd-files section 11).

    DATA/member/                    0700, appears whole or not at all
      snap/db                       0600, ten buckets: the member, the raft configuration, consistent_index 1, term 1
      wal/0000000000000000-0000000000000000.wal    checksum, metadata, snapshot {0, 0}, entry 1 adding the member, state

DATA itself may exist already (a mount point cannot be renamed), so it is `member` that appears in one step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backstay.durable import durable_directory, durable_file, translated, write_durable
from backstay.formats import bbolt, membership, raft, schema
from backstay.formats.bbolt import layout
from backstay.formats.directory import DATABASE, DIRECTORY_MODE, FILE_MODE, FIRST_SEGMENT, MEMBER, SNAP, WAL
from backstay.formats.membership import ConfState, Member
from backstay.formats.raft import ConfChange, ConfChangeType, Entry, EntryType, HardState
from backstay.formats.wal import LogEncoder, SnapshotRecord
from backstay.store.durable.disk import StoreDisk
from backstay.values import ClusterId

FIRST_TERM = 1
_ONLY_ENTRY = 1

Buckets = Iterator[tuple[bytes, list[tuple[bytes, bytes]]]]


@dataclass(frozen=True, slots=True)
class Founder:
    """Who founds a store: etcd's --name, --initial-advertise-peer-urls and --initial-cluster-token. Ids follow."""

    name: str = "default"
    peer_urls: tuple[str, ...] = ("http://localhost:2380",)
    token: str = "etcd-cluster"

    @property
    def member(self) -> Member:
        """The only member."""
        return Member(membership.member_id(self.peer_urls, self.token), tuple(sorted(self.peer_urls)), self.name)

    @property
    def cluster_id(self) -> ClusterId:
        """The id of the cluster."""
        return membership.cluster_id([self.member.id])


def found_store(directory: Path, founder: Founder, disk: StoreDisk) -> None:
    """Make `directory` a data directory; it must not hold `member` yet. Raises what `durable_directory` raises."""
    with translated(directory):
        for missing in reversed([each for each in (directory, *directory.parents) if not each.exists()]):
            disk.make_directory(missing, DIRECTORY_MODE)  # as etcd does, up to the first that is there
            disk.sync_directory(missing.parent)
        with durable_directory(disk, directory / MEMBER, mode=DIRECTORY_MODE) as place:
            for name in (SNAP, WAL):
                disk.make_directory(place / name, DIRECTORY_MODE)
            write_database(place / SNAP / DATABASE, _buckets(founder.member), disk)
            write_durable(disk, place / WAL / FIRST_SEGMENT, first_log(founder), mode=FILE_MODE)


def write_database(path: Path, buckets: Buckets, disk: StoreDisk) -> None:
    """Write a small database."""
    with durable_file(disk, path, mode=FILE_MODE) as file:
        file.write([bytes(2 * layout.DEFAULT_PAGE_SIZE)])
        built = bbolt.build(buckets, file.write)
        file.sync()
        file.write_at(built.meta_pages, 0)


def first_log(founder: Founder) -> bytes:
    """The five records of a new log."""
    log, member = LogEncoder(), founder.member
    change = raft.encode_conf_change(ConfChange(ConfChangeType.ADD_NODE, member.id, member))
    return b"".join(
        (
            log.crc(),
            log.metadata(member.id, founder.cluster_id),
            log.snapshot(SnapshotRecord(0, 0)),
            log.entry(Entry(FIRST_TERM, _ONLY_ENTRY, EntryType.CONF_CHANGE, change)),
            log.state(HardState(FIRST_TERM, member.id, _ONLY_ENTRY)),
        )
    )


def empty_buckets() -> Buckets:
    """A database that knows nothing: what a log from entry 1 on is applied to."""
    return ((name, []) for name in schema.BUCKETS)


def _buckets(member: Member) -> Buckets:
    meta = {
        schema.CONSISTENT_INDEX: schema.encode_u64(_ONLY_ENTRY),
        schema.TERM: schema.encode_u64(FIRST_TERM),
        schema.CONF_STATE: membership.encode_conf_state(ConfState(voters=(member.id,))),
    }
    rows = {schema.MEMBERS: [membership.encode_member(member)], schema.META: sorted(meta.items())}
    return ((name, rows.get(name, [])) for name in schema.BUCKETS)
