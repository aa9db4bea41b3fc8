"""A member that was added to `backstay serve` is known to it after a kill, and joins as soon as real etcd owns the directory."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import peers
from tests.etcd_process import EtcdProcess, free_ports
from tests.etcd_server import BackstayServer


@pytest.mark.parametrize(("kind", "release"), [("learner", "3.7.3"), ("voter", "3.5.35"), ("voter", "3.7.3")])
def test_a_member_added_here_joins_under_etcd(kind: str, release: str, tmp_path: Path) -> None:
    newest_peer = peers.peer(release)
    learner = ["--learner"] if kind == "learner" else []
    client_port, peer_port = free_ports(2)
    peer_url = f"http://127.0.0.1:{peer_port}"
    with BackstayServer(newest_peer, tmp_path / "first", name="first") as server:
        server.etcdctl("put", "key", "value")
        added = server.etcdctl("member", "add", "second", f"--peer-urls={peer_url}", *learner).stdout
        assert "to cluster" in added
        server.etcdctl("put", "other", "after the change")
        server.kill()
        server.start()
        listed = server.etcdctl("member", "list").stdout
        assert "unstarted" in listed and peer_url in listed
        server.etcdctl("put", "key", "after the kill")
        server.stop()
        etcd = server.as_etcd()
        second = EtcdProcess(
            newest_peer,
            tmp_path / "second",
            name="second",
            client_port=client_port,
            peer_port=peer_port,
            initial_cluster=f"first={server.peer_url},second={peer_url}",
            initial_cluster_state="existing",
        )
        try:
            etcd.launch()  # with two votes there is no leader before the second has joined
            wait_until(lambda: '"etcdcluster":"3' in version_of(etcd), etcd)  # who joins asks for it once, and gives up
            second.launch()
            etcd.wait_ready()
            assert etcd.etcdctl("get", "key", "--print-value-only").stdout.strip() == "after the kill"
            assert etcd.etcdctl("get", "other", "--print-value-only").stdout.strip() == "after the change"
            wait_until(lambda: etcd.etcdctl("member", "list").stdout.count(", started,") == 2, etcd)
        finally:
            second.kill()
            etcd.kill()


def version_of(etcd: EtcdProcess) -> str:
    """What it says of itself and of its cluster."""
    try:
        with urllib.request.urlopen(f"{etcd.peer_url}/version") as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def wait_until(condition: Callable[[], bool], etcd: EtcdProcess) -> None:
    """Return when `condition` holds."""
    deadline = time.monotonic() + 30.0
    while not condition():
        assert time.monotonic() < deadline, etcd.log_tail()
        time.sleep(0.05)
