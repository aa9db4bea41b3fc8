"""Friday evening on a scratch node: etcd is dead, everything is down, and one command brings it back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from backstay import errors
from backstay.clock import SystemClock
from backstay.cluster.control_plane import STOP_ORDER
from backstay.cluster.etcd_program import EtcdProgram
from backstay.cluster.host import LocalHost
from backstay.durable import LocalDisk
from backstay.errors import BackstayError
from backstay.jobs.recover import (
    Recovery,
    RecoverOptions,
    RecoverReport,
    RecoveryTools,
    gather_facts,
    make_plan,
    refuse_healthy,
)
from backstay.jobs.recover.journal import DIRECTORY
from backstay.telemetry import SilentProgress
from tests.kubelet import MEMBER_NAME, ControlPlane
from tests.peers import Peer

KEYS = 2000


def fill(plane: ControlPlane, count: int) -> int:
    """Write keys as an API server names them; gives the last revision."""
    with plane.client() as client:
        for number in range(count):
            resource = "services/specs" if number % 4 == 0 else "pods"
            last = client.kv.put(f"/registry/{resource}/default/{number:05}".encode(), b"x" * 50)
    return last.header.revision


def save(plane: ControlPlane, path: Path) -> Path:
    with plane.client() as client, path.open("wb") as file:
        for chunk in client.maintenance.snapshot():
            file.write(chunk.blob)
    return path


def break_log(plane: ControlPlane) -> None:
    """Change the first bytes of etcd's log: it refuses to start, and the database is whole."""
    stop_pods(plane)
    log = next((plane.data / "member/wal").glob("*.wal"))
    with log.open("r+b") as file:
        file.seek(20)
        file.write(b"\xff" * 40)
    plane.kubelet.go_on()


def break_database(plane: ControlPlane) -> None:
    """Overwrite the head of the database, as a disk that lies does."""
    stop_pods(plane)
    with (plane.data / "member/snap/db").open("r+b") as file:
        file.write(b"\xff" * 16384)
    plane.kubelet.go_on()


def stop_pods(plane: ControlPlane) -> None:
    plane.kubelet.pause()
    plane.kubelet.stop_all()


def recover(plane: ControlPlane, snapshot: Path, prover: Peer | None, *, typed: str = "") -> RecoverReport:
    host, clock = LocalHost(plane.root), SystemClock()
    program = EtcdProgram(prover.etcd, prover.version) if prover is not None else None
    options = RecoverOptions(snapshot, program=program)
    facts = gather_facts(options, host, clock, SilentProgress())
    refuse_healthy(facts, typed)
    plan = make_plan(facts, options, clock.now(), host.root)
    return Recovery(RecoveryTools(host, LocalDisk(), clock, SilentProgress())).begin(plan, facts.source)


def test_a_dead_control_plane_is_ready_again_and_says_what_it_lost(
    etcd_peer: Peer, newest_peer: Peer, tmp_path: Path
) -> None:
    if etcd_peer.release < (3, 5):
        pytest.skip("kubeadm has no supported release that runs etcd 3.4")
    with ControlPlane(tmp_path / "host", etcd_peer) as plane:
        plane.wait_ready()
        saved_at = fill(plane, KEYS)
        snapshot = save(plane, tmp_path / "etcd.db")
        with plane.client() as client:
            client.kv.put(b"/registry/pods/default/late", b"1")
            client.kv.put(b"/registry/pods/default/00001", b"changed")
            client.kv.delete_range(b"/registry/pods/default/00002")
            last = client.kv.put(b"/registry/pods/default/00003", b"changed").header.revision
            client.kv.compact(last - 1)  # as an API server does every five minutes
        break_log(plane)
        plane.wait_for(lambda: "crc" in plane.log("etcd") or "wal" in plane.log("etcd"), "etcd still starts")
        old_data = plane.data.stat().st_ino

        # The newest release proves what an older one will serve: it must not leave traces in the directory.
        report = recover(plane, snapshot, newest_peer)

        print(f"\n{etcd_peer}: ready {report.seconds_to_ready:.1f} s after the begin: {dict(report.seconds)}")
        plane.wait_ready()
        assert report.proof == "quarantine"
        assert all(each.agrees for each in report.comparisons)
        assert report.resources == {"pods": KEYS * 3 // 4, "services/specs": KEYS // 4}
        assert report.revision_before == saved_at
        assert report.revision_after == saved_at + 1_000_000_000
        assert report.loss.why_unknown == ""
        assert report.loss.revisions == last - saved_at
        assert report.loss.created.listed == ("/registry/pods/default/late",)
        assert report.loss.changed.listed == ("/registry/pods/default/00001", "/registry/pods/default/00003")
        assert report.loss.deleted.listed == ("/registry/pods/default/00002",)
        assert Path(report.kept[0]).stat().st_ino == old_data
        assert sorted(each.stem for each in plane.manifests.iterdir()) == sorted(STOP_ORDER)
        assert plane.data.stat().st_mode & 0o777 == 0o700
        assert all(plane.kubelet.process(name) for name in STOP_ORDER)
        with plane.client() as client:
            assert client.kv.range(b"ready").header.revision >= report.revision_after
            assert client.kv.get(b"/registry/pods/default/late") is None
            with (
                pytest.raises(BackstayError) as refused,
                client.watch(b"/registry/", range_end=b"/registry0", start_revision=last) as watch,
            ):
                next(watch)
            assert refused.value.kind is errors.REVISION_COMPACTED


def test_a_damaged_database_is_replaced_without_any_etcd_program(newest_peer: Peer, tmp_path: Path) -> None:
    with ControlPlane(tmp_path / "host", newest_peer) as plane:
        plane.wait_ready()
        fill(plane, 50)
        snapshot = save(plane, tmp_path / "etcd.db")
        break_database(plane)
        report = recover(plane, snapshot, None)
        plane.wait_ready()
        assert report.proof == "offline"
        assert "no real etcd" in report.notes[0]
        assert report.loss.why_unknown
        assert report.loss.old_directory == report.kept[0]
        # The one that serves was asked all the same.
        assert [each.agrees for each in report.comparisons if each.what.startswith("HashKV")] == [True]


def test_a_data_directory_that_was_deleted_comes_back(newest_peer: Peer, tmp_path: Path) -> None:
    with ControlPlane(tmp_path / "host", newest_peer) as plane:
        plane.wait_ready()
        fill(plane, 50)
        snapshot = save(plane, tmp_path / "etcd.db")
        stop_pods(plane)
        shutil.rmtree(plane.data)
        host, clock = LocalHost(plane.root), SystemClock()
        options = RecoverOptions(snapshot)
        facts = gather_facts(options, host, clock, SilentProgress())
        plane.kubelet.go_on()
        plan = make_plan(facts, options, clock.now(), host.root)
        report = Recovery(RecoveryTools(host, LocalDisk(), clock, SilentProgress())).begin(plan, facts.source)
        plane.wait_ready()
        assert report.keys == 50


def test_a_healthy_cluster_is_recovered_only_when_its_name_is_typed(newest_peer: Peer, tmp_path: Path) -> None:
    with ControlPlane(tmp_path / "host", newest_peer) as plane:
        plane.wait_ready()
        fill(plane, 50)
        snapshot = save(plane, tmp_path / "etcd.db")
        for typed in ("", "another"):
            with pytest.raises(BackstayError) as refused:
                recover(plane, snapshot, None, typed=typed)
            assert refused.value.kind is errors.CLUSTER_HEALTHY
            assert f"--cluster-name {MEMBER_NAME}" in refused.value.next_step
        assert not plane.path(DIRECTORY).exists()
        report = recover(plane, snapshot, newest_peer, typed=MEMBER_NAME)
        plane.wait_ready()
        assert report.loss.revisions == 0

        # A finished recovery can be taken back as long as the old data is there.
        undone = Recovery(RecoveryTools(LocalHost(plane.root), LocalDisk(), SystemClock(), SilentProgress())).rollback()
        plane.wait_ready()
        assert undone.restored == (str(plane.data),)
        with plane.client() as client:
            assert client.kv.range(b"ready").header.revision < report.revision_after
