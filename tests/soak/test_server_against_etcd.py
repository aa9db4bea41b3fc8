"""Many more random histories over the wire, to backstay and to a real etcd."""

from __future__ import annotations

import pytest

from tests.conftest import StartEtcd
from tests.model.server_histories import ARGUMENTS, OUR_ARGUMENTS, compare_servers
from tests.peers import Peer


@pytest.mark.soak
def test_random_histories_give_the_same_answers(
    newest_peer: Peer, start_etcd: StartEtcd, start_backstay: StartEtcd
) -> None:
    ours = start_backstay(newest_peer, extra_args=OUR_ARGUMENTS)
    compare_servers(ours, start_etcd(newest_peer, extra_args=ARGUMENTS), range(1_000, 3_000))
