"""Killed with -9 under eight clients, a server loses nothing that it acknowledged, and its watchers miss nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.etcd_process import EtcdProcess
from tests.etcd_server import BackstayServer
from tests.linearizability.clients import problems_of_history
from tests.peers import Peer


def test_the_checker_agrees_with_a_real_etcd(newest_peer: Peer, tmp_path: Path) -> None:
    """What these tests ask for is what etcd does, or they would ask for too much."""
    assert problems_of_history(EtcdProcess(newest_peer, tmp_path / "data"), seed=1) == []


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_server_loses_nothing(newest_peer: Peer, tmp_path: Path, seed: int) -> None:
    arguments = ("--snapshot-count=60",) if seed % 2 else ()  # with checkpoints every other time
    server = BackstayServer(newest_peer, tmp_path / "data", extra_args=arguments)
    assert problems_of_history(server, seed) == []
