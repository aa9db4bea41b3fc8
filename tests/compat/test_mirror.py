"""`ctl make-mirror` copies what is there and follows what comes, from a real etcd into another store."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backstay.cli.main import run
from backstay.etcd import Client, ConnectionOptions
from backstay.etcd.mirror import Mirror
from backstay.testing import Etcd
from tests import peers
from tests.etcd_process import EtcdProcess

SECONDS = 30.0


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdProcess]:
    with EtcdProcess(peers.newest(), tmp_path_factory.mktemp("mirror") / "etcd") as process:
        yield process


@pytest.fixture
def destination() -> Iterator[Etcd]:
    with Etcd(in_process=True) as served:
        yield served


def content(client: Client, prefix: bytes = b"") -> dict[bytes, bytes]:
    return {item.key: item.value for page in client.kv.range_pages(prefix) for item in page.items}


def until(client: Client, wanted: Callable[[dict[bytes, bytes]], bool]) -> dict[bytes, bytes]:
    """Wait until the content is as wanted."""
    deadline = time.monotonic() + SECONDS
    while not wanted(found := content(client)):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


def test_a_mirror_copies_and_follows_until_it_is_interrupted(source: EtcdProcess, destination: Etcd) -> None:
    command = [sys.executable, "-m", "backstay", "ctl", f"--endpoints={source.address}", "make-mirror"]
    flags = ["--prefix=app/", "--dest-prefix=copy/", destination.address]
    with Client(ConnectionOptions.of([source.endpoint])) as client, destination.client() as there:
        there.kv.put(b"copy/own", b"stays")
        for number in range(1200):  # more than one page
            client.kv.put(f"app/{number:04}".encode(), b"first")
        client.kv.put(b"other", b"not mirrored")
        with subprocess.Popen([*command, *flags], stdout=subprocess.PIPE) as process:
            until(there, lambda found: len(found) == 1201)
            client.kv.put(b"app/0000", b"second")
            client.kv.delete_range(b"app/1", range_end=b"app/2")
            client.kv.put(b"app/last", b"\xff\x00")
            found = until(there, lambda found: b"copy/last" in found)
            process.send_signal(signal.SIGINT)
            assert process.wait(SECONDS) == 130
        wanted = {b"copy/" + key.removeprefix(b"app/"): value for key, value in content(client, b"app/").items()}
        assert found == {**wanted, b"copy/own": b"stays"}


def test_the_changes_of_one_revision_arrive_as_one(source: EtcdProcess, destination: Etcd) -> None:
    with Client(ConnectionOptions.of([source.endpoint])) as client, destination.client() as there:
        begun = client.kv.put(b"one/start", b"").header.revision
        text = "\n" + "".join(f"put one/{number} x\n" for number in range(5)) + "\n\n"
        source.etcdctl("txn", input=text)
        mirror = Mirror(client, there, b"one/", b"one/", max_operations=3)
        follower = mirror.follow(begun + 1)
        assert [next(follower), next(follower)] == [3, 2]
        follower.close()
        revisions = {item.mod_revision for page in there.kv.range_pages(b"one/") for item in page.items}
        assert len(revisions) == 2


def test_a_dry_run_writes_nothing(
    source: EtcdProcess, destination: Etcd, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["ctl", f"--endpoints={source.address}", "make-mirror", destination.address, "--dry-run"]
    assert run(words, {}) == 0
    assert capsys.readouterr().out.startswith("Would copy ")
    with destination.client() as there:
        assert content(there) == {}
