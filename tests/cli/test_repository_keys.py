"""`recipient test|rewrap|rotate`, `revoke`, `admit`: what each changes, what it refuses, and that --dry-run changes nothing."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from backstay.crypto.slots import identity_of
from tests.backing_up import Cluster, small_history
from tests.cli.test_repository import Desk

AUDIT = identity_of(b"\6" * 32)


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    desk = Desk(tmp_path, capsys)
    desk.found()
    (tmp_path / "audit.key").write_text(AUDIT.secret)
    return desk


def stored(desk: Desk, below: str = "") -> list[str]:
    return sorted(str(path.relative_to(desk.place)) for path in (desk.place / below).rglob("*") if path.is_file())


def grown(cluster: Cluster) -> Cluster:
    cluster.put(b"later", b"%d" % cluster.revision)
    return cluster


def test_a_proof_is_dated_and_stands_in_the_list(desk: Desk) -> None:
    desk.back_up(small_history())
    assert [each["last_proven"] for each in desk.json("recipient", "list", desk.place)] == [None, None]
    tried = desk.json("recipient", "test", desk.place, "-i", desk.kit, "--dry-run")
    assert (tried["recorded"], stored(desk, "proofs")) == (False, [])
    proven = desk.json("recipient", "test", desk.place, "-i", desk.kit)
    assert proven["recorded"]
    assert [(each["label"], each["opened"], each["epochs"]) for each in proven["recipients"]] == [("recovery", 1, 1)]
    listed = {each["label"]: each["last_proven"] for each in desk.json("recipient", "list", desk.place)}
    assert listed["operator"] is None
    assert listed["recovery"].endswith("Z")
    assert desk.run("recipient", "list", desk.place) == 0
    assert "LAST PROVEN" in desk.out


def test_a_host_that_may_not_write_proves_with_the_root_key(desk: Desk) -> None:
    desk.back_up(small_history())
    elsewhere = ("recipient", "test", desk.place, "-i", desk.kit, "--state-dir", desk.directory / "elsewhere")
    assert not desk.json(*elsewhere)["recorded"]
    assert desk.json(*elsewhere, "--root-key", desk.kit)["recorded"]
    assert desk.json("recipient", "list", desk.place)[1]["last_proven"]


def test_an_epoch_that_does_not_open_is_named_and_proves_nothing(desk: Desk) -> None:
    cluster = small_history()
    desk.back_up(cluster)
    desk.json("recipient", "rotate", desk.place, "--root-key", desk.kit)
    desk.back_up(grown(cluster))
    (own,) = [each["id"] for each in desk.json("recipient", "list", desk.place) if each["label"] == "recovery"]
    slots = [name for name in stored(desk, "keys") if own in name]
    assert len(slots) == 2
    # One slot exchanged with that of another epoch: it opens, and what comes out opens nothing.
    (desk.place / slots[0]).write_bytes((desk.place / slots[1]).read_bytes())
    assert desk.run("recipient", "test", desk.place, "-i", desk.kit) == 7
    assert "DOES NOT OPEN" in desk.out
    assert [each["last_proven"] for each in desk.json("recipient", "list", desk.place)] == [None, None]
    (desk.place / slots[0]).unlink()
    assert desk.run("recipient", "test", desk.place, "-i", desk.kit) == 7
    assert "no slot" in desk.out
    assert desk.run("recipient", "test", desk.place, "-i", desk.directory / "audit.key") == 7


def test_a_rewrap_follows_the_recipients(desk: Desk) -> None:
    desk.back_up(small_history())
    keys = ("--root-key", desk.kit, "-i", desk.key)
    desk.json("recipient", "add", desk.place, "audit", AUDIT.public, *keys, "--only-new")
    assert desk.run("show", desk.place, "-i", desk.directory / "audit.key") == 0
    assert "sealed" in desk.out
    before = stored(desk)
    planned = desk.json("recipient", "rewrap", desk.place, "-i", desk.key, "--dry-run")
    assert (len(planned["missing"]), planned["stale"], planned["changed"], stored(desk)) == (1, [], False, before)
    assert desk.run("recipient", "rewrap", desk.place) == 7
    assert desk.json("recipient", "rewrap", desk.place, "-i", desk.key)["added"] == 1
    desk.json("recipient", "remove", desk.place, "operator", "--root-key", desk.kit)
    kept = desk.json("recipient", "rewrap", desk.place, "-i", desk.directory / "audit.key", "--keep-old")
    assert (kept["stale"], kept["removed"]) == ([], 0)
    assert desk.json("recipient", "rewrap", desk.place, "-i", desk.directory / "audit.key")["removed"] == 1
    assert desk.run("verify", desk.place, "-i", desk.key) == 3
    assert desk.run("verify", desk.place, "--level", "rebuilt", "-i", desk.directory / "audit.key") == 0


def test_a_rotation_begins_an_epoch_and_a_signing_key(desk: Desk) -> None:
    cluster = small_history()
    desk.back_up(cluster)
    desk.back_up(grown(cluster))
    assert len({name.split("/")[1] for name in stored(desk, "keys")}) == 1
    before = stored(desk)
    rotate = ("recipient", "rotate", desk.place, "--root-key", desk.kit)
    assert not desk.json(*rotate, "--writer-key", "--dry-run")["changed"]
    assert stored(desk) == before
    assert desk.run(*rotate[:-1], desk.key) == 7
    (directory,) = [path for path in desk.state.iterdir() if path.is_dir()]
    old = (directory / "signing.key").read_text()
    assert desk.json(*rotate, "--writer-key")["trust"] == 2
    assert (directory / "signing.key").read_text() != old
    assert not (directory / "signing.key.next").exists()
    desk.back_up(grown(cluster))
    assert len({name.split("/")[1] for name in stored(desk, "keys")}) == 2
    assert len(desk.json("list", desk.place)) == 3
    # Whoever kept the old key signs what nobody believes, and is told so.
    (directory / "signing.key").write_text(old)
    path = grown(cluster).file(desk.directory / "more.db")
    assert desk.run("backup", desk.place, "--from", path) == 7
    assert "revoked" in desk.err
    assert len(desk.json("list", desk.place)) == 3


def test_an_interrupted_rotation_is_finished_by_the_next_backup(desk: Desk) -> None:
    cluster = small_history()
    desk.back_up(cluster)
    (directory,) = [path for path in desk.state.iterdir() if path.is_dir()]
    old = (directory / "signing.key").read_text()
    desk.json("recipient", "rotate", desk.place, "--root-key", desk.kit, "--writer-key")
    (directory / "signing.key").rename(directory / "signing.key.next")
    (directory / "signing.key").write_text(old)
    desk.back_up(grown(cluster))
    assert (directory / "signing.key").read_text() != old


def test_a_writer_is_revoked_from_a_point_on_and_admitted_anew(desk: Desk) -> None:
    cluster = small_history()
    points = [desk.back_up(cluster)["id"]]
    points += [desk.back_up(grown(cluster))["id"] for _ in range(2)]
    revoke = ("revoke", desk.place, "host", "--from", points[1], "--root-key", desk.kit)
    label = desk.json("revoke", desk.place, socket.gethostname(), "--root-key", desk.kit, "--dry-run")
    assert (label["disbelieved"], label["changed"]) == ([], False)
    assert desk.run(*revoke) == 2  # nobody is called so
    revoke = ("revoke", desk.place, label["key"], *revoke[3:])
    assert desk.json(*revoke, "--dry-run")["disbelieved"] == points[1:]
    assert len(desk.json("list", desk.place)) == 3
    assert desk.json(*revoke)["disbelieved"] == points[1:]
    assert [each["id"] for each in desk.json("list", desk.place)] == points[:1]
    path = grown(cluster).file(desk.directory / "more.db")
    assert desk.run("backup", desk.place, "--from", path) == 7
    assert desk.run("check", desk.place) == 0
    desk.json("admit", desk.place, "--root-key", desk.kit, "--writer", "again")
    again = desk.back_up(grown(cluster))
    assert [each["id"] for each in desk.json("list", desk.place)] == [points[0], again["id"]]
    assert desk.run("verify", desk.place, "--all", "--level", "rebuilt", "-i", desk.key) == 0
