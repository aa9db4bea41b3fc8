"""Recovering where things are not as kubeadm leaves them: a systemd unit, a log elsewhere, a data directory that is a mount."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from backstay.cluster.host import DiskSpace, LocalHost, UnitState
from backstay.jobs.recover import RecoverOptions
from tests import golden
from tests.etcd_process import EtcdProcess, free_ports
from tests.kubelet import DATA, PKI, ControlPlane
from tests.peers import Peer
from tests.recovering import break_database, fill, plan_on, recover, recovery_on, save


class Units:
    """A service manager that knows one unit: etcd, a real process."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self.calls: list[str] = []

    def state(self, unit: str) -> UnitState:
        if unit != "etcd.service":
            return UnitState.ABSENT
        return UnitState.ACTIVE if self._process is not None and self._process.poll() is None else UnitState.FAILED

    def stop(self, unit: str) -> None:
        self.calls.append(f"stop {unit}")
        self.close()

    def start(self, unit: str) -> None:
        self.calls.append(f"start {unit}")
        environment = {**os.environ, "ETCD_UNSUPPORTED_ARCH": os.uname().machine}
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )

    def close(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)


class MountedHost(LocalHost):
    """A host whose data directory is a file system of its own."""

    def disk(self, path: Path) -> DiskSpace | None:
        found = super().disk(path)
        return replace(found, mount_point=str(self.path(DATA))) if found is not None else None


def test_a_systemd_etcd_is_stopped_restored_and_started(newest_peer: Peer, tmp_path: Path) -> None:
    root = tmp_path / "host"
    data = root / "var/lib/etcd"
    data.mkdir(parents=True, mode=0o750)
    client, between = free_ports(2)
    flags = [
        "--name=lonely",
        f"--listen-client-urls=http://127.0.0.1:{client}",
        f"--advertise-client-urls=http://127.0.0.1:{client}",
        f"--listen-peer-urls=http://127.0.0.1:{between}",
        f"--initial-advertise-peer-urls=http://127.0.0.1:{between}",
        f"--initial-cluster=lonely=http://127.0.0.1:{between}",
    ]
    unit = root / "etc/systemd/system/etcd.service"
    unit.parent.mkdir(parents=True)
    unit.write_text(f"[Service]\nExecStart=/usr/bin/etcd --data-dir={DATA} {' '.join(flags)}\n")
    snapshot = tmp_path / "etcd.db"
    with EtcdProcess(newest_peer, tmp_path / "source") as source:
        source.etcdctl("put", "/registry/pods/default/one", "1")
        source.etcdctl("snapshot", "save", str(snapshot))
    units = Units([str(newest_peer.etcd), f"--data-dir={data}", *flags])
    host = LocalHost(root, units=units)
    try:
        plan = plan_on(host, RecoverOptions(snapshot))
        assert any("runs no API server" in notice for notice in plan.notices)
        report = recovery_on(host).begin(plan)
        assert units.calls == ["stop etcd.service", "start etcd.service"]
        assert report.keys == 1
        assert [each.agrees for each in report.comparisons] == [True] * len(report.comparisons)
        assert data.stat().st_mode & 0o777 == 0o750

        recovery_on(host).rollback()
        # It had failed before, so it is not started again on what it had failed on.
        assert units.calls[2:] == ["stop etcd.service"]
        assert list(data.iterdir()) == []
    finally:
        units.close()


def test_a_log_on_another_path_is_exchanged_too(newest_peer: Peer, tmp_path: Path) -> None:
    log = "/var/lib/etcd-log/wal"
    with ControlPlane(tmp_path / "host", newest_peer, starts=False) as plane:
        plane.path(log).parent.mkdir(parents=True)
        mounts = {DATA: DATA, PKI: PKI, "/var/lib/etcd-log": "/var/lib/etcd-log"}
        plane.write_manifest("etcd", plane.etcd_command(f"--wal-dir={log}"), mounts=mounts)
        plane.kubelet.go_on()
        plane.wait_ready()
        fill(plane, 20)
        snapshot = save(plane, tmp_path / "etcd.db")
        with plane.client() as client:
            client.kv.put(b"/registry/pods/default/late", b"1")
        break_database(plane)
        plane.kubelet.go_on()
        report = recover(plane.root, snapshot, newest_peer)
        plane.wait_ready()
        assert report.proof == "quarantine"
        assert len(report.kept) == 2
        assert report.keys == 20
        assert not (plane.data / "member/wal").exists()
        assert sorted(each.name for each in plane.path(log).parent.iterdir()) == ["wal", Path(report.kept[1]).name]


def test_a_data_directory_that_is_a_mount_point_keeps_its_place(newest_peer: Peer, tmp_path: Path) -> None:
    snapshot = tmp_path / "etcd.db"
    snapshot.write_bytes(golden.snapshot("3.6.16"))
    with ControlPlane(tmp_path / "host", newest_peer, starts=False) as plane:
        (plane.data / "lost+found").mkdir()
        (plane.data / "member/snap").mkdir(parents=True)
        (plane.data / "member/snap/db").write_bytes(b"damaged")
        inode = plane.data.stat().st_ino
        host = MountedHost(plane.root)
        plan = plan_on(host, RecoverOptions(snapshot))
        recovery = recovery_on(host)
        with pytest.MonkeyPatch.context() as patch:
            # No pod runs here: what is looked at is where the files are.
            patch.setattr("backstay.jobs.recover.verify.wait_until_serving", _stop_here)
            with pytest.raises(StopHere):
                recovery.begin(plan)
        kept = f"member.before-recover-{plan.id}"
        assert sorted(each.name for each in plane.data.iterdir()) == ["lost+found", "member", kept]
        assert (plane.data / kept / "snap/db").read_bytes() == b"damaged"
        recovery.rollback()
        assert plane.data.stat().st_ino == inode
        assert (plane.data / "member/snap/db").read_bytes() == b"damaged"
        left = f"member.recovered-{plan.id}"
        assert sorted(each.name for each in plane.data.iterdir()) == ["lost+found", "member", left]


class StopHere(Exception):
    pass


def _stop_here(*arguments: object) -> None:
    raise StopHere
