"""Recoveries for tests: of a scratch control plane, with the library and without the command line; and ways to break one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from backstay.clock import SystemClock
from backstay.cluster.etcd_program import EtcdProgram
from backstay.cluster.host import Host, LocalHost
from backstay.durable import LocalDisk
from backstay.jobs.recover import (
    RecoverOptions,
    RecoverPlan,
    RecoverReport,
    Recovery,
    RecoveryTools,
    gather_facts,
    make_plan,
    refuse_healthy,
)
from backstay.telemetry import SilentProgress
from tests.kubelet import ControlPlane
from tests.peers import Peer


def recovery_on(host: Host, after_line: Callable[[str, str], None] = lambda kind, step: None) -> Recovery:
    """The recoveries of `host`."""
    return Recovery(RecoveryTools(host, LocalDisk(), SystemClock(), SilentProgress(), after_line=after_line))


def plan_on(host: Host, options: RecoverOptions, *, typed: str = "") -> RecoverPlan:
    """The plan, after every refusal."""
    clock = SystemClock()
    facts = gather_facts(options, host, clock, SilentProgress())
    refuse_healthy(facts, typed)
    return make_plan(facts, options, clock.now(), host.root)


def recover(root: Path, snapshot: Path, prover: Peer | None = None, *, typed: str = "") -> RecoverReport:
    """Recover the host below `root`; `prover` is the etcd that proves the restored data."""
    host = LocalHost(root)
    program = EtcdProgram(prover.etcd, prover.version) if prover is not None else None
    return recovery_on(host).begin(plan_on(host, RecoverOptions(snapshot, program=program), typed=typed))


def fill(plane: ControlPlane, count: int) -> int:
    """Write keys as an API server names them; gives the last revision."""
    with plane.client() as client:
        for number in range(count):
            resource = "services/specs" if number % 4 == 0 else "pods"
            last = client.kv.put(f"/registry/{resource}/default/{number:05}".encode(), b"x" * 50)
    return last.header.revision


def save(plane: ControlPlane, path: Path) -> Path:
    """A snapshot of the running etcd."""
    with plane.client() as client, path.open("wb") as file:
        for chunk in client.maintenance.snapshot():
            file.write(chunk.blob)
    return path


def break_log(plane: ControlPlane) -> None:
    """Change the first bytes of etcd's log: it refuses to start, and the database is whole."""
    _stop_pods(plane)
    log = next((plane.data / "member/wal").glob("*.wal"))
    with log.open("r+b") as file:
        file.seek(20)
        file.write(b"\xff" * 40)


def break_database(plane: ControlPlane) -> None:
    """Overwrite the head of the database, as a disk that lies does."""
    _stop_pods(plane)
    with (plane.data / "member/snap/db").open("r+b") as file:
        file.write(b"\xff" * 16384)


def _stop_pods(plane: ControlPlane) -> None:
    plane.kubelet.pause()
    plane.kubelet.stop_all()
