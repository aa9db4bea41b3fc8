"""Snapshots saved from every release: etcd's own tools read the same numbers from them and restore them."""

from __future__ import annotations

import hashlib
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backstay.cli.main import run
from backstay.clock import SystemClock
from backstay.etcd import Client, ConnectionOptions, Operation
from backstay.findings import Severity
from backstay.snapshot.save import SaveReport, Verdict, save
from backstay.snapshot.save.living import living_source
from tests import peers
from tests.conftest import StartEtcd
from tests.etcd_process import EtcdCluster
from tests.peers import Peer

JUDGES = [version for version in peers.VERSIONS if not version.startswith("3.4.")]


def fill(client: Client) -> None:
    """A history with overwrites, deletions, a lease, transactions and a compaction below the newest revision."""
    lease = client.lease.grant(3600).lease_id
    for number in range(60):
        client.kv.put(b"/registry/pods/%02d" % (number % 20), b"value %d" % number * 30)
    client.kv.put(b"/registry/leases/one", b"1", lease=lease)
    client.kv.txn((), (Operation.put(b"a", b"1"), Operation.put(b"b", b"x" * 9000), Operation.delete_range(b"none")))
    client.kv.delete_range(b"/registry/pods/01", range_end=b"/registry/pods/05")
    client.kv.compact(client.kv.delete_range(b"a").header.revision - 10, physical=True)


def saved_from(endpoint: str, path: Path, *, with_others: bool = True) -> SaveReport:
    options = ConnectionOptions.of(endpoint.split(","))
    with living_source(options, clock=SystemClock(), with_others=with_others) as chosen:
        return save(path, chosen.source)


def numbers(program: Path, file: Path) -> dict[str, Any]:
    """What a release's own `snapshot status` says."""
    command = [program, "snapshot", "status", file, "-w", "json"]
    answer: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return answer


def test_etcds_tools_read_and_restore_what_was_saved(
    etcd_peer: Peer, start_etcd: StartEtcd, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    etcd = start_etcd(etcd_peer)
    with Client(ConnectionOptions.of([etcd.endpoint])) as client:
        fill(client)
    path = tmp_path / "saved.db"
    report = saved_from(etcd.endpoint, path)

    content = path.read_bytes()
    assert hashlib.sha256(content[:-32]).digest() == content[-32:]
    assert (len(content), path.stat().st_mode & 0o777) == (report.size, 0o600)
    assert [each.verdict for each in report.comparisons] == [Verdict.SAME]
    warnings = [each.code for each in report.findings if each.severity is Severity.WARNING]
    assert warnings == (["member-release-suspect"] if etcd_peer.version == "3.5.1" else [])
    assert bool(report.storage_version) == (etcd_peer.release >= (3, 6))

    theirs = tmp_path / "theirs.db"
    etcd.etcdctl("snapshot", "save", str(theirs))
    for version in JUDGES:
        judge = peers.peer(version)
        assert judge.etcdutl is not None
        said = numbers(judge.etcdutl, path)
        assert numbers(judge.etcdutl, theirs) == said, "the file is etcdctl's but for the transaction's number"
        dialect = "3.5" if judge.release == (3, 5) else "3.6"
        assert run(["snapshot", "status", str(path), "-w", "json", "--as", dialect], {}) == 0
        assert json.loads(capsys.readouterr().out) == said
        assert (said["hash"], said["revision"]) == (report.hash, report.revision)
        restored = tmp_path / f"restored-{version}"
        command = [judge.etcdutl, "snapshot", "restore", path, "--data-dir", restored]
        subprocess.run(command, capture_output=True, check=True)
        assert (restored / "member" / "snap" / "db").exists()


def test_a_restored_server_holds_every_key_that_was_saved(
    etcd_peer: Peer, start_etcd: StartEtcd, tmp_path: Path
) -> None:
    etcd = start_etcd(etcd_peer)
    with Client(ConnectionOptions.of([etcd.endpoint])) as client:
        fill(client)
        wanted = client.kv.range(b"\0", range_end=b"\0").items
    report = saved_from(etcd.endpoint, tmp_path / "saved.db")
    assert report.keys == len(wanted)
    etcd.stop()
    program = etcd_peer.etcdutl or etcd_peer.etcdctl
    restored = tmp_path / "restored"
    command = [program, "snapshot", "restore", tmp_path / "saved.db", "--data-dir", restored]
    environment = {"ETCDCTL_API": "3"} if etcd_peer.release < (3, 5) else {}
    subprocess.run(command, capture_output=True, check=True, env=environment)
    again = start_etcd(etcd_peer, restored)
    with Client(ConnectionOptions.of([again.endpoint])) as client:
        assert client.kv.range(b"\0", range_end=b"\0").items == wanted
        assert client.maintenance.hash_kv(report.revision).hash == (report.hash_kv and report.hash_kv.hash)


def test_a_hash_that_the_member_remembers_of_a_compaction_is_no_difference(
    etcd_peer: Peer, start_etcd: StartEtcd, tmp_path: Path
) -> None:
    etcd = start_etcd(etcd_peer)
    with Client(ConnectionOptions.of([etcd.endpoint])) as client:
        fill(client)
        for key in (b"a", b"b"):
            newest = client.kv.put(key, b"newer").header.revision
            client.kv.compact(newest, physical=True)
        path = tmp_path / "at-put.db"
        assert [each.verdict for each in saved_from(etcd.endpoint, path).comparisons] == [Verdict.SAME]
        # The hardest case: compacted exactly at a deletion, which releases hash in two ways.
        newest = client.kv.delete_range(b"b").header.revision
        client.kv.compact(newest, physical=True)
    report = saved_from(etcd.endpoint, tmp_path / "at-deletion.db")
    assert (report.revision, report.compact_revision) == (newest, newest)
    assert [each.verdict for each in report.comparisons] == [Verdict.SAME]


def test_a_cluster_is_copied_from_a_follower_and_compared_with_all(etcd_peer: Peer, tmp_path: Path) -> None:
    with EtcdCluster(etcd_peer, tmp_path) as cluster:
        with Client(ConnectionOptions.of(cluster.endpoints.split(","))) as client:
            fill(client)
        with living_source(ConnectionOptions.of(cluster.endpoints.split(",")), clock=SystemClock()) as chosen:
            assert not chosen.status.is_leader
            assert "healthy follower" in chosen.why
            report = save(tmp_path / "all.db", chosen.source)
        assert [each.verdict for each in report.comparisons] == [Verdict.SAME] * 3
        assert len({each.member_id for each in report.comparisons}) == 3

        # With one endpoint the other members are known by the addresses that they publish.
        one, two, three = cluster.members.values()
        report = saved_from(one.endpoint, tmp_path / "one.db")
        assert {each.endpoint for each in report.comparisons} == set(cluster.endpoints.split(","))
        alone = saved_from(one.endpoint, tmp_path / "alone.db", with_others=False)
        assert [each.endpoint for each in alone.comparisons] == [one.endpoint]

        # A member that is down is named, and is no reason not to keep the file.
        three.kill()
        report = saved_from(one.endpoint, tmp_path / "two.db")
        verdicts = {each.endpoint: each.verdict for each in report.comparisons}
        assert verdicts == {
            one.endpoint: Verdict.SAME, two.endpoint: Verdict.SAME, three.endpoint: Verdict.NOT_COMPARED,
        }  # fmt: skip

        # Without a quorum nobody serves reads; that is when the copy is needed most.
        two.kill()
        hasty = replace(ConnectionOptions.of([one.endpoint]), command_timeout_seconds=1.0)
        with living_source(hasty, clock=SystemClock()) as chosen:
            assert "no member serves reads" in chosen.why or "leader" in chosen.why
            report = save(tmp_path / "last.db", chosen.source)
        assert report.comparisons[0].verdict is Verdict.SAME
