"""Killed with -9 under eight clients, a server loses nothing that it acknowledged, and its watchers miss nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.etcd_process import EtcdProcess
from tests.etcd_server import BackstayServer
from tests.linearizability.clients import problems_of_history
from tests.peers import Peer

WAYS = 3


def server_for(seed: int, peer: Peer, data: Path) -> BackstayServer:
    """By turns: as it is, with many checkpoints, and on a disk for which a kill is a power cut."""
    server = BackstayServer(peer, data, extra_args=("--snapshot-count=60",) if seed % WAYS == 1 else ())
    if seed % WAYS == 2:
        server.command = (sys.executable, "-m", "tests.linearizability.serve_on_lazy_disk", "serve")
    return server


def test_the_checker_agrees_with_a_real_etcd(newest_peer: Peer, tmp_path: Path) -> None:
    """What these tests ask for is what etcd does, or they would ask for too much."""
    assert problems_of_history(EtcdProcess(newest_peer, tmp_path / "data"), seed=1) == []


@pytest.mark.parametrize("seed", range(WAYS))
def test_a_killed_server_loses_nothing(newest_peer: Peer, tmp_path: Path, seed: int) -> None:
    assert problems_of_history(server_for(seed, newest_peer, tmp_path / "data"), seed) == []
