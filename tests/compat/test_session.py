"""Locks and elections by our client and by etcdctl exclude each other, because both follow one recipe."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from backstay import errors
from backstay.errors import BackstayError
from backstay.etcd import Client, ConnectionOptions
from backstay.etcd.session import Candidate, Mutex, Session, leaders
from tests import peers
from tests.etcd_process import EtcdProcess

SECONDS = 30.0


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdProcess]:
    with EtcdProcess(peers.newest(), tmp_path_factory.mktemp("session") / "etcd") as process:
        yield process


@pytest.fixture
def client(etcd: EtcdProcess) -> Iterator[Client]:
    with Client(ConnectionOptions.of([etcd.endpoint])) as opened:
        yield opened


@contextmanager
def etcdctl(etcd: EtcdProcess, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A running etcdctl, which is interrupted at the end of the block."""
    command = [str(etcd.peer.etcdctl), f"--endpoints={etcd.endpoint}", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(SECONDS)


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


def entering(client: Client, name: bytes, entered: threading.Event) -> threading.Thread:
    """A candidate that enters in a thread and leaves at once."""

    def enter() -> None:
        with Session(client, ttl_seconds=10) as session, Mutex(session, name):
            entered.set()

    thread = threading.Thread(target=enter)
    thread.start()
    return thread


def waiting(client: Client, prefix: bytes, count: int) -> None:
    """Wait until so many candidates stand below the prefix."""
    with client.watch(prefix, range_end=prefix[:-1] + bytes([prefix[-1] + 1]), start_revision=1) as watcher:
        keys: set[bytes] = set()
        for batch in watcher:
            keys |= {event.item.key for event in batch.events if event.is_create}
            if len(keys) >= count:
                return


def test_the_second_waits_until_the_first_is_gone(client: Client) -> None:
    entered = threading.Event()
    with Session(client, ttl_seconds=10) as session:
        with Mutex(session, b"ours") as held:
            assert held.key.startswith(b"ours/")
            thread = entering(client, b"ours", entered)
            waiting(client, b"ours/", 2)
            assert not entered.is_set()
        assert entered.wait(SECONDS)
        thread.join(SECONDS)
    assert client.kv.range(b"ours/", range_end=b"ours0").count == 0


def test_the_lock_of_etcdctl_keeps_us_out(client: Client, etcd: EtcdProcess) -> None:
    entered = threading.Event()
    with etcdctl(etcd, "lock", "theirs") as process:
        assert line(process).startswith("theirs/")
        thread = entering(client, b"theirs", entered)
        waiting(client, b"theirs/", 2)
        assert not entered.is_set()
    assert entered.wait(SECONDS)
    thread.join(SECONDS)


def test_our_lock_keeps_etcdctl_out(client: Client, etcd: EtcdProcess) -> None:
    with etcdctl_behind_our_lock(client, etcd) as process:
        assert process.poll() is None
    assert process.returncode == 0


@contextmanager
def etcdctl_behind_our_lock(client: Client, etcd: EtcdProcess) -> Iterator[subprocess.Popen[str]]:
    """An `etcdctl lock` that waits for ours, and runs its program when we leave."""
    with Session(client, ttl_seconds=10) as session, Mutex(session, b"held"):
        process = subprocess.Popen([str(etcd.peer.etcdctl), f"--endpoints={etcd.endpoint}", "lock", "held", "true"])
        waiting(client, b"held/", 2)
        yield process
    process.wait(SECONDS)


def test_the_leaders_that_etcdctl_makes_are_seen(client: Client, etcd: EtcdProcess) -> None:
    with closing(leaders(client, b"election")) as seen:
        with etcdctl(etcd, "elect", "election", "first"):
            assert next(seen)[1].value == b"first"
        with etcdctl(etcd, "elect", "election", "second"):
            assert next(seen)[1].value == b"second"


def test_a_lease_that_ends_ends_the_session_and_the_waiting(client: Client, tmp_path: Path) -> None:
    with Session(client, ttl_seconds=3) as session:
        client.lease.revoke(session.lease_id)
        assert session.ended.wait(SECONDS)
    failures: list[BackstayError] = []
    with Session(client, ttl_seconds=10) as holding, Session(client, ttl_seconds=10) as losing:

        def wait() -> None:
            with pytest.raises(BackstayError) as failed:
                Candidate(losing, b"lost").enter()
            failures.append(failed.value)

        with Mutex(holding, b"lost"):
            thread = threading.Thread(target=wait)
            thread.start()
            waiting(client, b"lost/", 2)
            client.lease.revoke(losing.lease_id)
        thread.join(SECONDS)
    assert [failure.kind for failure in failures] == [errors.SESSION_ENDED]
