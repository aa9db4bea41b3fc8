"""Killed with -9 at any moment, checkpoints included, a server has what it acknowledged; a real etcd finds the same."""

from __future__ import annotations

import random
import shutil
import threading
from pathlib import Path

from tests.etcd_process import EtcdProcess
from tests.etcd_server import BackstayServer
from tests.peers import Peer
from tests.writing_at_once import Contents, everything, hash_kv, write_until_broken

ROUNDS = 5
ARGUMENTS = ("--snapshot-count=100",)
LONGEST_SECONDS = 1.0


def kill_again_and_again(peer: Peer, place: Path, rounds: int, seed: int) -> None:
    """Write until a kill, look, and go on; after each kill a real etcd is started on a copy."""
    chance = random.Random(seed)
    acknowledged: Contents = {}
    server = BackstayServer(peer, place / "data", extra_args=ARGUMENTS)
    for number in range(rounds):
        with server:
            assert acknowledged.items() <= everything(server).items(), f"round {number}: something is lost"
            timer = threading.Timer(chance.uniform(0.0, LONGEST_SECONDS), server.kill)
            timer.start()
            more, _ = write_until_broken(server, prefix=b"round-%d" % number, value_size=chance.choice((20, 20_000)))
            timer.join()
        acknowledged |= more
        a_real_etcd_finds(peer, server.data_dir, place / f"copy-{number}", acknowledged)
    assert list((server.data_dir / "member" / "snap").glob("*.snap")), "there was no checkpoint"


def a_real_etcd_finds(peer: Peer, data: Path, copy: Path, acknowledged: Contents) -> None:
    """What was acknowledged is in a copy of the directory, to a real etcd and to ours, with one hash."""
    shutil.copytree(data, copy)
    with BackstayServer(peer, data) as server:
        expected = hash_kv(server)
    with EtcdProcess(peer, copy) as etcd:
        assert acknowledged.items() <= everything(etcd).items()
        assert hash_kv(etcd) == expected
    shutil.rmtree(copy)


def test_a_server_killed_while_it_writes_and_checkpoints_loses_nothing(newest_peer: Peer, tmp_path: Path) -> None:
    kill_again_and_again(newest_peer, tmp_path, ROUNDS, seed=1)
