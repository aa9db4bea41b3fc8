"""`restore` of a repository: revisions between points, members of a new cluster, leases; `tag`; `backup --hold`."""

from __future__ import annotations

from pathlib import Path

import pytest

from backstay.formats import schema
from backstay.snapshot.opened import open_directory, open_file
from tests.backing_up import Cluster
from tests.cli.test_repository import Desk

THREE = "a=http://127.0.0.1:1,b=http://127.0.0.1:2,c=http://127.0.0.1:3"


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    desk, cluster = Desk(tmp_path, capsys), Cluster()
    desk.found()
    cluster.leases[0x10] = 60
    cluster.put(b"/registry/leased", b"x", 0x10)
    cluster.put(b"/registry/namespaces/shop", b"here")
    desk.back_up(cluster, "--tag", "first")
    cluster.put(b"/registry/short", b"lived")
    cluster.delete(b"/registry/short")
    cluster.put(b"/registry/pods/a", b"1")
    desk.back_up(cluster)
    return desk


def test_a_revision_between_points_comes_back_as_a_file(desk: Desk) -> None:
    target = desk.directory / "between.db"
    report = desk.json("restore", desk.place, "--to", target, "--at", "before-delete:/registry/short", "-i", desk.key)
    assert (report["revision"], report["point"]["revision"]) == (4, 6)
    with open_file(target) as store:
        assert store.revision == 4
    assert desk.json("get", target, "/registry/short")["text"] == "lived"
    assert desk.run("restore", desk.place, "--to", desk.directory / "x", "--at", "4", "-i", desk.key) == 0
    assert "only keys have a history" in desk.out
    assert (desk.directory / "x").read_bytes() == target.read_bytes()


def test_directories_for_all_members_of_a_new_cluster(desk: Desk) -> None:
    new = f"{desk.directory / 'new'}/"
    arguments = ("restore", desk.place, "--to", new, "-i", desk.key, "--all-members", "--initial-cluster", THREE)
    planned = desk.json(*arguments, "--dry-run")
    assert planned["revision"] == 6
    assert not Path(new).exists()
    report = desk.json(*arguments)
    assert report["data_directory"]["revision"] == 1_000_000_006
    assert sorted(path.name for path in Path(new).iterdir()) == ["a.etcd", "b.etcd", "c.etcd"]
    databases = {path.read_bytes() for path in Path(new).glob("*.etcd/member/snap/db")}
    assert len(databases) == 1


def test_leases_end_with_their_keys_where_that_is_asked_for(desk: Desk) -> None:
    target = f"{desk.directory / 'data'}/"
    options = ("--leases", "drop-keys", "--keep-revision", "--name", "m", "--initial-cluster", "m=http://127.0.0.1:1",
               "--initial-advertise-peer-urls", "http://127.0.0.1:1")  # fmt: skip
    report = desk.json("restore", desk.place, "--to", target, "-i", desk.key, *options)
    assert report["data_directory"]["revision"] == 7
    with open_directory(Path(target)) as store:
        assert list(store.bucket_items(schema.LEASE)) == []
        assert store.revision == 7
    keys = [each["key"] for each in desk.json("keys", target)]
    assert keys == ["/registry/namespaces/shop", "/registry/pods/a"]


@pytest.mark.parametrize(
    "options",
    [("--leases", "drop"), ("--name", "x"), ("--bump-revision", "5"), ("--keep-revision",), ("--clear-alarms",)],
)
def test_a_file_is_restored_as_it_was_or_not_at_all(desk: Desk, options: tuple[str, ...]) -> None:
    assert desk.run("restore", desk.place, "--to", desk.directory / "a.db", "-i", desk.key, *options) == 2
    assert options[0] in desk.err
    assert not (desk.directory / "a.db").exists()


def test_a_tag_given_later_is_listed_shown_and_chosen(desk: Desk) -> None:
    first, second = desk.json("list", desk.place, "-i", desk.key)
    assert desk.json("tag", desk.place, second["id"], "last-good", "--dry-run")["changed"] is False
    assert desk.json("tag", desk.place, "latest", "last-good")["point"] == second["id"]
    assert desk.json("tag", desk.place, first["id"], "pre-3.7")["point"] == first["id"]
    assert [each["tags"] for each in desk.json("list", desk.place)] == [["pre-3.7"], ["last-good"]]
    assert desk.json("show", desk.place, "--at", "first", "-i", desk.key)["tags"] == ["first", "pre-3.7"]
    assert desk.json("show", desk.place, "--at", "pre-3.7")["id"] == first["id"]
    assert desk.run("tag", desk.place, "latest", "2026-11-25") == 2


def test_a_backup_is_held_from_the_start(desk: Desk) -> None:
    cluster = Cluster()
    cluster.put(b"a", b"1")
    made = desk.back_up(cluster, "--tag", "before-upgrade", "--hold")
    assert made["held"] is True
    (hold,) = desk.json("hold", "list", desk.place)
    assert hold["reason"] == "before-upgrade"
    assert desk.run("backup", desk.place, "--from", desk.directory / "2.db", "--reason", "why") == 2
    assert desk.run("backup", desk.place, "--from", desk.directory / "2.db", "--tag", "120431") == 2


def test_a_restore_leaves_no_pin(desk: Desk) -> None:
    assert desk.run("restore", desk.place, "-i", desk.key, "--to", desk.directory / "a.db") == 0
    assert not [path for path in desk.place.rglob("pins/*") if path.is_file()]
