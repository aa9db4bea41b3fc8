"""Repositories on real servers through a proxy that misbehaves: whatever the storage does, errors are clear and nothing is lost.

versitygw (S3), Azurite and OpenSSH's sshd. The story of each: founded, ten backups with an outage in the middle of one, retention,
a copy, a restore. Then one fault after the other, with the exit status that is promised for it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from backstay.blobs import objects, retrying, sftp
from backstay.blobs.retrying import Patience
from tests import peers
from tests.backing_up import Cluster, small_history
from tests.blob_servers import AzureServer, RcloneServer, S3Server, SftpServer
from tests.cli.test_repository import Desk
from tests.faulty_proxy import PASS, REFUSE, STALL, FaultyProxy, answer, cut_after

RETAINED = ("--keep", "1h:1h", "--all-within", "0", "--minimum-points", "2", "--allow", "young-points")
RETAINED += ("--allow", "many-points", "--allow", "head-unverified")
QUICK = Patience(attempts=4, first_pause_seconds=0.02)
BODY = b"<?xml version='1.0'?><Error><Code>%s</Code><Message>said by the proxy</Message></Error>"


@dataclass(frozen=True)
class Storage:
    """A place behind a proxy, what the environment must say, and what it says with wrong credentials."""

    location: str
    proxy: FaultyProxy
    environment: Mapping[str, str]
    wrong: Mapping[str, str]


@contextmanager
def versitygw(directory: Path) -> Iterator[Storage]:
    with S3Server(peers.tool("versitygw"), directory) as server, FaultyProxy(server.port) as proxy:
        location = server.location("repository").replace(str(server.port), str(proxy.port))
        yield Storage(location, proxy, server.environment, {"AWS_SECRET_ACCESS_KEY": "guessed"})


@contextmanager
def azurite(directory: Path) -> Iterator[Storage]:
    with AzureServer(peers.tool("azurite"), directory) as server, FaultyProxy(server.port) as proxy:
        location = server.location("repository").replace(str(server.port), str(proxy.port))
        yield Storage(location, proxy, server.environment, {"AZURE_STORAGE_KEY": "Z3Vlc3NlZA=="})


@contextmanager
def sshd(directory: Path) -> Iterator[Storage]:
    server = SftpServer(peers.tool("sshd"), directory)
    try:
        with server, FaultyProxy(server.port) as proxy:
            location = server.location(server.directory("repository")).replace(str(server.port), str(proxy.port), 1)
            known = directory / "known_hosts_of_proxy"
            known.write_text(server.known_hosts.read_text().replace(str(server.port), str(proxy.port)))
            wrong = directory / "wrong_key"
            wrong.write_bytes(server.host_key.export_private_key())
            environment = {**server.environment, "BACKSTAY_SFTP_KNOWN_HOSTS": str(known)}
            yield Storage(location, proxy, environment, {"BACKSTAY_SFTP_KEY": str(wrong)})
    finally:
        server.remove()


@pytest.fixture(params=[versitygw, azurite, sshd], ids=lambda made: made.__name__)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    with request.param(tmp_path) as found:
        yield found


class Hand(Desk):
    """The commands with a storage instead of a directory."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str], storage: Storage) -> None:
        super().__init__(directory, capsys)
        self.storage = storage
        self.place = storage.location  # type: ignore[assignment]

    def run(self, *arguments: object, **environment: str) -> int:
        return super().run(*arguments, **{**self.storage.environment, **environment})

    def snapshot(self, cluster: Cluster) -> Path:
        """The cluster as a file; it goes on meanwhile."""
        path = cluster.file(self.directory / f"{cluster.revision}.db")
        cluster.put(b"/registry/pods/%d" % cluster.revision, b"x" * 3000)
        return path


@pytest.fixture
def hand(tmp_path: Path, capsys: pytest.CaptureFixture[str], storage: Storage, monkeypatch: pytest.MonkeyPatch) -> Hand:
    monkeypatch.setattr(retrying, "Patience", lambda: QUICK)
    return Hand(tmp_path, capsys, storage)


def test_ten_backups_an_outage_in_the_middle_of_one_retention_a_copy_and_a_restore(hand: Hand) -> None:
    hand.found()
    cluster, made = small_history(), []
    for number in range(1, 11):
        path = hand.snapshot(cluster)
        if number == 6:
            hand.storage.proxy.behave(cut_after(4000))
            assert hand.run("backup", hand.place, "--from", path) == 8
            assert "storage-" in hand.err
            hand.storage.proxy.behave(PASS)
            assert len(hand.json("list", hand.place)) == 5
        made.append(hand.json("backup", hand.place, "--from", path)["id"])
    listed = hand.json("list", hand.place, "-i", hand.key)
    assert [each["id"] for each in listed] == made
    assert hand.run("verify", hand.place, "--all", "--level", "rebuilt", "-i", hand.key) == 0, hand.err
    wish = (*RETAINED, "-i", hand.key)
    planned = hand.json("retention", "plan", hand.place, *wish)
    assert len(planned["points"]) == 10
    hand.storage.proxy.behave(cut_after(2000))
    assert hand.run("retention", "apply", hand.place, *wish, "--plan", planned["hash"]) in (8, 9)
    hand.storage.proxy.behave(PASS)
    if hand.run("retention", "apply", hand.place, *wish, "--plan", planned["hash"]) != 0:
        assert "retention-changed" in hand.err  # the cut came behind the mark
    # Most of the points at once: what a thief of an agent's key would mark, so it has to be asked for.
    assert hand.run("retention", "sweep", hand.place, "--grace", "0") == 9
    assert hand.json("retention", "sweep", hand.place, "--grace", "0", "--allow-many")["removed"] > 0
    stay = [each["id"] for each in planned["points"] if each["keep"]]
    assert [each["id"] for each in hand.json("list", hand.place)] == stay
    assert 1 < len(stay) < 10
    assert hand.run("verify", hand.place, "--all", "--level", "rebuilt", "-i", hand.key) == 0, hand.err
    copy = hand.directory / "copy"
    copy.mkdir()
    hand.json("copy", hand.place, copy)
    for source, target in ((hand.place, "one.db"), (copy, "two.db")):
        hand.json("restore", source, "--to", hand.directory / target, "--at", stay[-2], "-i", hand.kit)
    assert (hand.directory / "one.db").read_bytes() == (hand.directory / "two.db").read_bytes()


def test_whatever_the_storage_does_errors_are_clear_and_nothing_is_lost(
    hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand.found()
    cluster = small_history()
    first = hand.json("backup", hand.place, "--from", hand.snapshot(cluster))["id"]
    proxy, target = hand.storage.proxy, hand.directory / "out.db"

    def refused(status: int, code: str, **environment: str) -> None:
        """Neither a backup nor a restore comes through, and both say why."""
        assert hand.run("backup", hand.place, "--from", hand.snapshot(cluster), **environment) == status, hand.err
        assert code in hand.err
        assert "next:" in hand.err
        assert hand.run("restore", hand.place, "--to", target, "-i", hand.key, **environment) == status, hand.err
        assert code in hand.err
        assert not target.exists()
        assert not list(hand.directory.glob("out.db*"))

    refused(7, "storage-denied", **hand.storage.wrong)
    proxy.behave(REFUSE)
    refused(8, "storage-")
    if not hand.place.startswith("sftp:"):
        proxy.behave(
            answer(403, BODY % (b"RequestTimeTooSkewed" if hand.place.startswith("s3") else b"AuthenticationFailed"))
        )
        refused(7, "clock of this host")
        proxy.behave(answer(503, BODY % (b"SlowDown" if hand.place.startswith("s3") else b"ServerBusy")))
        refused(8, "storage-busy")
        proxy.behave(answer(507, BODY % b"InsufficientStorage"))
        assert hand.run("backup", hand.place, "--from", hand.snapshot(cluster)) == 8
        assert "storage-" in hand.err
        # Throttled for a while, and then let through: patience is enough.
        proxy.behave(answer(503, BODY % (b"SlowDown" if hand.place.startswith("s3") else b"ServerBusy"), times=2))
        hand.json("list", hand.place)
        assert proxy.answered == 2
    monkeypatch.setattr(objects, "_SILENCE", timedelta(seconds=0.3))
    monkeypatch.setattr(objects, "_CONNECT", timedelta(seconds=0.3))
    monkeypatch.setattr(sftp, "CONNECT_SECONDS", 0.3)
    monkeypatch.setattr(sftp, "KEEPALIVE_SECONDS", 0.1)
    proxy.behave(STALL)
    began = time.monotonic()
    refused(8, "storage-")
    assert time.monotonic() - began < 15
    proxy.behave(PASS)
    monkeypatch.undo()
    assert [each["id"] for each in hand.json("list", hand.place)] == [first]
    last = hand.json("backup", hand.place, "--from", hand.snapshot(cluster))["id"]
    assert hand.run("verify", hand.place, "--all", "--level", "rebuilt", "-i", hand.key) == 0, hand.err
    assert [each["id"] for each in hand.json("list", hand.place)] == [first, last]


def test_a_server_that_overwrites_gets_no_repository_whatever_is_promised(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrying, "Patience", lambda: QUICK)
    desk = Desk(tmp_path, capsys)
    with RcloneServer(peers.tool("rclone"), tmp_path) as server:
        made = ("init", server.location("repository"), "--new-identity", desk.key, "--recovery-kit", desk.kit)
        for promise in ((), ("--single-writer",)):
            assert desk.run(*made, *promise, **server.environment) == 9
            assert "repository-unsafe" in desk.err
    assert not desk.key.exists()
    assert not [path for path in (tmp_path / "rclone").rglob("*") if path.is_file()]
