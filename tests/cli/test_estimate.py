"""`estimate` on two snapshots: bytes as a backup writes them, and nothing left over."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.backing_up import CANARY, Cluster
from tests.cli.test_repository import Desk


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


def grown(cluster: Cluster, source: random.Random) -> None:
    for number in range(60):
        cluster.put(b"/registry/leases/%d" % (number % 20), source.randbytes(100) + CANARY)
    for number in range(10):
        cluster.put(b"/registry/events/%d" % (cluster.revision + number), source.randbytes(300))


def test_two_snapshots_tell_what_points_cost(desk: Desk) -> None:
    cluster, source = Cluster(), random.Random(1)
    for number in range(50):
        cluster.put(b"/registry/pods/%d" % number, source.randbytes(500))
    grown(cluster, source)
    first = cluster.file(desk.directory / "a.db")
    between = cluster.revision
    grown(cluster, source)
    cluster.delete(b"/registry/pods/7")
    second = cluster.file(desk.directory / "b.db")
    desk.found()
    found = desk.json("estimate", first, second, "--every", "15m", "--keep", "30d", "--price", "0.1")
    assert found["revisions"] == cluster.revision - between
    assert found["keys"] == {"updated": 20, "created": 10, "deleted": 1}
    # What it says of one more point is what a backup of it stores.
    desk.json("backup", desk.place, "--from", first)
    made = desk.json("backup", desk.place, "--from", second)
    runs = found["bytes"]["state"] + found["bytes"]["history"] + found["bytes"]["entries"]
    assert runs == pytest.approx(made["new_bytes"], rel=0.02)
    asked, *tiers = found["schedules"]
    assert (asked["points"], asked["name"]) == (2880, "asked for")
    assert [each["name"] for each in tiers] == ["development", "staging", "production", "critical"]
    assert asked["cost_per_month"] == round(asked["bytes"] / 1e9 * 0.1, 2)
    assert not [path for path in desk.directory.iterdir() if path.name.startswith("backstay")]
    assert desk.run("estimate", first, second) == 0
    assert "THINNED" in desk.out
    assert CANARY.decode() not in desk.out


def test_what_does_not_go_on_is_refused(desk: Desk) -> None:
    cluster = Cluster()
    cluster.put(b"a", b"1")
    first = cluster.file(desk.directory / "a.db")
    cluster.put(b"a", b"2")
    second = cluster.file(desk.directory / "b.db")
    assert desk.run("estimate", second, first) == 2
    assert "does not go on" in desk.err
    assert desk.run("estimate", first, second, "--keep", "1m") == 2
    assert desk.run("estimate", first, second, "--every", "soon") == 2
