"""Random histories on every release: its records, its answers and its hashes are what the model and backstay say.

`make soak` runs four hundred of them a release (tests/soak/test_histories.py).
"""

from __future__ import annotations

from tests.conftest import StartEtcd
from tests.model.histories import run_history
from tests.peers import Peer

ROUNDS = 20


def test_twenty_rounds_of_a_random_history_agree(etcd_peer: Peer, start_etcd: StartEtcd) -> None:
    done = run_history(start_etcd(etcd_peer), seed=1, rounds=ROUNDS, restart_after=ROUNDS // 2)
    assert done.rounds == ROUNDS
    assert done.hashes > 100
