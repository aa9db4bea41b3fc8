"""Fifty kills of a server that writes and checkpoints, each followed by a real etcd on what it left."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.test_server_killed import kill_again_and_again
from tests.peers import Peer


@pytest.mark.soak
def test_a_server_killed_while_it_writes_and_checkpoints_loses_nothing(newest_peer: Peer, tmp_path: Path) -> None:
    kill_again_and_again(newest_peer, tmp_path, 50, seed=2)
