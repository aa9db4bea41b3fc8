"""A data directory goes from `backstay serve` to a real etcd and back, both killed with -9 under load: nothing is lost.

Every handover compares HashKV: what the directory promises when nobody runs is what the next server answers.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from backstay import errors
from backstay.errors import BackstayError
from backstay.etcd import Client, ConnectionOptions, Credentials, Operation
from backstay.etcd.results import Permission, PermissionType
from backstay.formats.hashkv import rule_of
from backstay.snapshot.hash import HashKV, hash_kv_of
from backstay.snapshot.opened import open_directory, open_file
from backstay.values import Revision
from tests import peers
from tests.acknowledged import held, writing
from tests.conftest import StartEtcd
from tests.etcd_process import EtcdCluster, EtcdFailed, EtcdProcess
from tests.etcd_server import BackstayServer
from tests.peers import Peer


def releases(*in_every_run: str) -> list[object]:
    """All releases; those that are not named run with `make soak`."""
    others = [pytest.param(each, marks=pytest.mark.soak) for each in peers.VERSIONS if each not in in_every_run]
    return [*in_every_run, *others]


OFTEN = ("--snapshot-count=150",)
"""Checkpoints, and raft snapshots, while the test writes."""


def client_of(process: EtcdProcess, user: str = "", password: str = "") -> Client:
    return Client(ConnectionOptions.of([process.endpoint], Credentials(user=user, password=password)))


def promised_by(data: Path, version: str) -> HashKV:
    """What a server of this release must answer on the directory, read without one."""
    with open_directory(data) as store:
        return hash_kv_of(store, Revision(0), rule_of(version))


def settle(client: Client) -> None:
    """Keys with history, a compaction, leases with and without keys, users with passwords, a role with a right."""
    for number in range(120):
        client.kv.put(b"key-%02d" % (number % 40), b"value %d" % number * 10)
    client.kv.delete_range(b"key-07")
    client.lease.grant(5000, lease_id=77)
    client.lease.grant(6000, lease_id=78)
    client.kv.put(b"held", b"leased", lease=77)
    client.kv.compact(60)
    client.auth.add_role("reader")
    client.auth.grant_permission("reader", Permission(PermissionType.READ, b"key-", b"key."))
    client.auth.add_user("alice", "wonderland")
    client.auth.grant_role("alice", "reader")


def serves_what_was_settled(client: Client) -> None:
    assert client.lease.time_to_live(77, keys=True).keys == (b"held",)
    assert 4900 < client.lease.time_to_live(77).ttl_seconds <= 5000
    assert sorted(client.lease.leases()) == [77, 78]
    assert client.auth.users() == ("alice",) and client.auth.user_roles("alice") == ("reader",)
    (permission,) = client.auth.role_permissions("reader")
    assert (permission.kind, permission.key, permission.range_end) == (PermissionType.READ, b"key-", b"key.")


def load_and_kill(process: EtcdProcess, prefix: str, writes: int = 150) -> dict[str, str]:
    """Two writers, and the end in the middle of it; what they were promised."""
    with (
        client_of(process) as one,
        client_of(process) as two,
        writing(one, f"{prefix}-one") as first,
        writing(two, f"{prefix}-two") as second,
    ):
        first.wait_for(writes)
        process.kill()
    return first.promised() | second.promised()


def takes_over(process: EtcdProcess, version: str, promised: dict[str, str]) -> None:
    """Start on what the other left, and hold it to what the directory promises and the clients were promised."""
    wanted = promised_by(process.data_dir, version)
    process.start()
    with client_of(process) as client:
        found = client.maintenance.hash_kv(wanted.revision)
        assert (found.hash, found.compact_revision) == (wanted.hash, wanted.compact_revision)
        assert promised.items() <= held(client).items()
        assert len(client.cluster.members().members) == 1


@pytest.mark.parametrize("version", releases("3.4.23", "3.7.3"))
def test_nothing_is_lost_between_backstay_and_etcd_when_both_are_killed(
    version: str, start_backstay: StartEtcd, tmp_path: Path
) -> None:
    release = peers.peer(version)
    server = start_backstay(release, tmp_path / "data", extra_args=OFTEN)
    assert isinstance(server, BackstayServer)
    with client_of(server) as client:
        settle(client)
        client.maintenance.defragment()  # a checkpoint: 3.4 cannot read passwords of our log, see below
    promised = load_and_kill(server, "ours")
    etcd = server.as_etcd()
    try:
        takes_over(etcd, version, promised)
        with client_of(etcd) as client:
            serves_what_was_settled(client)
        promised |= load_and_kill(etcd, "theirs")
    finally:
        etcd.kill()
    takes_over(server, "3.7.3", promised)
    with client_of(server) as client:
        serves_what_was_settled(client)
        client.kv.put(b"last", b"word")
    server.stop()
    try:
        takes_over(etcd, version, promised | {"last": "word"})
        with client_of(etcd) as client:
            client.auth.add_user("root", "secret")
            client.auth.grant_role("root", "root")
            client.auth.enable()
        with client_of(etcd, "alice", "wonderland") as alice:  # the password that the other server has hashed
            assert alice.kv.range(b"key-01").count == 1
    finally:
        etcd.kill()


@pytest.mark.soak
@pytest.mark.parametrize("version", peers.VERSIONS)
def test_a_directory_changes_hands_again_and_again(version: str, start_backstay: StartEtcd, tmp_path: Path) -> None:
    chance = random.Random(version)
    release = peers.peer(version)
    server = start_backstay(release, tmp_path / "data", extra_args=OFTEN)
    assert isinstance(server, BackstayServer)
    promised = load_and_kill(server, "0")
    etcd = server.as_etcd()
    try:
        for number in range(1, 25):
            process, rule = chance.choice([(server, "3.7.3"), (etcd, version)])
            takes_over(process, rule, promised)
            with client_of(process) as client:
                shake(client, chance)
            promised |= load_and_kill(process, str(number), writes=chance.randint(1, 200))
    finally:
        etcd.kill()


def shake(client: Client, chance: random.Random) -> None:
    """What a log holds beside puts: leases, transactions, deletions of ranges, compactions."""
    lease = client.lease.grant(chance.randint(60, 9000)).lease_id
    for number in range(chance.randint(0, 40)):
        key = b"shaken-%02d" % chance.randrange(60)
        operations = (
            Operation.put(key, b"%d" % number, lease=lease if number % 2 else 0),
            Operation.delete_range(b"gone"),
        )
        client.kv.txn((), operations)
    client.kv.delete_range(b"shaken-2", range_end=b"shaken-4")
    if chance.random() < 0.5:
        client.lease.revoke(lease)
    revision = client.kv.put(b"gone", b"soon").header.revision
    if chance.random() < 0.5:
        client.kv.compact(chance.randint(revision - 20, revision), physical=chance.random() < 0.5)


@pytest.mark.parametrize("version", releases("3.4.23", "3.6.16"))
def test_backstay_goes_on_where_a_real_etcd_was_killed(
    version: str, start_backstay: StartEtcd, start_etcd: StartEtcd, tmp_path: Path
) -> None:
    release = peers.peer(version)
    etcd = start_etcd(release, tmp_path / "data")
    with client_of(etcd) as client:
        settle(client)
        client.auth.add_user("root", "secret")
        client.auth.grant_role("root", "root")
    promised = load_and_kill(etcd, "theirs", writes=60)
    etcd.start()
    with client_of(etcd) as client:
        client.auth.add_user("late", "to the party")  # in the log alone, where 3.4 has it in clear text
        etcd.kill()
    server = BackstayServer(release, tmp_path / "data")
    try:
        takes_over(server, "3.7.3", promised)
        with client_of(server) as client:
            client.auth.enable()
        with client_of(server, "late", "to the party") as late, pytest.raises(BackstayError, match="permission denied"):
            late.kv.range(b"a")
        server.kill()
        server.start()  # what was hashed at the first start is durable
        with client_of(server, "late", "to the party") as late, pytest.raises(BackstayError, match="permission denied"):
            late.kv.range(b"a")
        with client_of(server, "root", "secret") as root:
            assert root.auth.users() == ("alice", "late", "root")
            assert root.kv.put(b"from", b"backstay").header.revision > 120
        with client_of(server, "alice", "wonderland") as alice:
            assert alice.kv.range(b"key-01").count == 1
    finally:
        server.kill()
    etcd.start()
    with client_of(etcd, "root", "secret") as root:
        assert (promised | {"from": "backstay"}).items() <= held(root).items()


def may_log_in(process: EtcdProcess, password: str) -> bool:
    with client_of(process) as client:
        try:
            return bool(client.auth.authenticate("alice", password))
        except BackstayError as problem:
            assert problem.kind is errors.AUTHENTICATION_FAILED
            return False


@pytest.mark.parametrize("version", releases("3.4.23", "3.5.35"))
def test_passwords_go_along_and_never_become_empty_ones(
    version: str, start_backstay: StartEtcd, tmp_path: Path
) -> None:
    """3.4 cannot read a hash in the log, and would take it for an empty password. It can once the store was stopped."""
    release = peers.peer(version)
    server = start_backstay(release, tmp_path / "killed")
    assert isinstance(server, BackstayServer)
    with client_of(server) as client:
        for name in ("root", "alice"):
            client.auth.add_user(name, "wonderland")
        client.auth.add_role("root")
        client.auth.grant_role("root", "root")
        client.auth.enable()
    server.kill()
    shutil.copytree(tmp_path / "killed", tmp_path / "stopped")
    with server.as_etcd() as etcd:
        assert may_log_in(etcd, "wonderland") is (release.release >= (3, 5))
        assert not may_log_in(etcd, "")
    server = start_backstay(release, tmp_path / "stopped")
    assert isinstance(server, BackstayServer)
    server.stop()
    with server.as_etcd() as etcd:
        assert may_log_in(etcd, "wonderland")
        assert not may_log_in(etcd, "")


def test_a_member_of_several_is_refused_with_an_explanation(newest_peer: Peer, tmp_path: Path) -> None:
    with EtcdCluster(newest_peer, tmp_path / "many", names=("one", "two")) as many:
        many.kill()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "many" / "one").rglob("*")}
    server = BackstayServer(newest_peer, tmp_path / "many" / "one")
    with pytest.raises(EtcdFailed, match="belongs to a member of a cluster of 2"):
        server.start()
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "many" / "one").rglob("*")} == before


@pytest.mark.parametrize("version", releases("3.4.23", "3.7.3"))
def test_a_snapshot_of_backstay_is_one_to_etcds_own_tools(
    version: str, start_backstay: StartEtcd, start_etcd: StartEtcd, tmp_path: Path
) -> None:
    release = peers.peer(version)
    server = start_backstay(release, extra_args=OFTEN)
    with client_of(server) as client:
        settle(client)
        expected, answered = held(client), client.maintenance.hash_kv()
    saved = tmp_path / "saved.db"
    server.etcdctl("snapshot", "save", str(saved))
    with open_file(saved) as store:
        wanted = hash_kv_of(store, Revision(0), rule_of(version))

    def utility(*words: object) -> str:
        command = [str(release.etcdutl or release.etcdctl), *map(str, words)]
        environment = {"ETCDCTL_API": "3"} if release.etcdutl is None else {}
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout

    status = json.loads(utility("snapshot", "status", saved, "-w", "json"))
    assert status["revision"] == answered.revision
    if release.release >= (3, 6):
        assert status["totalKey"] == len(expected)
    if release.release >= (3, 7):  # the one of 3.6 panics where keys have leases
        shutil.copy(saved, tmp_path / "copy.db")  # `etcdutl hashkv` writes to what it reads
        told = json.loads(utility("hashkv", tmp_path / "copy.db", "-w", "json"))
        assert (told["hash"], told["hashRevision"]) == (answered.hash, answered.revision)
        assert told["compactRevision"] == answered.compact_revision
    utility("snapshot", "restore", saved, "--data-dir", tmp_path / "restored")
    etcd = start_etcd(release, tmp_path / "restored")
    with client_of(etcd) as client:
        assert held(client) == expected
        assert client.maintenance.hash_kv(answered.revision).hash == wanted.hash
        serves_what_was_settled(client)


def test_a_directory_climbs_from_3_4_to_3_7_and_comes_back(
    start_backstay: StartEtcd, start_etcd: StartEtcd, tmp_path: Path
) -> None:
    """3.7 refuses the bare v2 requests that 3.4 and 3.5 write, so 3.6 must take a snapshot in between, as in any upgrade."""
    data = tmp_path / "data"
    server = start_backstay(peers.peer("3.4.23"), data)
    with client_of(server) as client:
        settle(client)
    server.stop()
    for version in ("3.4.23", "3.5.35", "3.6.16", "3.7.3"):
        etcd = start_etcd(peers.peer(version), data, extra_args=("--snapshot-count=20",))
        with client_of(etcd) as client:
            for number in range(60):
                client.kv.put(b"on " + version.encode(), b"%d" % number)
            serves_what_was_settled(client)
        etcd.stop()
    server.start()
    with client_of(server) as client:
        serves_what_was_settled(client)
        assert {f"on {version}" for version in ("3.4.23", "3.5.35", "3.6.16", "3.7.3")} <= set(held(client))
