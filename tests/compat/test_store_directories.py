"""Both ways with real etcd: it starts on what the durable store writes, and the store goes on where it was killed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from backstay.errors import BackstayError
from backstay.formats import requests
from backstay.formats.hashkv import rule_of
from backstay.snapshot.hash import hash_kv_of
from backstay.snapshot.opened import open_directory
from backstay.store.durable import Founder, LocalStoreDisk, StoreOptions, checkpoint, open_store
from backstay.store.durable.checkpoint_child import build_database
from backstay.values import Revision
from tests import peers
from tests.conftest import StartEtcd
from tests.etcd_process import EtcdFailed, EtcdProcess, free_ports
from tests.peers import Peer
from tests.power_loss import RecordedDisk, images, live
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
    with pytest.raises(BackstayError, match="in use"):
        open_store(data)
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


def test_etcd_waits_for_a_store_that_is_open(newest_peer: Peer, tmp_path: Path) -> None:
    data = tmp_path / "data"
    store = open_store(data)
    put(store, "a", "1")
    etcd = EtcdProcess(newest_peer, data).launch()
    try:
        with pytest.raises(EtcdFailed, match="did not answer"):
            etcd.wait_ready(seconds=1.5)
        put(store, "b", "2")
        store.close()
        etcd.wait_ready()
        serves(etcd, {"a": "1", "b": "2"}, 3)
    finally:
        etcd.kill()


def test_the_exit_to_high_availability_is_adding_members(
    newest_peer: Peer, start_etcd: StartEtcd, tmp_path: Path
) -> None:
    client, peer, second_client, second_peer = free_ports(4)
    first_url, second_url = f"http://127.0.0.1:{peer}", f"http://127.0.0.1:{second_peer}"
    store = open_store(tmp_path / "a", options=StoreOptions(Founder("a", (first_url,)), segment_size=4096))
    for number in range(50):
        put(store, f"key-{number}", "value" * 20)
    checkpoint(store)
    put(store, "last", "one")
    expected, revision = keys_of(store), store.state.revision
    store.close()
    first = start_etcd(newest_peer, tmp_path / "a", name="a", client_port=client, peer_port=peer)
    first.etcdctl("member", "add", "b", f"--peer-urls={second_url}")
    second = start_etcd(
        newest_peer,
        tmp_path / "b",
        name="b",
        client_port=second_client,
        peer_port=second_peer,
        initial_cluster=f"a={first_url},b={second_url}",
        initial_cluster_state="existing",
    )
    serves(second, expected, revision)
    second.etcdctl("put", "from", "two")
    serves(first, expected | {"from": "two"}, revision + 1)
    second.kill()
    first.kill()
    with pytest.raises(BackstayError) as refused:
        open_store(tmp_path / "a")
    assert refused.value.kind.code == "directory-several-members"


class CopyingDisk(LocalStoreDisk):
    """Copies the directory behind every step that changes what a reader finds, once it is told to."""

    def __init__(self, data: Path, place: Path) -> None:
        self.copies: list[Path] = []
        self.copying = False
        self._data = data
        self._place = place

    def _copy(self, name: str) -> None:
        if self.copying:
            copy = self._place / f"{len(self.copies)}-{name}"
            shutil.copytree(self._data, copy)
            self.copies.append(copy)

    def replace(self, temporary: Path, final: Path) -> None:
        super().replace(temporary, final)
        self._copy("new-base")

    def publish(self, temporary: Path, final: Path) -> None:
        super().publish(temporary, final)
        self._copy("published")

    def sync_data(self, descriptor: int) -> None:
        super().sync_data(descriptor)
        self._copy("logged")

    def remove(self, path: Path) -> None:
        super().remove(path)
        self._copy("removed")


@pytest.mark.parametrize("version", ["3.5.35", "3.7.3"])
def test_etcd_starts_on_every_state_of_a_checkpoint(version: str, start_etcd: StartEtcd, tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_store(data, BIG)
    disk = CopyingDisk(data, tmp_path)
    store = open_store(data, disk=disk, options=StoreOptions(segment_size=12_000))
    for number in range(20):
        put(store, f"more-{number}", "value" * 200)
    checkpoint(store)
    for number in range(20):
        put(store, f"most-{number}", "value" * 200)
    expected, revision = keys_of(store), store.state.revision
    disk.copying = True
    checkpoint(store, build=build_database)
    disk.copying = False
    store.close()
    kinds = [copy.name.split("-", 1)[1] for copy in disk.copies]
    assert kinds[:4] == ["published", "new-base", "published", "logged"] and kinds[-1] == "removed"
    for copy in disk.copies:
        etcd = start_etcd(peers.peer(version), copy)
        serves(etcd, expected, revision)
        etcd.kill()


def test_every_release_starts_on_a_shortened_log(etcd_peer: Peer, start_etcd: StartEtcd, tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_store(data)
    store = open_store(data, options=SMALL)
    checkpoint(store)
    put(store, "after", "checkpoint")
    expected, revision = keys_of(store), store.state.revision
    assert not (data / "member/wal/0000000000000000-0000000000000000.wal").exists()
    store.close()
    etcd = start_etcd(etcd_peer, data)
    serves(etcd, expected, revision)
    etcd.etcdctl("put", "from", "etcd")
    etcd.kill()
    etcd.start()
    serves(etcd, expected | {"from": "etcd"}, revision + 1)
    etcd.kill()
    store = open_store(data, options=BIG)
    assert keys_of(store) == expected | {"from": "etcd"}
    checkpoint(store)
    store.close()
    etcd.start()
    serves(etcd, expected | {"from": "etcd"}, revision + 1)
    etcd.kill()


@pytest.mark.parametrize("version", ["3.4.23", "3.6.16"])
def test_etcd_starts_where_the_power_was_cut(version: str, start_etcd: StartEtcd, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    disk = RecordedDisk(root)
    live(disk, root)
    torn = [
        step for step, (kind, _, count) in enumerate(disk.steps) if kind in ("write", "rename", "remove") and count > 3
    ]
    for image in images(disk, tmp_path, steps=torn[:: len(torn) // 4], variants=("torn",)):
        etcd = start_etcd(peers.peer(version), image.directory / "data")
        found = etcd.etcdctl("get", "", "--prefix", "--keys-only").stdout.split()
        expected = [f"key-{number:04}" for number in range(image.acknowledged)]
        assert found[: len(expected)] == expected, f"behind step {image.step} ({image.name})"
        etcd.kill()
