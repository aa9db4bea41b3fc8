"""An evening with a broken etcd, played on this machine's loopback: `make demo`.

The embedded store is filled with Kubernetes-shaped objects, saved, looked at and verified. Then its disk is full (its quota,
which is what etcd dies of first), then its database is damaged; the snapshot is there. It is restored, the store is started
again, and the HashKV that it answers is compared with the one the restore predicted. Where a real etcd is found it opens the same
snapshot, and the store's own directory. Every `$ backstay ...` line is really run.

Everything happens below one temporary directory, which is removed at the end (`--keep` keeps it). It ends with status 1 when
any step does not do what the story says.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from backstay.cluster.local import load_cluster
from backstay.cluster.local.processes import find_member
from backstay.errors import BackstayError
from backstay.etcd import Client, ConnectionOptions, Operation
from backstay.testing import Etcd
from tests import peers
from tests.etcd_process import EtcdFailed, EtcdProcess
from tests.peers import Peer

QUOTA_BYTES = 24 << 20
OBJECTS_PER_TXN = 100
NAMESPACES = ("default", "kube-system", "production", "staging")
NAME, PEER_URL = "demo", "http://127.0.0.1:2380"
MEMBER = ("--name", NAME, "--initial-cluster", f"{NAME}={PEER_URL}", "--initial-advertise-peer-urls", PEER_URL)
SOME_REVISION = 15
WRITES, ELECTION_SECONDS = 400, 30.0
RESOURCES = ("pods", "configmaps", "secrets", "deployments", "services/specs", "events")


class StoryBroken(Exception):
    """A step did not do what the story says."""


def main(arguments: list[str]) -> int:
    """Play the evening; returns the exit status."""
    parser = argparse.ArgumentParser(description="An evening with a broken etcd.")
    parser.add_argument("--keep", action="store_true", help="keep the directory with all files")
    parser.add_argument("--objects", type=int, default=2000, help="how many objects the cluster has")
    options = parser.parse_args(arguments)
    directory = Path(tempfile.mkdtemp(prefix="backstay-demo-"))
    flags = {"name": NAME, "quota-backend-bytes": str(QUOTA_BYTES), "initial-advertise-peer-urls": PEER_URL}
    store = Etcd(directory / "data", flags=flags, waits_for_disk=True)
    try:
        play(store, directory, options.objects)
        if (peer := newest_peer()) is None:
            say("\nNo real etcd is here (`make peers` says why), so nobody else opens the snapshot.")
        else:
            show_real_etcd(store, peer, directory)
            grow(peer, directory)
    except (StoryBroken, EtcdFailed, BackstayError) as problem:
        sys.stderr.write(f"demo: {problem}\n")
        return 1
    finally:
        store.close()
        if options.keep:
            say(f"\nEverything is in {directory}.")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    return 0


def play(store: Etcd, directory: Path, objects: int) -> None:
    """The story, in order."""
    backstay = partial(run_backstay, directory)
    scene(f"18:00  A cluster: `backstay serve` with {objects} Kubernetes-shaped objects")
    store.start()
    endpoint = f"--endpoints={store.endpoint}"
    with store.client() as connection:
        fill(connection, objects)
    backstay("ctl", "endpoint", "status", "-w", "table", endpoint)
    backstay("keys", "live", "/registry/*/production/*", "--count", endpoint)

    scene("18:10  A snapshot, proven before it is kept")
    (directory / "backups").mkdir()
    backstay("snapshot", "save", "backups/", endpoint)
    snapshot = f"backups/{the_backup(directory).name}"
    backstay("snapshot", "status", snapshot, "-w", "table")
    backstay("snapshot", "verify", snapshot)

    scene("18:20  The snapshot as an etcd, at once: no restore, no copy")
    look_inside(directory / snapshot)

    scene("18:30  Friday: the disk is full")
    say(fill_the_disk(store))
    backstay("ctl", "defrag", endpoint)
    say("which gives nothing back: all of it is in use.")

    scene("18:40  Somebody restarts the machine, and the database is damaged")
    store.kill()
    damage(store.data_dir / "member" / "snap" / "db")
    say(f"the store says: {start_in_vain(store)}")
    backstay("snapshot", "verify", "data/member/snap/db", expected=4)

    scene("18:45  The snapshot is there")
    begun = time.monotonic()
    store.data_dir.rename(directory / "data.damaged")
    backstay("snapshot", "restore", snapshot, "--data-dir", "data", *MEMBER)
    predicted = json.loads(backstay("hashkv", "data/member/snap/db", "-w", "json"))
    store.start()
    seconds = time.monotonic() - begun

    scene("18:46  The proof")
    with store.client() as connection:
        compare(connection, predicted, "the store")
        backstay("keys", "live", "/registry/*/production/*", "--count", endpoint)
        connection.kv.put(b"/registry/configmaps/default/after", b"a write after the evening")
    say(f"\nTime to recovery: {seconds:.1f} seconds, from the first look at the snapshot to an etcd that serves.")


def look_inside(snapshot: Path) -> None:
    """Serve the snapshot, and ask it what any client would."""
    say(f"\n$ backstay serve --from backups/{snapshot.name} --at-revision {SOME_REVISION}")
    begun = time.monotonic()
    with Etcd(flags={"from": str(snapshot), "at-revision": str(SOME_REVISION)}) as view:
        seconds = time.monotonic() - begun
        run_backstay(
            snapshot.parent, "ctl", "get", "/registry/pods/", "--prefix", "--count-only", "-w", "fields", view_of(view)
        )
        say(f"It answered {seconds:.1f} seconds after its start.")


def view_of(view: Etcd) -> str:
    """The option that leads to it."""
    return f"--endpoints={view.endpoint}"


def show_real_etcd(store: Etcd, peer: Peer, directory: Path) -> None:
    """Real etcd opens the snapshot that the store gave, and the directory that the store wrote."""
    scene(f"18:50  {peer} opens the same snapshot, and then the store's own directory")
    with store.client() as connection:
        served = connection.maintenance.hash_kv()
    snapshot = f"backups/{the_backup(directory).name}"
    run_backstay(directory, "snapshot", "restore", snapshot, "--data-dir", "real", "--keep-revision", *MEMBER)
    predicted = json.loads(run_backstay(directory, "hashkv", "real/member/snap/db", "-w", "json"))
    with EtcdProcess(peer, directory / "real", name=NAME) as etcd, client(etcd) as connection:
        compare(connection, predicted, str(peer))
    store.stop()
    with EtcdProcess(peer, store.data_dir, name=NAME) as etcd, client(etcd) as connection:
        answered = connection.maintenance.hash_kv()
        say(f"On the store's directory: the store said {served.hash}, {peer} answers {answered.hash}.")
        if answered.hash != served.hash:
            raise StoryBroken("real etcd does not see in the store's directory what the store had")


def grow(peer: Peer, directory: Path) -> None:
    """The store's directory becomes the first of three members, and the leader dies under writes."""
    scene("19:00  One process is not enough any more: the same directory grows to three members")
    place = ["--directory", "three"]
    try:
        run_backstay(directory, "cluster", "up", "--from", "data", *place, "--etcd", str(peer.etcd), "--yes", "--quiet")
        cluster = load_cluster(directory / "three")
        status = json.loads(run_backstay(directory, "cluster", "status", *place, "-o", "json", shown=False))
        (leader,) = (member for member in cluster.members if member.name == status["leader"])
        process = find_member(cluster, leader)
        if process is None:
            raise StoryBroken("the leader is not there")
        with Client(cluster.options()) as connection:
            kept = write_across_death(connection, lambda: os.kill(process.pid, signal.SIGKILL))
        say(
            f"The leader, {leader.name}, was killed while {WRITES} keys were written; {kept} are there, none is missing."
        )
        run_backstay(directory, "cluster", "status", *place, expected=3)
    finally:
        run_backstay(directory, "cluster", "down", *place, "--purge", "--yes", "--quiet", shown=False)


def write_across_death(connection: Client, kill: Callable[[], None]) -> int:
    """Write, kill in the middle, write on; how many of the keys are there. Raises when one is not."""
    for number in range(WRITES):
        if number == WRITES // 2:
            kill()
        key, value = b"/after/%04d" % number, b"%d" % number
        deadline = time.monotonic() + ELECTION_SECONDS
        while True:
            try:
                connection.kv.put(key, value)
                break
            except BackstayError:  # nobody leads for a moment; the same write again does no harm
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
    there = [connection.kv.get(b"/after/%04d" % number) for number in range(WRITES)]
    if any(found is None or found.value != b"%d" % number for number, found in enumerate(there)):
        raise StoryBroken("an acknowledged write is gone")
    return len(there)


def the_backup(directory: Path) -> Path:
    """The one that was saved."""
    (saved,) = (directory / "backups").glob("etcd-backup-*.db")
    return saved


def newest_peer() -> Peer | None:
    """The newest real etcd in the cache of peers."""
    found = [peer for version in peers.VERSIONS if isinstance(peer := peers.find(version), Peer)]
    return max(found, key=lambda peer: [int(part) for part in peer.version.split(".")], default=None)


def client(etcd: EtcdProcess) -> Client:
    """A client of a real etcd."""
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


def fill_the_disk(store: Etcd) -> str:
    """Write until etcd refuses; returns its words."""
    with store.client() as connection:
        for number in range(1000):
            try:
                connection.kv.put(b"/registry/events/default/storm-%04d" % number, bytes(256 << 10))
            except BackstayError as refusal:
                return f"After {number} more events every write is refused: {refusal}"
    raise StoryBroken("etcd took more than its quota")


def damage(database: Path) -> None:
    """Overwrite a page here and there, as a failing disk does."""
    with database.open("r+b") as file:
        for start in range(4 * 4096, file.seek(0, 2), 128 * 4096):
            file.seek(start)
            file.write(b"\xde\xad" * 2048)


def start_in_vain(store: Etcd) -> str:
    """Start a store that cannot start; returns what it says."""
    try:
        store.start()
    except BackstayError as refusal:
        said = [line.strip() for line in refusal.why.splitlines()]
        return " ".join(line for line in said if line.startswith(("Error:", "where:", "why:")))[:300]
    raise StoryBroken("the store started on a damaged database")


def compare(connection: Client, predicted: dict[str, int], who: str) -> None:
    """The HashKV that the server answers must be the predicted one."""
    answered = connection.maintenance.hash_kv()
    say(f"HashKV at revision {predicted['hashRevision']}: predicted {predicted['hash']}, {who} answers {answered.hash}")
    if (answered.hash, answered.compact_revision) != (predicted["hash"], predicted["compactRevision"]):
        raise StoryBroken(f"{who} does not hold what the snapshot holds")


def run_backstay(
    place: Path,
    *arguments: str,
    expected: int = 0,
    shown: bool = True,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run one command of ours in `place` as a user would, show it, and return its standard output."""
    if shown:
        say(f"\n$ backstay {' '.join(arguments)}")
    done = subprocess.run(
        [sys.executable, "-m", "backstay", *arguments],
        cwd=place,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env={**os.environ, **(environment or {})},
        text=True,
        check=False,
    )
    if shown:
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
