"""Random requests, one after the other, to the engine and to a real etcd: the same answers, refusals and HashKV."""

from __future__ import annotations

from tests.conftest import StartEtcd
from tests.model.engine_histories import compare_histories
from tests.peers import Peer

HISTORIES = 40


def test_random_histories_give_the_same_answers(newest_peer: Peer, start_etcd: StartEtcd) -> None:
    compare_histories(start_etcd(newest_peer), range(HISTORIES))
