"""`serve --from REPO`: a point as a read-only etcd, of which nothing is left on a disk, however it ends."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from backstay.errors import BackstayError
from backstay.testing import Etcd
from tests.backing_up import CANARY, Cluster
from tests.cli.test_repository import Desk
from tests.cli.test_serve import log_of, value_of


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    desk, cluster = Desk(tmp_path, capsys), Cluster()
    desk.found()
    cluster.put(b"a", b"one")
    desk.back_up(cluster, "--tag", "first")
    cluster.put(b"a", b"two")
    cluster.put(b"a", CANARY)
    desk.back_up(cluster)
    for path in tmp_path.glob("*.db"):
        path.unlink()
    (tmp_path / "scratch").mkdir()
    return desk


def serving(desk: Desk, at: str, **more: str) -> Etcd:
    flags = {
        "from": str(desk.place), "at": at, "identity": str(desk.key), "state-dir": str(desk.state),
        "scratch": str(desk.directory / "scratch"), "log-level": "info",
    }  # fmt: skip
    return Etcd(flags={**flags, **more})


def test_a_point_is_served_and_a_kill_leaves_no_value_on_the_disk(desk: Desk, tmp_path: Path) -> None:
    with serving(desk, "latest") as etcd:
        assert value_of(etcd, b"a") == CANARY
        assert any(line["msg"] == "rebuilding a backup" for line in log_of(etcd))
        with etcd.client() as client:
            assert client.kv.get(b"a", revision=3).value == b"two"  # type: ignore[union-attr]
            with pytest.raises(BackstayError, match="read-only"):
                client.kv.put(b"a", b"4")
        assert not any((desk.directory / "scratch").iterdir())
        assert etcd.pid is not None
        os.kill(etcd.pid, signal.SIGKILL)
        etcd.wait()
        left = [path for path in desk.directory.rglob("*") if path.is_file() and CANARY in path.read_bytes()]
        assert left == []


@pytest.mark.parametrize(("at", "value"), [("first", b"one"), ("3", b"two")])
def test_a_point_or_a_revision_between_is_chosen(desk: Desk, at: str, value: bytes) -> None:
    with serving(desk, at) as etcd:
        assert value_of(etcd, b"a") == value
        saved = etcd.snapshot(desk.directory / "saved.db")
    assert desk.json("get", saved, "a")["text"] == value.decode()


def test_a_unit_names_the_point_and_what_is_no_point_is_refused(desk: Desk) -> None:
    arguments = ("--from", desk.place, "--at", "first", "-i", desk.key)
    assert desk.run("serve", *arguments, "--print-systemd-unit") == 0
    assert "--at=first" in desk.out
    assert desk.run("serve", "--at", "first") == 2
    assert desk.run("serve", "--from", desk.place, "--at", "999", "-i", desk.key) == 5
    assert desk.run("serve", "--from", desk.place) == 7
    assert desk.run("serve", "--from", desk.key, "--at", "latest") == 2
