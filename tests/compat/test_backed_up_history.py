"""A living cluster with everything that happens to one, backed up at random moments: every point answers as its source did.

Puts, deletions, transactions, leases, users, roles, alarms, compactions, defragmentations, and members that are stopped or killed;
on each release of etcd and on the embedded store. What the source answered when a point was made is asked of the point again:
every range at every revision that was still held, HashKV, leases, users and roles, byte for byte the buckets.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from backstay.cli.main import run
from backstay.etcd import AlarmType, Client, Compare, ConnectionOptions, Operation
from backstay.etcd.results import KeyValue
from backstay.formats import schema
from backstay.snapshot.opened import open_file
from backstay.testing import Etcd
from backstay.values import Revision
from tests import peers
from tests.conftest import StartEtcd
from tests.etcd_process import EtcdProcess
from tests.peers import Peer

EMBEDDED = "embedded"
POINTS = 4
KEYS = [b"\0", b"a", b"a/b", b"\xff\xfe", *(b"/registry/pods/%d" % number for number in range(9))]
BUCKETS = (schema.KEY, schema.LEASE, schema.AUTH_USERS, schema.AUTH_ROLES, schema.ALARM)


@dataclass(frozen=True, slots=True)
class Answers:
    """What a server says: all keys at each revision it holds, HashKV at the newest, its leases and who may do what."""

    ranges: Mapping[int, tuple[KeyValue, ...]]
    hash_kv: int | None
    """None where the newest revision is the compacted one: 3.4 does not answer, later releases give the hash that the compaction
    computed, which is of the compact revision before."""
    leases: Mapping[int, int]
    users: Mapping[str, tuple[str, ...]]
    roles: Mapping[str, tuple[object, ...]]


def ask(client: Client, oldest: int, newest: int) -> Answers:
    """The answers of one server for the revisions from `oldest` to `newest`."""
    return Answers(
        {
            revision: tuple(client.kv.range(b"\0", range_end=b"\0", revision=Revision(revision)).items)
            for revision in range(oldest, newest + 1)
        },
        client.maintenance.hash_kv(Revision(newest)).hash if newest > oldest else None,
        {lease: client.lease.time_to_live(lease).granted_ttl_seconds for lease in sorted(client.lease.leases())},
        {user: client.auth.user_roles(user) for user in sorted(client.auth.users())},
        {role: client.auth.role_permissions(role) for role in sorted(client.auth.roles())},
    )


class Life:
    """What happens to the cluster between two backups."""

    def __init__(self, server: EtcdProcess, source: random.Random) -> None:
        self.server, self.source = server, source
        self.compacted = 1
        self.people = 0

    def client(self) -> Client:
        return Client(ConnectionOptions.of([self.server.endpoint]))

    def go_on(self) -> None:
        source = self.source
        with self.client() as client:
            leases = [0, 0, client.lease.grant(source.randrange(600, 9000)).lease_id]
            for _ in range(source.randrange(10, 40)):
                self._write(client, leases)
            if source.random() < 0.5:
                self._somebody_comes(client)
            if source.random() < 0.4:
                client.lease.revoke(leases[-1])
            if source.random() < 0.7:
                newest = client.kv.put(b"mark", b"m").header.revision
                self.compacted = max(self.compacted + 1, newest - source.randrange(0, 25))
                client.kv.compact(Revision(self.compacted), physical=True)
            if source.random() < 0.3:
                client.maintenance.defragment()
        what = source.random()
        if what < 0.6:
            self.server.stop() if what < 0.3 else self.server.kill()
            self.server.start()
            with self.client() as client:
                self._write(client, [0])

    def _write(self, client: Client, leases: list[int]) -> None:
        source = self.source
        key, value = source.choice(KEYS), source.randbytes(source.choice((0, 10, 3000)))
        what = source.random()
        if what < 0.5:
            client.kv.put(key, value, lease=source.choice(leases))
        elif what < 0.65:
            client.kv.delete_range(key)
        elif what < 0.75:
            client.kv.delete_range(key, range_end=key + b"\xff")
        else:
            chosen = source.sample(KEYS, 4)
            put = tuple(Operation.put(each, value, lease=source.choice(leases)) for each in chosen[:2])
            gone = tuple(Operation.delete_range(each) for each in chosen[2:])
            client.kv.txn((Compare.version(key, ">", source.randrange(3)),), (*put, *gone), put)

    def _somebody_comes(self, client: Client) -> None:
        self.people += 1
        name = f"person-{self.people}"
        client.auth.add_role(f"role-{self.people}")
        client.auth.add_user(name, "a password")
        client.auth.grant_role(name, f"role-{self.people}")


@pytest.mark.parametrize("release", [*peers.VERSIONS, EMBEDDED])
def test_every_point_answers_as_its_source_did(
    release: str,
    start_etcd: StartEtcd,
    start_backstay: StartEtcd,
    newest_peer: Peer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if release == EMBEDDED:
        play(release, start_backstay, newest_peer, 1, tmp_path, capsys)
    else:
        play(release, start_etcd, peers.peer(release), 1, tmp_path, capsys)


def play(
    release: str, start: StartEtcd, peer: Peer, seed: int, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One history on one server; `place` is a directory for everything."""
    environment = {"BACKSTAY_STATE_DIR": str(place / "state"), "TMPDIR": str(place)}
    repository, identity = place / "repository", str(place / "operator.key")
    repository.mkdir()
    init = ["init", str(repository), "--new-identity", identity, "--recovery-kit", str(place / "kit.txt")]
    assert run(init, environment) == 0
    source = random.Random(f"{release} {seed}")
    life = Life(start(peer), source)
    alarmed = source.randrange(POINTS)
    points: list[tuple[str, Path, Answers]] = []
    for number in range(POINTS):
        life.go_on()
        with life.client() as client:
            status = client.maintenance.status()
            if number == alarmed:
                client.maintenance.activate_alarm(status.header.member_id, AlarmType.NOSPACE)
            capsys.readouterr()
            options = ["--endpoints", life.server.endpoint]
            assert run([*options, "backup", str(repository), "-o", "json", "--quiet"], environment) == 0
            made = json.loads(capsys.readouterr().out)
            saved = place / f"saved-{number}.db"
            assert run([*options, "snapshot", "save", str(saved), "--quiet"], {}) == 0
            answers = ask(client, life.compacted, made["revision"])
            assert answers.hash_kv in (None, made["hash_kv"])
            if number == alarmed:
                client.maintenance.deactivate_alarm(status.header.member_id, AlarmType.NOSPACE)
        points.append((made["id"], saved, answers))
    life.server.stop()
    assert [number for number, (_, saved, _) in enumerate(points) if elements(saved, schema.ALARM)] == [alarmed]
    for number, (identifier, saved, answers) in enumerate(points):
        file, data = place / f"restored-{number}.db", place / f"data-{number}"
        command = ["restore", str(repository), "--to", str(file), "--at", identifier, "-i", identity, "--quiet"]
        assert run(command, environment) == 0
        for bucket in BUCKETS:
            assert elements(file, bucket) == elements(saved, bucket), f"{bucket!r} of {identifier}, seed {seed}"
        restore = ["snapshot", "restore", str(file), "--data-dir", str(data), "--keep-revision", "--quiet"]
        assert run(restore, {}) == 0
        oldest, newest = min(answers.ranges), max(answers.ranges)
        if number == POINTS - 1 and release != EMBEDDED:
            with Client(ConnectionOptions.of([start(peer, data_dir=data, ready_path="/version").endpoint])) as client:
                assert ask(client, oldest, newest) == answers, f"{identifier} of seed {seed}"
        else:
            with Etcd(data, in_process=True) as etcd, etcd.client() as client:
                assert ask(client, oldest, newest) == answers, f"{identifier} of seed {seed}"


def elements(path: Path, bucket: bytes) -> list[tuple[bytes, bytes]]:
    """All of one bucket; nothing where it is not there."""
    with open_file(path) as store:
        found = store.database.bucket(bucket)
        return [] if found is None else list(found.items())
