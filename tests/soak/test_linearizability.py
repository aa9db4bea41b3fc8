"""A hundred histories of a thousand calls by eight clients, each with a kill -9 in the middle."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.linearizability.clients import problems_of_history
from tests.linearizability.test_killed_server import server_for
from tests.peers import Peer


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1_000, 1_100))
def test_a_killed_server_loses_nothing(newest_peer: Peer, tmp_path: Path, seed: int) -> None:
    assert problems_of_history(server_for(seed, newest_peer, tmp_path / "data"), seed) == []
