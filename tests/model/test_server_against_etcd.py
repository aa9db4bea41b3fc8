"""Random histories of concurrent clients, watchers and users over the wire: backstay answers what a real etcd answers."""

from __future__ import annotations

from tests.conftest import StartEtcd
from tests.model.server_histories import ARGUMENTS, OUR_ARGUMENTS, compare_servers
from tests.peers import Peer

HISTORIES = 30


def test_random_histories_give_the_same_answers(
    newest_peer: Peer, start_etcd: StartEtcd, start_backstay: StartEtcd
) -> None:
    ours = start_backstay(newest_peer, extra_args=OUR_ARGUMENTS)
    compare_servers(ours, start_etcd(newest_peer, extra_args=ARGUMENTS), range(HISTORIES))
