"""Commands that look at two sources: what is said about a repository is not said of the other one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.backing_up import Cluster
from tests.cli.test_repository import Desk


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    """A repository of the cluster `shop` with two points, and the file `now.db` of the time after them."""
    desk, cluster = Desk(tmp_path, capsys), Cluster()
    desk.found()
    for name in ("kept", "lost"):
        put(cluster, name)
    desk.back_up(cluster, "--cluster", "shop", "--tag", "first")
    put(cluster, "later")
    desk.back_up(cluster, "--cluster", "shop")
    cluster.delete(b"/registry/configmaps/shop/lost")
    cluster.file(tmp_path / "now.db")
    return desk


def put(cluster: Cluster, name: str) -> None:
    metadata = {"name": name, "namespace": "shop", "uid": name}
    document = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata}
    cluster.put(f"/registry/configmaps/shop/{name}".encode(), json.dumps(document).encode())


def changed(desk: Desk, *words: object) -> list[tuple[str, str]]:
    """The changes that a command tells, as JSON."""
    assert desk.run("kube", *words, "-i", desk.key, "-o", "json", "--quiet") in (0, 3), desk.err
    told = json.loads(desk.out)
    return [(each["change"], each["name"]) for each in (told["changes"] if isinstance(told, dict) else told)]


@pytest.mark.parametrize("at", [(), ("--at", "latest")])
def test_cluster_and_point_are_the_repositorys(at: tuple[str, ...], desk: Desk) -> None:
    now = desk.directory / "now.db"
    said = ("--cluster", "shop", *at)
    assert changed(desk, "lost", "--from", desk.place, "--to", now, *said) == [("deleted", "lost")]
    assert changed(desk, "lost", "--from", now, "--to", desk.place, *said) == [("created", "lost")]
    assert changed(desk, "diff", desk.place, now, *said) == [("deleted", "lost")]
    words = ("kube", "export", desk.place, "--missing-in", now, *said, "-i", desk.key, "-o", "-", "--dry-run")
    assert desk.run(*words) == 0, desk.err
    assert desk.out == "60 configmaps shop/lost\n"


def test_an_older_point_is_the_first_ones_where_both_are_repositories(desk: Desk) -> None:
    assert changed(desk, "diff", desk.place, desk.place, "--cluster", "shop", "--at", "first") == [("created", "later")]
    assert changed(desk, "diff", desk.place, f"{desk.place}@first", "--cluster", "shop") == [("deleted", "later")]


def test_where_neither_is_a_repository_a_cluster_is_refused(desk: Desk) -> None:
    now = desk.directory / "now.db"
    assert desk.run("kube", "lost", "--from", now, "--to", now, "--cluster", "shop") == 2
    assert "is no repository" in desk.err
