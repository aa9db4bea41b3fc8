"""A component that does not end is helped once, then named; nothing was exchanged by then, and going on works."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from backstay import errors
from backstay.cluster.host import Container, LocalHost, Process
from backstay.durable import LocalDisk
from backstay.errors import BackstayError
from backstay.jobs.recover import RecoverOptions, Recovery, RecoveryTools
from backstay.telemetry import SilentProgress
from tests import golden
from tests.kubelet import ControlPlane
from tests.peers import Peer
from tests.recovering import plan_on, recovery_on


class RunningClock:
    """Time that passes only while somebody waits."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(1_700_000_000 + self.seconds, UTC)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class Containers:
    """A runtime in which the scheduler runs until it is stopped."""

    def __init__(self) -> None:
        self.stopped: list[str] = []

    def list(self, name: str) -> tuple[Container, ...]:
        if name != "kube-scheduler" or self.stopped:
            return ()
        return (Container("c1", name, f"{name}-node", "CONTAINER_RUNNING"),)

    def stop(self, container: Container, timeout_seconds: int) -> None:
        self.stopped.append(container.name)


class Stubborn(LocalHost):
    """A host on which a program runs that nobody ends."""

    def processes(self) -> tuple[Process, ...]:
        return (Process(4711, "etcd", ("etcd", f"--data-dir={self.path('/var/lib/etcd')}"), 0),)


@pytest.fixture
def node(newest_peer: Peer, tmp_path: Path) -> ControlPlane:
    (tmp_path / "etcd.db").write_bytes(golden.snapshot("3.6.16"))
    return ControlPlane(tmp_path / "host", newest_peer)


def recovery(host: LocalHost, clock: RunningClock) -> Recovery:
    return Recovery(RecoveryTools(host, LocalDisk(), clock, SilentProgress()))


def test_a_process_that_stays_is_named_and_nothing_is_exchanged(node: ControlPlane, tmp_path: Path) -> None:
    host, clock = Stubborn(node.root), RunningClock()
    plan = plan_on(host, RecoverOptions(tmp_path / "etcd.db"))
    with pytest.raises(BackstayError) as refused:
        recovery(host, clock).begin(plan)
    assert refused.value.kind is errors.COMPONENT_STUCK
    assert "process 4711" in refused.value.where
    assert "--resume" in refused.value.next_step
    assert not plan.exchanges[0].kept.exists()
    recovery_on(LocalHost(node.root)).rollback()
    assert len(list(node.manifests.iterdir())) == 4


def test_a_container_that_the_kubelet_leaves_is_stopped_through_the_runtime(node: ControlPlane, tmp_path: Path) -> None:
    containers, clock = Containers(), RunningClock()
    host = LocalHost(node.root, containers=containers)
    plan = plan_on(host, RecoverOptions(tmp_path / "etcd.db"))
    with pytest.MonkeyPatch.context() as patch:
        # No kubelet is here to start etcd again, and a clock of ours is none for gRPC.
        patch.setattr("backstay.jobs.recover.verify.wait_until_serving", _stop_here)
        with pytest.raises(StopHere):
            recovery(host, clock).begin(plan)
    assert containers.stopped == ["kube-scheduler"]
    assert plan.exchanges[0].kept.exists()


class StopHere(Exception):
    pass


def _stop_here(*arguments: object) -> None:
    raise StopHere
