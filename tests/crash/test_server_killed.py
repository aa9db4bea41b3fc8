"""Killed with -9 at any moment, checkpoints included, a server has what it acknowledged; a real etcd finds the same."""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

from backstay.store.durable.checkpoint import TEMPORARY_DATABASE
from tests.etcd_process import EtcdProcess
from tests.etcd_server import BackstayServer
from tests.peers import Peer
from tests.writing_at_once import Contents, everything, hash_kv, write_until_broken

ROUNDS = 4
ARGUMENTS = ("--snapshot-count=100",)
LONGEST_SECONDS = 0.5
WAIT_SECONDS = 60.0


class Killed:
    """One server that is written to and killed again and again. What was acknowledged piles up."""

    def __init__(self, peer: Peer, place: Path, seed: int) -> None:
        self._peer = peer
        self._place = place
        self._chance = random.Random(seed)
        self._server = BackstayServer(peer, place / "data", extra_args=ARGUMENTS)
        self._snap = self._server.data_dir / "member" / "snap"
        self._acknowledged: Contents = {}
        self._round = 0

    def until(self, happens: Callable[[], bool]) -> None:
        """Start, see that nothing is lost, write until something happens and a moment longer; then a real etcd looks."""
        self._round += 1
        with self._server:
            assert self._acknowledged.items() <= everything(self._server).items(), f"round {self._round}: lost"
            killer = threading.Thread(target=self._kill, args=(happens,))
            killer.start()
            size = self._chance.choice((20, 4_000))
            more, _ = write_until_broken(self._server, prefix=b"round-%d" % self._round, value_size=size)
            killer.join()
        self._acknowledged |= more
        self._compare_with_etcd()

    def a_checkpoint_runs(self) -> bool:
        """Whether a new base is being built."""
        return any(self._snap.glob(f"{TEMPORARY_DATABASE}*"))

    def a_checkpoint_was_made(self) -> bool:
        """Whether there is a base that a checkpoint has built."""
        return any(self._snap.glob("*.snap"))

    def _kill(self, happens: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not happens() and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(self._chance.uniform(0.0, LONGEST_SECONDS))
        self._server.kill()

    def _compare_with_etcd(self) -> None:
        """What was acknowledged is in a copy of the directory, to a real etcd and to ours, with one hash."""
        copy = self._place / f"copy-{self._round}"
        shutil.copytree(self._server.data_dir, copy)
        with BackstayServer(self._peer, self._server.data_dir) as server:
            expected = hash_kv(server)
        with EtcdProcess(self._peer, copy) as etcd:
            assert self._acknowledged.items() <= everything(etcd).items()
            assert hash_kv(etcd) == expected
        shutil.rmtree(copy)


def kill_again_and_again(peer: Peer, place: Path, rounds: int, seed: int) -> None:
    """At any moment, and in the middle of a checkpoint, in turns; in the end one is made."""
    killed = Killed(peer, place, seed)
    for number in range(rounds):
        killed.until(killed.a_checkpoint_runs if number % 2 else lambda: True)
    killed.until(killed.a_checkpoint_was_made)
    assert killed.a_checkpoint_was_made()


def test_a_server_killed_while_it_writes_and_checkpoints_loses_nothing(newest_peer: Peer, tmp_path: Path) -> None:
    kill_again_and_again(newest_peer, tmp_path, ROUNDS, seed=1)
