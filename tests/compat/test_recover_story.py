"""Friday evening on a scratch node: etcd is dead, everything is down, and one command brings it back."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from backstay import errors
from backstay.cluster.control_plane import STOP_ORDER
from backstay.cluster.host import LocalHost
from backstay.errors import BackstayError
from backstay.jobs.recover import RecoverOptions
from backstay.jobs.recover.journal import DIRECTORY
from tests import peers
from tests.kubelet import MEMBER_NAME, ControlPlane
from tests.peers import Peer
from tests.recovering import break_database, break_log, fill, plan_on, recover, recovery_on, save

KEYS = 2000
OF_KUBEADM = [version for version in peers.VERSIONS if not version.startswith("3.4.")]
"""No supported release of kubeadm runs etcd 3.4."""


@pytest.mark.parametrize("version", OF_KUBEADM)
def test_a_dead_control_plane_is_ready_again_and_says_what_it_lost(
    version: str, newest_peer: Peer, tmp_path: Path
) -> None:
    with ControlPlane(tmp_path / "host", peers.peer(version)) as plane:
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
        plane.kubelet.go_on()
        plane.wait_for(lambda: "crc" in plane.log("etcd") or "wal" in plane.log("etcd"), "etcd still starts")
        old_data = plane.data.stat().st_ino

        # The newest release proves what an older one will serve: it must not leave traces in the directory.
        report = recover(plane.root, snapshot, newest_peer)

        sys.stdout.write(f"etcd {version}: ready in {report.seconds_to_ready:.1f} s, {dict(report.seconds)}\n")
        assert report.seconds_to_ready < 60
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
            stale = client.watch(b"/registry/", range_end=b"/registry0", start_revision=last)
            with stale, pytest.raises(BackstayError) as refused:
                next(stale)
            assert refused.value.kind is errors.REVISION_COMPACTED


def test_a_damaged_database_is_replaced_without_any_etcd_program(newest_peer: Peer, tmp_path: Path) -> None:
    with ControlPlane(tmp_path / "host", newest_peer) as plane:
        plane.wait_ready()
        fill(plane, 50)
        snapshot = save(plane, tmp_path / "etcd.db")
        break_database(plane)
        plane.kubelet.go_on()
        report = recover(plane.root, snapshot, None)
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
        plane.kubelet.pause()
        plane.kubelet.stop_all()
        shutil.rmtree(plane.data)
        host = LocalHost(plane.root)
        plan = plan_on(host, RecoverOptions(snapshot))
        plane.kubelet.go_on()  # which lets etcd make an empty directory, and that must not hinder
        report = recovery_on(host).begin(plan)
        plane.wait_ready()
        assert report.keys == 50


def test_a_healthy_cluster_is_recovered_only_when_its_name_is_typed(newest_peer: Peer, tmp_path: Path) -> None:
    with ControlPlane(tmp_path / "host", newest_peer) as plane:
        plane.wait_ready()
        fill(plane, 50)
        snapshot = save(plane, tmp_path / "etcd.db")
        for typed in ("", "another"):
            with pytest.raises(BackstayError) as refused:
                recover(plane.root, snapshot, None, typed=typed)
            assert refused.value.kind is errors.CLUSTER_HEALTHY
            assert f"--cluster-name {MEMBER_NAME}" in refused.value.next_step
        assert not plane.path(DIRECTORY).exists()
        report = recover(plane.root, snapshot, newest_peer, typed=MEMBER_NAME)
        plane.wait_ready()
        assert report.loss.revisions == 0

        # A finished recovery can be taken back as long as the old data is there.
        undone = recovery_on(LocalHost(plane.root)).rollback()
        plane.wait_ready()
        assert undone.restored == (str(plane.data),)
        with plane.client() as client:
            assert client.kv.range(b"ready").header.revision < report.revision_after
