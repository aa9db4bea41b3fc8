"""`backstay cluster`: a real cluster on this machine, new, restored and grown; its leader is killed while it is written to."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from backstay.cli.main import run
from backstay.cluster.local import load_cluster
from backstay.cluster.local.processes import find_member
from backstay.errors import BackstayError
from backstay.etcd import Client
from backstay.formats import requests
from backstay.store.durable import Founder, StoreOptions, checkpoint, open_store
from tests import peers
from tests.acknowledged import held, writing
from tests.conftest import StartEtcd
from tests.etcd_process import EtcdCluster
from tests.peers import Peer
from tests.storing import do, keys_of, put

ROOT = Path(__file__).resolve().parents[2]
GROWING = (*(pytest.param(version, marks=pytest.mark.soak) for version in ("3.4.23", "3.5.35", "3.6.16")), "3.7.3")
"""The others grow to two members below."""
JOINING = ("3.4.23", *(pytest.param(each, marks=pytest.mark.soak) for each in ("3.5.1", "3.5.35", "3.6.16")), "3.7.3")


class Cluster(Protocol):
    """Run `backstay cluster VERB` on the directory of the test; gives its JSON. `status` is the exit status to expect."""

    def __call__(self, verb: str, *options: object, status: int = 0) -> Any: ...


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "three.cluster"


@pytest.fixture
def cluster(directory: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Cluster]:
    """The commands; whatever runs afterwards is ended."""

    def command(verb: str, *options: object, status: int = 0) -> Any:
        capsys.readouterr()
        words = ["cluster", verb, "--directory", directory, *options, "-o", "json"]
        found = run([str(word) for word in words], {"PATH": os.environ["PATH"]})
        said = capsys.readouterr()
        assert found == status, said.err
        return json.loads(said.out) if said.out else said.err

    yield command
    if (directory / "cluster.json").exists():
        command("down", "--purge", "--yes")


def written_store(data: Path, founder: Founder | None = None) -> tuple[dict[str, str], int]:
    """A directory as the embedded store leaves it: history, a compaction, a lease with a key, a user and a role."""
    store = open_store(data, options=StoreOptions(founder or Founder(), segment_size=16_384))
    do(store, requests.LeaseGrant(ttl=5000, id=77))
    for number in range(300):
        put(store, f"key-{number % 100:03}", f"value {number}" * 10)
    put(store, "held", "leased", lease=77)
    do(store, requests.DeleteRange(key=b"key-003"))
    do(store, requests.Compaction(revision=150))
    do(store, requests.UserAdd(name="alice", options=requests.UserOptions(no_password=True)))
    checkpoint(store)  # the log is cut, so etcd has to send the whole store to who joins
    do(store, requests.RoleAdd(name="reader"))
    put(store, "last", "word")
    expected, revision = keys_of(store), store.state.revision
    store.close()
    return expected, revision


@pytest.mark.parametrize("version", GROWING)
def test_a_store_grows_to_three_members_and_loses_no_write_with_its_leader(
    version: str, cluster: Cluster, directory: Path, tmp_path: Path
) -> None:
    data = tmp_path / "store"
    expected, revision = written_store(data)
    grown = cluster("up", "--from", data, "--etcd", peers.peer(version).etcd, "--yes")
    assert grown["is_proven"] and grown["revision"] == revision
    whole = load_cluster(directory)
    with Client(whole.options()) as client:
        for member in whole.members:
            with Client(whole.options(member)) as own:
                assert held(own) == expected
        assert client.lease.time_to_live(77, keys=True).keys == (b"held",)
        assert client.auth.users() == ("alice",) and client.auth.roles() == ("reader",)
        with writing(client) as writer:
            writer.wait_for(20)
            leader = kill_the_leader(directory)
            writer.wait_for(200)
        after = held(client)
    assert writer.promised().items() <= after.items()
    assert expected.items() <= after.items()
    limping = cluster("status", status=3)
    assert limping["serves"] and {each["role"] for each in limping["members"] if each["name"] == leader} == {"stopped"}
    cluster("up")
    healed = cluster("status")
    assert len({each["revision"] for each in healed["members"]}) == 1
    down = cluster("down", "--purge", "--yes")
    assert len(down["stopped"]) == 3 and str(data) in down["kept"]
    assert not directory.exists() and data.exists()
    with pytest.raises(BackstayError) as refused:
        open_store(data)
    assert refused.value.kind.code == "directory-several-members"


def kill_the_leader(directory: Path) -> str:
    """Kill whoever leads; the name."""
    whole, deadline = load_cluster(directory), time.monotonic() + 30
    while time.monotonic() < deadline:
        for member in whole.members:
            with Client(whole.options(member)) as client, contextlib.suppress(BackstayError):
                process = find_member(whole, member)
                if client.maintenance.status().is_leader and process is not None:
                    os.kill(process.pid, signal.SIGKILL)
                    return member.name
    raise AssertionError("nobody leads")


def test_a_new_cluster_with_certificates_stops_and_starts_again(
    cluster: Cluster, directory: Path, newest_peer: Peer
) -> None:
    planned = cluster("up", "--tls", "--etcd", newest_peer.etcd, "--name", "tried", "--dry-run")
    assert planned["is_new"] and not directory.exists()
    up = cluster("up", "--tls", "--etcd", newest_peer.etcd, "--name", "tried")
    assert [each["name"] for each in up["cluster"]["members"]] == ["tried-1", "tried-2", "tried-3"]
    assert up["environment"]["ETCDCTL_CACERT"] == str(directory / "pki" / "etcd" / "ca.crt")
    whole = load_cluster(directory)
    with Client(whole.options()) as client:
        client.kv.put(b"a", b"1")
        assert all(url.startswith("https:") for each in client.cluster.members().members for url in each.peer_urls)
    status = cluster("status")
    assert sorted(each["role"] for each in status["members"]) == ["follower", "follower", "leader"]
    assert all(each["healthy"] and each["lag"] is not None for each in status["members"])
    assert len(cluster("down")["stopped"]) == 3
    assert cluster("status", status=12)["serves"] is False
    assert cluster("up")["cluster"]["members"] == up["cluster"]["members"]
    with Client(whole.options()) as client:
        assert held(client) == {"a": "1"}
    for contradiction in (["--members", "5"], ["--from", str(directory)], ["--name", "other"]):
        assert "cluster-differs" in cluster("up", *contradiction, status=9)


def test_a_backup_is_served_by_three_members(
    cluster: Cluster, newest_peer: Peer, start_etcd: StartEtcd, directory: Path, tmp_path: Path
) -> None:
    etcd = start_etcd(newest_peer)
    for number in range(20):
        etcd.etcdctl("put", f"/registry/pods/default/pod-{number}", f"value {number}")
    etcd.etcdctl("snapshot", "save", str(tmp_path / "backup.db"))
    up = cluster("up", "--from", tmp_path / "backup.db", "--etcd", newest_peer.etcd)
    assert up["is_proven"] and up["revision"] > 1_000_000_000  # they look like Kubernetes, so the revision was raised
    whole = load_cluster(directory)
    for member in whole.members:
        with Client(whole.options(member)) as client:
            assert len(held(client)) == 20


@pytest.mark.parametrize("version", JOINING)
def test_who_joins_a_restored_store_has_everything(
    version: str, cluster: Cluster, directory: Path, tmp_path: Path
) -> None:
    """The keys of a restore are in no entry of its log, so the log must not be what a new member is sent."""
    expected, revision = written_store(tmp_path / "store")
    restored = tmp_path / "restored"
    assert run(["snapshot", "restore", str(tmp_path / "store"), "--data-dir", str(restored), "-w", "json"], {}) == 0
    up = cluster("up", "--from", restored, "--etcd", peers.peer(version).etcd, "--members", 2, "--yes")
    assert up["is_proven"] and up["revision"] == revision
    whole = load_cluster(directory)
    with Client(whole.options(whole.members[1])) as client:
        assert held(client) == expected


def test_a_store_with_users_grows_for_root_alone(cluster: Cluster, start_etcd: StartEtcd, directory: Path) -> None:
    release = peers.peer("3.6.16")
    etcd = start_etcd(release)
    etcd.etcdctl("put", "a", "1")
    for words in ("user add root:secret", "user grant-role root root", "auth enable"):
        etcd.etcdctl(*words.split())
    etcd.kill()
    assert "has users" in cluster("up", "--from", etcd.data_dir, "--etcd", release.etcd, "--yes", status=2)
    assert not directory.exists()
    up = cluster(
        "up", "--from", etcd.data_dir, "--etcd", release.etcd, "--yes", "--members", 2, "--user", "root:secret", "--tls"
    )
    assert up["is_proven"]
    whole = load_cluster(directory)
    assert all(each["healthy"] for each in cluster("status", "--user", "root:secret")["members"])
    with Client(whole.options(whole.members[1], user="root", password="secret")) as client:
        assert held(client) == {"a": "1"}


def test_what_cannot_grow_is_refused_and_left_alone(
    cluster: Cluster, start_etcd: StartEtcd, directory: Path, tmp_path: Path
) -> None:
    newest, older = peers.peer("3.7.3"), peers.peer("3.6.16")
    running = start_etcd(newest)
    wanted = ["--etcd", newest.etcd, "--yes"]
    assert "directory-in-use" in cluster("up", "--from", running.data_dir, *wanted, status=9)
    running.stop()
    assert "etcd-program-old" in cluster("up", "--from", running.data_dir, "--etcd", older.etcd, "--yes", status=2)
    old = start_etcd(peers.peer("3.5.35"))
    old.stop()
    assert "etcd-program-new" in cluster("up", "--from", old.data_dir, *wanted, status=2)
    with EtcdCluster(older, tmp_path / "many", names=("one", "two")) as many:
        many.kill()
    assert "directory-several-members" in cluster("up", "--from", tmp_path / "many" / "one", *wanted, status=9)
    (tmp_path / "text").write_text("this is no snapshot")
    cluster("up", "--from", tmp_path / "text", *wanted, status=4)
    assert "cluster-absent" in cluster("down", status=2)
    assert not directory.exists()
    directory.mkdir()
    (directory / "mine").write_text("keep")
    assert "target-exists" in cluster("up", "--etcd", newest.etcd, status=9)
    (directory / "mine").unlink()
    assert "etcd-program-missing" in cluster("up", "--etcd", "/bin/true", status=2)
    (directory / "cluster.json").write_text('{"format": 1, "members": [{"name": "../../x"}]}')
    assert "format-invalid" in cluster("down", status=4)
    (directory / "cluster.json").unlink()


def test_an_etcd_that_does_not_start_is_explained_and_cleaned_up(
    cluster: Cluster, directory: Path, tmp_path: Path
) -> None:
    newest = peers.peer("3.7.3")
    broken = tmp_path / "etcd"
    broken.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && exec {newest.etcd} --version\n'
        'echo \'{"level":"fatal","msg":"planted failure"}\' >&2\nexit 1\n'
    )
    broken.chmod(0o755)
    assert "planted failure" in cluster("up", "--etcd", broken, status=4)
    down = cluster("down", "--purge", "--yes")
    assert down["stopped"] == [] and not directory.exists()


@pytest.mark.parametrize(
    "appeared, sent", [("1.process.json", signal.SIGINT), ("2.process.json", signal.SIGKILL)], ids=["SIGINT", "SIGKILL"]
)
def test_an_interrupted_start_is_cleaned_up_or_goes_on(
    appeared: str, sent: signal.Signals, cluster: Cluster, directory: Path, tmp_path: Path
) -> None:
    release = peers.peer("3.5.35")
    data = tmp_path / "store"
    expected, _ = written_store(data)
    words = ["cluster", "up", "--directory", str(directory), "--from", str(data), "--yes", "--members", "2"]
    command = [sys.executable, "-m", "backstay", *words, "--etcd", str(release.etcd)]
    interrupted = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while not (directory / appeared).exists():
        with contextlib.suppress(subprocess.TimeoutExpired):
            interrupted.wait(0.005)
        assert interrupted.returncode is None
    interrupted.send_signal(sent)
    _, said = interrupted.communicate()
    if sent is signal.SIGINT:
        assert interrupted.returncode == 130
        assert f"backstay cluster down --directory {directory}" in said
    whole = load_cluster(directory)
    if appeared == "2.process.json":
        cluster("up")
        for member in whole.members:
            with Client(whole.options(member)) as client:
                assert held(client) == expected
    cluster("down", "--purge", "--yes")
    assert not directory.exists()
    assert all(find_member(whole, member) is None for member in whole.members)


def test_a_process_that_took_the_id_of_a_member_is_never_signalled(cluster: Cluster, directory: Path) -> None:
    newest = peers.peer("3.7.3")
    cluster("up", "--etcd", newest.etcd, "--members", 1)
    cluster("down")
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert other.stdin is not None
    try:
        note = directory / "1.process.json"
        said = json.loads(note.read_text())
        note.write_text(json.dumps(said | {"pid": other.pid}))
        assert cluster("down", "--purge", "--yes")["stopped"] == []
        assert other.poll() is None
    finally:
        other.communicate(b"\n")
    assert other.returncode == 0
