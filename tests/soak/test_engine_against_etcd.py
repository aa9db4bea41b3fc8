"""Many more random requests to the engine and to a real etcd."""

from __future__ import annotations

import pytest

from tests.conftest import StartEtcd
from tests.model.engine_histories import compare_histories
from tests.peers import Peer


@pytest.mark.soak
def test_random_histories_give_the_same_answers(newest_peer: Peer, start_etcd: StartEtcd) -> None:
    compare_histories(start_etcd(newest_peer), range(1_000, 3_000))
