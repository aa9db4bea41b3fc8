"""What all tests share: peers, etcd processes that end with their test, and the summary of what could not run."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import hypothesis
import pytest

from tests import peers
from tests.etcd_process import EtcdProcess
from tests.etcd_server import BackstayServer
from tests.peers import Peer

KEPT_SETTINGS = ("BACKSTAY_PEERS", "BACKSTAY_SOAK", "BACKSTAY_KUBERNETES")
ELSEWHERE = {"soak": ("BACKSTAY_SOAK", "make soak"), "kubernetes": ("BACKSTAY_KUBERNETES", "make test-kubernetes")}
"""Marker -> the setting that lets its tests run, and the command that sets it."""
FOREIGN_SETTINGS = ("BACKSTAY_", "ETCD_", "ETCDCTL_", "ETCDUTL_")

LAST_WORDS_SECONDS = 60.0

hypothesis.settings.register_profile("backstay", deadline=None, print_blob=True)
hypothesis.settings.load_profile("backstay")


def pytest_configure(config: pytest.Config) -> None:
    """No test sees the settings of the person who runs it, and gRPC never handles forks."""
    for name in list(os.environ):
        if name.startswith(FOREIGN_SETTINGS) and name not in KEPT_SETTINGS:
            del os.environ[name]
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A process of ours ends even when gRPC does not: the destructor of a channel has been seen to wait for ever at the
    very end, after everything was reported. The controller of several workers waits longer than they do.
    """
    seconds = LAST_WORDS_SECONDS if hasattr(session.config, "workerinput") else 3 * LAST_WORDS_SECONDS
    timer = threading.Timer(seconds, os._exit, (int(exitstatus),))
    timer.daemon = True
    timer.start()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long tests and those under a real API server wait for their own commands."""
    for marker, (setting, command) in ELSEWHERE.items():
        if os.environ.get(setting) == "1":
            continue
        for item in items:
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=f"not in `make test`: `{command}` runs it"))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Name each peer that is not here, the reason, and how many tests did not run for want of it."""
    skipped: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _, found, rest = reason.partition(peers.NOT_FOUND)
        if found:
            name = rest.partition(":")[0]
            skipped[name] = skipped.get(name, 0) + 1
    absent = peers.missing()
    if not absent and not skipped:
        return
    terminalreporter.section("peers not found")
    for name in [*absent, *(name for name in skipped if name not in absent)]:
        reason = absent.get(name, "not here")
        terminalreporter.write_line(f"{name}: {skipped.get(name, 0)} tests did not run ({reason})")


@pytest.fixture(params=peers.VERSIONS, ids=lambda version: f"etcd-{version}")
def etcd_peer(request: pytest.FixtureRequest) -> Peer:
    """Every release of the versions file, one after the other."""
    return peers.peer(request.param)


@pytest.fixture
def newest_peer() -> Peer:
    """The newest release that is here."""
    return peers.newest()


class StartEtcd(Protocol):
    """Start an etcd that ends with the test. Takes what `EtcdProcess` takes; the directory is new unless given."""

    def __call__(self, peer: Peer, data_dir: Path | None = None, **settings: Any) -> EtcdProcess: ...


@pytest.fixture
def start_etcd(tmp_path: Path) -> Iterator[StartEtcd]:
    """A function that starts etcd processes, all of which are ended after the test."""
    yield from _starting(EtcdProcess, tmp_path / "etcd")


@pytest.fixture
def start_backstay(tmp_path: Path) -> Iterator[StartEtcd]:
    """The same for `backstay serve`; the peer says whose etcdctl speaks to it."""
    yield from _starting(BackstayServer, tmp_path / "backstay")


def _starting(kind: type[EtcdProcess], place: Path) -> Iterator[StartEtcd]:
    with ExitStack() as processes:
        count = 0

        def start(peer: Peer, data_dir: Path | None = None, **settings: Any) -> EtcdProcess:
            nonlocal count
            count += 1
            fresh = place.with_name(f"{place.name}-{count}")
            return processes.enter_context(kind(peer, data_dir if data_dir is not None else fresh, **settings))

        yield start
