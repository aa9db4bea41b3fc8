"""Four hundred rounds of random histories on every release; twenty seeds, each on a new server."""

from __future__ import annotations

import pytest

from tests.conftest import StartEtcd
from tests.model.histories import run_history
from tests.peers import Peer

ROUNDS = 20


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 120))
def test_random_histories_agree(etcd_peer: Peer, start_etcd: StartEtcd, seed: int) -> None:
    done = run_history(start_etcd(etcd_peer), seed, ROUNDS, restart_after=seed % ROUNDS)
    assert done.rounds == ROUNDS
