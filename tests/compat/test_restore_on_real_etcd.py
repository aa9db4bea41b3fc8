"""Real servers of every release on directories that backstay restored: they start, serve, write, restart, and answer the
HashKV that was predicted.

Not the full product of snapshots, servers and options (tests/soak has that) but a covering set: every release as a
server, every release's snapshot as a source, with and without bump, one member and three.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from backstay.snapshot.restore import Changes, LeaseTreatment
from tests import golden, peers
from tests.conftest import StartEtcd
from tests.etcd_process import EtcdCluster, EtcdProcess
from tests.peers import Peer
from tests.restoring import WITHOUT_BUMP, Restored, golden_snapshot, restore_all, restore_one

BUMPED = Changes(clear_alarms=True)
KEPT = Changes(keep_revision=True, clear_alarms=True)

ONE_MEMBER = [
    pytest.param("3.4.23", "3.7.3", KEPT, id="3.7.3-on-3.4.23"),
    pytest.param("3.5.1", "3.6.16", BUMPED, id="3.6.16-on-3.5.1-bumped"),
    pytest.param("3.5.35", "3.7.3", BUMPED, id="3.7.3-on-3.5.35-bumped"),
    pytest.param("3.6.16", "3.7.3", KEPT, id="3.7.3-on-3.6.16"),
    pytest.param("3.6.16", "3.5.1", BUMPED, id="3.5.1-on-3.6.16-bumped"),
    pytest.param("3.7.3", "3.4.23", BUMPED, id="3.4.23-on-3.7.3-bumped"),
    pytest.param("3.7.3", "3.5.35", KEPT, id="3.5.35-on-3.7.3"),
]
THREE_MEMBERS = [
    pytest.param("3.4.23", "3.5.35", BUMPED, id="3.5.35-on-3.4.23-bumped"),
    pytest.param("3.5.35", "3.6.16", KEPT, id="3.6.16-on-3.5.35"),
    pytest.param("3.6.16", "3.4.23", KEPT, id="3.4.23-on-3.6.16"),
    pytest.param("3.7.3", "3.7.3", BUMPED, id="3.7.3-on-3.7.3-bumped"),
]


def login(version: str) -> list[str]:
    """The options that a store needs whose authentication is on."""
    passwords = golden.expectation(f"{version}/snapshot").get("passwords") or {}
    enabled = golden.expectation(f"{version}/snapshot").get("auth", {}).get("enabled", False)
    return [f"--user=root:{passwords['root']}"] if enabled else []


def hash_kv(etcd: EtcdProcess, user: list[str]) -> tuple[int, int, int]:
    """(hash, revision, compact revision) that the member answers now."""
    (answer,) = json.loads(etcd.etcdctl("endpoint", "hashkv", "-w", "json", *user).stdout)
    found = answer["HashKV"]
    return found["hash"], found["header"]["revision"], found.get("compact_revision", 0)


def all_keys(etcd: EtcdProcess, user: list[str], *options: str) -> list[list[Any]]:
    """What the member serves, in the form of the golden expectations."""
    answer = json.loads(etcd.etcdctl("get", "", "--prefix", "-w", "json", *options, *user).stdout)
    return [golden_row(each) for each in answer.get("kvs", [])]


def golden_row(item: dict[str, Any]) -> list[Any]:
    value: Any = item.get("value", "")
    whole = base64.b64decode(value)
    if len(whole) > 256:
        value = {"len": len(whole), "sha256": hashlib.sha256(whole).hexdigest()}
    return [item["key"], item["create_revision"], item["mod_revision"], item["version"], item.get("lease", 0), value]


def expected_keys(version: str) -> list[list[Any]]:
    expectation = golden.expectation(f"{version}/snapshot")
    rows: list[list[Any]] = expectation["ranges"][str(expectation["revision"])]
    return rows


def predicted(restored: Restored) -> tuple[int, int, int]:
    result = restored.result
    return result.hash, result.hash_revision, result.compact_revision


def check_compacted(etcd: EtcdProcess, restored: Restored, user: list[str]) -> None:
    """After a bump a client that comes with a revision of before is told to start anew."""
    old = str(restored.plan.revision_before)
    got = etcd.etcdctl("get", "", "--prefix", f"--rev={old}", *user, check=False)
    assert "required revision has been compacted" in got.stdout + got.stderr
    watched = etcd.etcdctl("watch", "/registry/", "--prefix", f"--rev={old}", *user, check=False)
    assert "required revision has been compacted" in watched.stdout + watched.stderr


def write_and_read(etcd: EtcdProcess, user: list[str]) -> None:
    before = json.loads(etcd.etcdctl("get", "none", "-w", "json", *user).stdout)["header"]["revision"]
    put = json.loads(etcd.etcdctl("put", "after/restore", "written", "-w", "json", *user).stdout)
    assert put["header"]["revision"] == before + 1
    assert etcd.etcdctl("get", "after/restore", "--print-value-only", *user).stdout.strip() == "written"


@pytest.mark.parametrize(("server", "source", "changes"), ONE_MEMBER)
def test_a_restored_member_serves_everything_and_answers_the_predicted_hash(
    server: str, source: str, changes: Changes, tmp_path: Path, start_etcd: StartEtcd
) -> None:
    peer = peers.peer(server)
    user = login(source)
    restored = restore_one(golden_snapshot(source, tmp_path), tmp_path / "data", changes)
    etcd = start_etcd(peer, tmp_path / "data", ready_path="/version")
    assert hash_kv(etcd, user) == predicted(restored)
    assert all_keys(etcd, user) == expected_keys(source)
    if restored.plan.bump:
        check_compacted(etcd, restored, user)
    write_and_read(etcd, user)
    etcd.kill()
    etcd.start()
    assert etcd.etcdctl("get", "after/restore", "--print-value-only", *user).stdout.strip() == "written"
    write_and_read(etcd, user)


@pytest.mark.parametrize(("server", "source", "changes"), THREE_MEMBERS)
def test_three_restored_members_form_a_cluster(server: str, source: str, changes: Changes, tmp_path: Path) -> None:
    peer = peers.peer(server)
    user = login(source)
    parent = tmp_path / "restored"
    cluster = EtcdCluster(peer, parent, names=("one.etcd", "two.etcd", "three.etcd"))
    names = cluster.initial_cluster.replace(".etcd", "")
    restored = restore_all(golden_snapshot(source, tmp_path), parent, names, changes)
    with cluster:
        for member in cluster.members.values():
            assert hash_kv(member, user) == predicted(restored)
        first, *others = cluster.members.values()
        listed = json.loads(first.etcdctl("member", "list", "-w", "json", *user).stdout)["members"]
        assert {f"{each['ID']:x}" for each in listed} == {each.id for each in restored.plan.members}
        write_and_read(first, user)
        for member in others:
            assert member.etcdctl("get", "after/restore", "--print-value-only", *user).stdout.strip() == "written"
        cluster.kill()
        cluster.start()
        assert others[0].etcdctl("get", "after/restore", "--print-value-only", *user).stdout.strip() == "written"
        write_and_read(others[0], user)
        cluster.kill()  # a stop would first hand the leadership round, for seconds


def test_a_directory_restored_for_3_5_upgrades_to_3_6(tmp_path: Path, start_etcd: StartEtcd) -> None:
    old, new = peers.peer("3.5.35"), peers.peer("3.6.16")
    restored = restore_one(golden_snapshot("3.5.1", tmp_path), tmp_path / "data", KEPT)
    etcd = start_etcd(old, tmp_path / "data")
    assert hash_kv(etcd, []) == predicted(restored)
    write_and_read(etcd, [])
    etcd.stop()
    upgraded = start_etcd(new, tmp_path / "data")
    assert upgraded.etcdctl("get", "after/restore", "--print-value-only").stdout.strip() == "written"
    write_and_read(upgraded, [])


@pytest.mark.parametrize(("name", "server"), [("3.4.23/killed", "3.7.3"), ("3.7.3/compacting", "3.5.35")])
def test_a_killed_directory_is_restored_with_its_log_and_starts_elsewhere(
    name: str, server: str, tmp_path: Path, start_etcd: StartEtcd
) -> None:
    restored = restore_one(golden.unpack(name, tmp_path / "killed"), tmp_path / "data", KEPT)
    expectation = golden.expectation(name)
    etcd = start_etcd(peers.peer(server), tmp_path / "data")
    assert hash_kv(etcd, []) == predicted(restored)
    assert all_keys(etcd, []) == expectation["ranges"][str(expectation["revision"])]
    write_and_read(etcd, [])


def test_alarms_are_carried_unless_cleared(newest_peer: Peer, tmp_path: Path, start_etcd: StartEtcd) -> None:
    source = golden_snapshot("3.6.16", tmp_path)
    restore_one(source, tmp_path / "carried", WITHOUT_BUMP)
    etcd = start_etcd(newest_peer, tmp_path / "carried", ready_path="/version")
    assert "NOSPACE" in etcd.etcdctl("alarm", "list").stdout
    assert etcd.etcdctl("put", "a", "b", check=False).returncode != 0


def test_dropped_leases_leave_keys_that_stay(newest_peer: Peer, tmp_path: Path, start_etcd: StartEtcd) -> None:
    changes = Changes(keep_revision=True, clear_alarms=True, leases=LeaseTreatment.DROP)
    restored = restore_one(golden_snapshot("3.6.16", tmp_path), tmp_path / "data", changes)
    etcd = start_etcd(newest_peer, tmp_path / "data")
    assert hash_kv(etcd, []) == predicted(restored)
    assert etcd.etcdctl("lease", "list").stdout.strip() == "found 0 leases"
    expected = [[*row[:4], 0, row[5]] for row in expected_keys("3.6.16")]
    assert any(row[4] for row in expected_keys("3.6.16"))
    assert all_keys(etcd, []) == expected


@pytest.mark.parametrize("version", ["3.5.35", "3.6.16", "3.7.3"])
def test_etcds_own_check_accepts_the_rebuilt_database(version: str, tmp_path: Path) -> None:
    peer = peers.peer(version)
    assert peer.etcdutl is not None
    restored = restore_one(golden_snapshot(version, tmp_path), tmp_path / "data")
    status = etcdutl(peer, "snapshot", "status", str(tmp_path / "data" / "member" / "snap" / "db"), "-w", "json")
    assert status["revision"] == restored.plan.revision_after
    assert status["totalSize"] == restored.result.database_size


@pytest.mark.parametrize("version", ["3.5.35", "3.6.16", "3.7.3"])
def test_a_bump_writes_the_records_and_markers_that_etcds_tool_writes(version: str, tmp_path: Path) -> None:
    peer = peers.peer(version)
    source = golden_snapshot("3.5.1", tmp_path)
    restored = restore_one(source, tmp_path / "ours", Changes(bump=1000))
    arguments = ("--data-dir", str(tmp_path / "theirs"), "--bump-revision", "1000", "--mark-compacted")
    etcdutl(peer, "snapshot", "restore", str(source), *arguments)
    theirs = restore_one(tmp_path / "theirs/member/snap/db", tmp_path / "again", skip_hash_check=True)
    assert theirs.plan.revision_before == restored.plan.revision_after
    ours, again = (tmp_path / name / "member/snap/db" for name in ("ours", "again"))
    assert ours.read_bytes() == again.read_bytes()


def etcdutl(peer: Peer, *arguments: str) -> Any:
    """What etcdutl prints, as JSON where it is."""

    assert peer.etcdutl is not None
    done = subprocess.run([str(peer.etcdutl), *arguments], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout) if done.stdout.strip().startswith(b"{") else done.stdout
