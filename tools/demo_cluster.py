"""From one process to three members, and the leader killed in the middle of writes: `python -m tools.demo_cluster`.

`backstay serve` is filled, stopped, and its directory grows in a real etcd: the exit to high availability. Then the leader is
killed with -9 while a client writes; every write that was acknowledged must be there afterwards. `make demo` ends with it.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from backstay.cluster.local import LocalCluster, load_cluster
from backstay.cluster.local.processes import find_member
from backstay.errors import BackstayError
from backstay.etcd import Client, ConnectionOptions
from tests.acknowledged import writing
from tests.etcd_process import EtcdFailed
from tests.etcd_server import BackstayServer
from tests.peers import Peer
from tools.demo import StoryBroken, fill, newest_peer, run_backstay, say, scene

WRITES_BEFORE, WRITES_AFTER = 100, 500


def main() -> int:
    """Play this part alone; returns the exit status."""
    peer = newest_peer()
    if peer is None:
        say("No real etcd is here (`make peers` says why), so the store stays alone.")
        return 0
    with tempfile.TemporaryDirectory(prefix="backstay-demo-") as directory:
        try:
            play(Path(directory), peer, objects=500)
        except (StoryBroken, EtcdFailed, BackstayError) as problem:
            sys.stderr.write(f"demo: {problem}\n")
            return 1
    return 0


def play(directory: Path, peer: Peer, objects: int) -> None:
    """The story, in order; everything it starts has ended when it returns."""
    backstay = partial(run_backstay, directory)
    place = ("--directory", "three")
    scene(f"The embedded store, one process, {objects} Kubernetes-shaped objects")
    server = BackstayServer(peer, directory / "store")
    with server, Client(ConnectionOptions.of([server.endpoint])) as client:
        fill(client, objects)
        expected = client.kv.range(b"\0", range_end=b"\0", count_only=True).count
    say(f"{expected} keys; the process has ended, its directory is `store`.")

    scene(f"The same directory in a real etcd {peer.version}: one member becomes three")
    up = ("cluster", "up", "--from", "store", "--members", "3", *place, "--etcd", str(peer.etcd))
    backstay(*up, "--dry-run")
    try:
        backstay(*up, "--yes")
        backstay("cluster", "status", *place)
        scene("The leader is killed while a client writes")
        say(kill_the_leader(directory / "three", expected))
        backstay("cluster", "status", *place, expected=3)
        scene("It comes back, and catches up")
        backstay("cluster", "up", *place)
        backstay("cluster", "status", *place)
    finally:
        if (directory / "three" / "cluster.json").exists():
            backstay("cluster", "down", *place, "--purge", "--yes")


def kill_the_leader(directory: Path, expected: int) -> str:
    """Write, kill, write on; what became of the acknowledged writes, in a sentence. Raises `StoryBroken` for a lost one."""
    cluster = load_cluster(directory)
    with Client(cluster.options()) as client:
        with writing(client) as writer:
            writer.wait_for(WRITES_BEFORE)
            name, pid = leader_of(cluster)
            os.kill(pid, signal.SIGKILL)
            begun = time.monotonic()
            writer.wait_for(1)
            seconds = time.monotonic() - begun
            writer.wait_for(WRITES_AFTER)
        promised, found = writer.promised(), held_of(client)
    lost = promised.items() - found.items()
    if lost:
        raise StoryBroken(f"{len(lost)} acknowledged writes are lost")
    if len(found) < expected + len(promised):
        raise StoryBroken(f"{expected} keys came along, and not all are there")
    return (
        f"{name} (process {pid}) was killed with -9. The first write after that took {seconds:.1f} s; "
        f"{len(promised)} were acknowledged, {writer.refused} were not, and every acknowledged one is there."
    )


def leader_of(cluster: LocalCluster) -> tuple[str, int]:
    """The name of the leader and its process."""
    for member in cluster.members:
        with Client(cluster.options(member)) as client:
            if client.maintenance.status().is_leader and (process := find_member(cluster, member)) is not None:
                return member.name, process.pid
    raise StoryBroken("the cluster has no leader")


def held_of(client: Client) -> dict[str, str]:
    """Every key and its value; values that are no text are of no interest."""
    found = client.kv.range(b"\0", range_end=b"\0")
    return {item.key.decode(): item.value.decode(errors="replace") for item in found.items}


if __name__ == "__main__":
    sys.exit(main())
