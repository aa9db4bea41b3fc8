"""Killed with -9 while it writes, a store has every write that it acknowledged, and goes on."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

from backstay.store.durable import open_store
from tests.crash.write_until_killed import OPTIONS
from tests.storing import keys_of

ROOT = Path(__file__).resolve().parents[2]


def kill_again_and_again(data: Path, kills: int, seed: int) -> None:
    """Kill a writer behind a random number of acknowledgements, each time on the same directory."""
    chance = random.Random(seed)
    acknowledged = 0
    for _ in range(kills):
        wanted = chance.randint(1, 700)
        command = [sys.executable, "-m", "tests.crash.write_until_killed", str(data)]
        writer = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        assert writer.stdout is not None
        for line in writer.stdout:
            acknowledged = int(line)
            wanted -= 1
            if not wanted:
                break
        writer.kill()
        rest = writer.stdout.read().split()
        writer.stdout.close()
        writer.wait()
        assert not wanted, "the writer ended by itself"
        acknowledged = max(acknowledged, *map(int, rest)) if rest else acknowledged
        store = open_store(data, options=OPTIONS)
        assert sorted(keys_of(store)) == [f"{number:08}" for number in range(1, store.state.revision)]
        assert store.state.revision > acknowledged
        store.close()


def test_no_acknowledged_write_is_lost_by_a_kill(tmp_path: Path) -> None:
    kill_again_and_again(tmp_path / "data", kills=20, seed=1)
