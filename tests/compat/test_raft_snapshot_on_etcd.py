"""Our .snap file on real servers: a log that does not begin with its first entry, where etcd up to 3.6 needs the file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backstay.formats import bbolt, membership, raft_snapshot, schema
from backstay.formats.membership import ConfState
from backstay.formats.raft import HardState
from backstay.formats.raft_snapshot import RaftSnapshot, RaftSnapshotName, V2Store
from backstay.formats.wal import SegmentName, SnapshotRecord
from tests import golden
from tests.conftest import StartEtcd
from tests.etcd_process import EtcdFailed
from tests.peers import Peer
from tests.unit.formats import logs

NODE = logs.SMALL_MEMBER.id
SNAPSHOT_INDEX, LAST_INDEX = 1000, 1010


def shortened_directory(target: Path) -> Path:
    """The directory that no etcd wrote, with a log of entries 900 to 1010 and a raft snapshot at 1000."""
    data_dir = golden.unpack(golden.FOREIGN_MINIMAL, target)
    snap, wal = data_dir / "member" / "snap", data_dir / "member" / "wal"
    (wal / logs.FIRST).unlink()
    entries = [logs.normal(index, data=b"") for index in range(900, LAST_INDEX + 1)]
    records = [*entries, HardState(1, NODE, LAST_INDEX), SnapshotRecord(SNAPSHOT_INDEX, 1, ConfState((NODE,)))]
    segment = logs.segment(records, name=SegmentName(3, 900), owner=(NODE, membership.cluster_id([NODE])))
    write(wal / segment.name, bytes(segment.data))
    store = raft_snapshot.encode_v2_store(V2Store((logs.SMALL_MEMBER,)))
    snapshot = RaftSnapshot(1, SNAPSHOT_INDEX, ConfState((NODE,)), store)
    write(snap / str(RaftSnapshotName(1, SNAPSHOT_INDEX)), raft_snapshot.encode_file(snapshot))
    raise_consistent_index(snap / "db")
    return data_dir


def raise_consistent_index(path: Path) -> None:
    """The database has everything up to the end of the log."""
    database = bbolt.open_database(path.read_bytes())
    buckets = {}
    for name in database.buckets():
        bucket = database.bucket(name)
        assert bucket is not None
        buckets[name] = dict(bucket.items())
    buckets[schema.META][schema.CONSISTENT_INDEX] = schema.encode_u64(LAST_INDEX)
    pages: list[bytes] = []
    built = bbolt.build(((name, sorted(items.items())) for name, items in sorted(buckets.items())), pages.extend)
    write(path, built.meta_pages + b"".join(pages))


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    os.chmod(path, 0o600)


def test_every_release_starts_from_our_raft_snapshot(etcd_peer: Peer, tmp_path: Path, start_etcd: StartEtcd) -> None:
    data_dir = shortened_directory(tmp_path / "data")
    etcd = start_etcd(etcd_peer, data_dir)
    assert etcd.etcdctl("get", "a", "--print-value-only").stdout.strip() == "3"
    etcd.etcdctl("put", "c", "4")
    members = etcd.etcdctl("member", "list").stdout
    assert f"{NODE:x}" in members
    etcd.kill()
    etcd.start()
    assert etcd.etcdctl("get", "c", "--print-value-only").stdout.strip() == "4"
    assert list((data_dir / "member" / "snap").glob("*.broken")) == []


def test_up_to_36_the_file_is_what_makes_it_start(etcd_peer: Peer, tmp_path: Path, start_etcd: StartEtcd) -> None:
    data_dir = shortened_directory(tmp_path / "data")
    (snapshot,) = (data_dir / "member" / "snap").glob("*.snap")
    snapshot.unlink()
    if etcd_peer.release >= (3, 7):
        assert start_etcd(etcd_peer, data_dir).running
        return
    with pytest.raises(EtcdFailed):
        start_etcd(etcd_peer, data_dir)
