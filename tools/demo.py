"""An evening with a broken etcd, played on this machine's loopback: `make demo`.

A real etcd is filled with Kubernetes-shaped objects, saved, looked at and verified. Then its disk is full (its quota, which
is what etcd dies of first), then its database is damaged; the snapshot is there. It is restored, etcd is started again, and the
HashKV that it answers is compared with the one the restore predicted. Every `$ backstay ...` line is really run.

Everything happens below one temporary directory, which is removed at the end (`--keep` keeps it). It ends with status 1 when
any step does not do what the story says.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from backstay.errors import BackstayError
from backstay.etcd import Client, ConnectionOptions, Operation
from tests import peers
from tests.etcd_process import EtcdFailed, EtcdProcess
from tests.peers import Peer

QUOTA_BYTES = 24 << 20
OBJECTS_PER_TXN = 100
NAMESPACES = ("default", "kube-system", "production", "staging")
RESOURCES = ("pods", "configmaps", "secrets", "deployments", "services/specs", "events")


class StoryBroken(Exception):
    """A step did not do what the story says."""


def main(arguments: list[str]) -> int:
    """Play the evening; returns the exit status."""
    parser = argparse.ArgumentParser(description="An evening with a broken etcd.")
    parser.add_argument("--keep", action="store_true", help="keep the directory with all files")
    parser.add_argument("--objects", type=int, default=2000, help="how many objects the cluster has")
    options = parser.parse_args(arguments)
    peer = newest_peer()
    if peer is None:
        sys.stderr.write("demo: no real etcd is here; `make peers` says why\n")
        return 1
    directory = Path(tempfile.mkdtemp(prefix="backstay-demo-"))
    etcd = EtcdProcess(peer, directory / "data", extra_args=[f"--quota-backend-bytes={QUOTA_BYTES}"])
    try:
        play(etcd, directory, options.objects)
    except (StoryBroken, EtcdFailed, BackstayError) as problem:
        sys.stderr.write(f"demo: {problem}\n")
        return 1
    finally:
        etcd.stop()
        if options.keep:
            say(f"\nEverything is in {directory}.")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    return 0


def play(etcd: EtcdProcess, directory: Path, objects: int) -> None:
    """The story, in order."""
    backstay = partial(run_backstay, directory)
    scene(f"18:00  A cluster: {etcd.peer} with {objects} Kubernetes-shaped objects")
    etcd.start()
    endpoint = f"--endpoints={etcd.endpoint}"
    with client(etcd) as connection:
        fill(connection, objects)
    backstay("keys", "live", "/registry/*/production/*", "--count", endpoint)

    scene("18:10  A snapshot, proven before it is kept")
    (directory / "backups").mkdir()
    backstay("snapshot", "save", "backups/", endpoint)
    (saved,) = (directory / "backups").glob("etcd-backup-*.db")
    snapshot = f"backups/{saved.name}"
    backstay("snapshot", "status", snapshot, "-w", "table")
    backstay("snapshot", "verify", snapshot)

    scene("18:30  Friday: the disk is full")
    say(fill_the_disk(etcd))

    scene("18:40  Somebody restarts the machine, and the database is damaged")
    etcd.kill()
    database = etcd.data_dir / "member" / "snap" / "db"
    damage(database)
    say(f"etcd says: {start_in_vain(etcd)}")
    backstay("snapshot", "verify", "data/member/snap/db", expected=4)

    scene("18:45  The snapshot is there")
    begun = time.monotonic()
    etcd.data_dir.rename(directory / "data.damaged")
    member = ["--data-dir", "data", "--name", etcd.name, "--initial-cluster", f"{etcd.name}={etcd.peer_url}"]
    backstay("snapshot", "restore", snapshot, *member, "--initial-advertise-peer-urls", etcd.peer_url)
    predicted = json.loads(backstay("hashkv", "data/member/snap/db", "-w", "json"))
    etcd.start()
    seconds = time.monotonic() - begun

    scene("18:46  The proof")
    with client(etcd) as connection:
        compare(connection, predicted)
        backstay("keys", "live", "/registry/*/production/*", "--count", endpoint)
        connection.kv.put(b"/registry/configmaps/default/after", b"a write after the evening")
    say(f"\nTime to recovery: {seconds:.1f} seconds, from the first look at the snapshot to an etcd that serves.")


def newest_peer() -> Peer | None:
    """The newest real etcd in the cache of peers."""
    found = [peer for version in peers.VERSIONS if isinstance(peer := peers.find(version), Peer)]
    return max(found, key=lambda peer: [int(part) for part in peer.version.split(".")], default=None)


def client(etcd: EtcdProcess) -> Client:
    """A client of the demo's etcd."""
    return Client(ConnectionOptions.of([etcd.endpoint]))


def fill(connection: Client, objects: int) -> None:
    """Write the objects, some of them several times, as a living cluster does."""
    chance = random.Random(1)
    batch: list[Operation] = []
    for key, value in kubernetes_objects(objects, chance):
        batch.append(Operation.put(key, value))
        if len(batch) == OBJECTS_PER_TXN:
            connection.kv.txn((), tuple(batch))
            batch = []
    if batch:
        connection.kv.txn((), tuple(batch))
    for number in range(200):
        connection.kv.put(b"/registry/leases/kube-system/kube-scheduler", b"k8s\0renewed %d" % number)


def kubernetes_objects(count: int, chance: random.Random) -> Iterator[tuple[bytes, bytes]]:
    """Keys as the API server writes them, and values that look like its own."""
    for number in range(count):
        resource = RESOURCES[number % len(RESOURCES)]
        key = f"/registry/{resource}/{chance.choice(NAMESPACES)}/object-{number:05d}"
        yield key.encode(), b"k8s\0\n\x0c\n\x02v1\x12\x06Object" + chance.randbytes(chance.randrange(200, 2000))


def fill_the_disk(etcd: EtcdProcess) -> str:
    """Write until etcd refuses; returns its words."""
    with client(etcd) as connection:
        for number in range(1000):
            try:
                connection.kv.put(b"/registry/events/default/storm-%04d" % number, bytes(256 << 10))
            except BackstayError as refusal:
                return f"After {number} more events every write is refused: {refusal}"
    raise StoryBroken("etcd took more than its quota")


def damage(database: Path) -> None:
    """Overwrite every eighth page of the database, as a failing disk does."""
    with database.open("r+b") as file:
        for start in range(4 * 4096, file.seek(0, 2), 8 * 4096):
            file.seek(start)
            file.write(b"\xde\xad" * 2048)


def start_in_vain(etcd: EtcdProcess) -> str:
    """Start an etcd that cannot start; returns the telling line of its log."""
    try:
        etcd.start(seconds=15)
    except EtcdFailed:
        lines = [line for line in etcd.log_tail(80).splitlines() if "panic" in line or '"fatal"' in line]
        return (lines or etcd.log_tail(1).splitlines() or ["nothing"])[0][:200]
    finally:
        etcd.kill()
    raise StoryBroken("etcd started on a damaged database")


def compare(connection: Client, predicted: dict[str, int]) -> None:
    """The HashKV that the server answers must be the predicted one."""
    answered = connection.maintenance.hash_kv()
    say(f"HashKV at revision {predicted['hashRevision']}: predicted {predicted['hash']}, etcd answers {answered.hash}")
    if (answered.hash, answered.compact_revision) != (predicted["hash"], predicted["compactRevision"]):
        raise StoryBroken("the restored etcd does not hold what the snapshot holds")


def run_backstay(place: Path, *arguments: str, expected: int = 0) -> str:
    """Run one command of ours in `place` as a user would, show it, and return its standard output."""
    say(f"\n$ backstay {' '.join(arguments)}")
    done = subprocess.run(
        [sys.executable, "-m", "backstay", *arguments],
        cwd=place,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    say(done.stdout.rstrip("\n"))
    if done.returncode != expected:
        raise StoryBroken(f"`backstay {arguments[0]} ...` ended with status {done.returncode}, not {expected}")
    return done.stdout


def scene(title: str) -> None:
    """The next scene of the story."""
    say(f"\n=== {title}")


def say(text: str) -> None:
    """Text for the audience, in order with what the commands print."""
    if text:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
