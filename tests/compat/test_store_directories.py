"""Both ways with real etcd: it starts on what the durable store writes, and the store goes on where it was killed."""

from __future__ import annotations

import json
from pathlib import Path

from backstay.formats import requests
from backstay.formats.hashkv import rule_of
from backstay.snapshot.hash import hash_kv_of
from backstay.snapshot.opened import open_directory
from backstay.store.durable import StoreOptions, open_store
from backstay.values import Revision
from tests.conftest import StartEtcd
from tests.etcd_process import EtcdProcess
from tests.peers import Peer
from tests.storing import SMALL, do, keys_of, put

BIG = StoreOptions(segment_size=1 << 20)


def write_store(data: Path, options: StoreOptions = SMALL) -> None:
    """A store with keys, history, a lease, users, over several segments."""
    store = open_store(data, options=options)
    do(store, requests.LeaseGrant(ttl=5000, id=77))
    for number in range(60):
        put(store, f"key-{number % 20:02}", f"value {number}" * 10)
    put(store, "held", "leased", lease=77)
    do(store, requests.DeleteRange(key=b"key-03"))
    do(store, requests.Compaction(revision=10))
    do(store, requests.UserAdd(name="alice", options=requests.UserOptions(no_password=True)))
    do(store, requests.RoleAdd(name="reader"))
    store.close()


def serves(etcd: EtcdProcess, expected: dict[str, str], revision: int) -> None:
    answer = json.loads(etcd.etcdctl("get", "", "--prefix", "-w", "json").stdout)
    assert answer["header"]["revision"] == revision
    lines = etcd.etcdctl("get", "", "--prefix").stdout.splitlines()
    assert dict(zip(lines[::2], lines[1::2], strict=True)) == expected


def test_every_release_starts_on_a_store_and_the_store_goes_on_after_it(
    etcd_peer: Peer, start_etcd: StartEtcd, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    write_store(data)
    reopened = open_store(data, options=SMALL)
    expected, revision = keys_of(reopened), reopened.state.revision
    reopened.close()
    with open_directory(data) as whole:
        predicted = hash_kv_of(whole, Revision(0), rule_of(etcd_peer.version)).hash
    etcd = start_etcd(etcd_peer, data)
    serves(etcd, expected, revision)
    (hashed,) = json.loads(etcd.etcdctl("endpoint", "hashkv", "-w", "json").stdout)
    assert hashed["HashKV"]["hash"] == predicted
    assert etcd.etcdctl("lease", "list").stdout.split()[-1] == "000000000000004d"
    assert etcd.etcdctl("user", "list").stdout.split() == ["alice"]
    assert etcd.etcdctl("role", "list").stdout.split() == ["reader"]
    etcd.etcdctl("put", "from", "etcd")
    etcd.kill()
    store = open_store(data, options=BIG)
    assert keys_of(store) == expected | {"from": "etcd"}
    put(store, "from", "backstay")
    store.close()
    etcd.start()
    serves(etcd, expected | {"from": "backstay"}, revision + 2)
    etcd.etcdctl("put", "again", "etcd")
    etcd.kill()
    etcd.start()
    serves(etcd, expected | {"from": "backstay", "again": "etcd"}, revision + 3)
    etcd.kill()
