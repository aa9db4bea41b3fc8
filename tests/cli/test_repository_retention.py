"""`retention plan` from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.backing_up import small_history
from tests.cli.test_repository import Desk

HURRIED = ("--keep", "1h:1h", "--all-within", "0", "--minimum-points", 1)


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    desk = Desk(tmp_path, capsys)
    desk.found()
    cluster = small_history()
    for number in range(4):
        desk.back_up(cluster)
        cluster.put(b"number", b"%d" % number)
    return desk


def test_the_default_keeps_what_is_new(desk: Desk) -> None:
    plan = desk.json("retention", "plan", desk.place)
    assert (plan["kept"], plan["dropped"], plan["freed_bytes"], plan["guards"]) == (4, 0, 0, [])
    assert all(each["reasons"] for each in plan["points"])
    assert len(plan["hash"]) == 64


def test_a_refused_plan_is_printed_exits_with_9_and_is_allowed_by_name(desk: Desk) -> None:
    before = sorted(desk.place.rglob("*"))
    assert desk.run("retention", "plan", desk.place, *HURRIED) == 9
    assert "drop" in desk.out
    assert "--allow young-points" in desk.out
    allowed = ("--allow", "young-points", "--allow", "many-points", "--allow", "head-unverified")
    plan = desk.json("retention", "plan", desk.place, "-i", desk.key, *HURRIED, *allowed)
    # The oldest, the newest and the one before the window of nothing stay.
    assert (plan["kept"], plan["dropped"]) == (3, 1)
    assert not plan["refused"]
    assert sorted(desk.place.rglob("*")) == before


def test_a_hold_is_a_reason(desk: Desk) -> None:
    going = desk.json("list", desk.place)[1]["id"]
    desk.json("hold", "add", desk.place, "--at", going, "--reason", "upgrade")
    plan = desk.json("retention", "plan", desk.place, *HURRIED, *ALLOWED, "-i", desk.key)
    assert {each["id"]: each["reasons"] for each in plan["points"]}[going] == ["held"]


@pytest.mark.parametrize(
    "wrong",
    [["--keep", "daily"], ["--keep", "1d:"], ["--all-within", "1"], ["--zone", "Nowhere/At-All"], ["--zone", "../x"],
     ["--minimum-points", 0], ["--now", "soon"], ["--allow", "everything"]],
)  # fmt: skip
def test_a_policy_that_means_nothing_is_refused(desk: Desk, wrong: list[object]) -> None:
    assert desk.run("retention", "plan", desk.place, *wrong) == 2


ALLOWED = ("--allow", "young-points", "--allow", "many-points", "--allow", "head-unverified")


def test_a_plan_is_applied_by_its_hash_and_taken_back(desk: Desk) -> None:
    points = [each["id"] for each in desk.json("list", desk.place)]
    wish = (*HURRIED, *ALLOWED, "-i", desk.key)
    plan = desk.json("retention", "plan", desk.place, *wish)
    going = [each["id"] for each in plan["points"] if not each["keep"]]
    assert desk.run("retention", "apply", desk.place, *HURRIED, "-i", desk.key, "--plan", plan["hash"]) == 9
    assert "retention-refused" in desk.err
    assert desk.run("retention", "apply", desk.place, *wish, "--plan", "0" * 64) == 9
    assert plan["hash"] in desk.err
    assert not desk.json("retention", "apply", desk.place, *wish, "--plan", plan["hash"], "--dry-run")["changed"]
    assert desk.json("retention", "apply", desk.place, *wish, "--plan", plan["hash"][:8])["changed"]
    assert [each["id"] for each in desk.json("list", desk.place)] == [each for each in points if each not in going]
    assert [each["id"] for each in desk.json("list", desk.place, "--expired")] == going
    assert desk.run("restore", desk.place, "-i", desk.key, "--at", going[0], "--to", desk.directory / "x.db") == 5
    # The same plan again drops nothing, and so is another one.
    assert desk.run("retention", "apply", desk.place, *wish, "--plan", plan["hash"]) == 9
    assert desk.run("retention", "undelete", desk.place, points[-1], "--reason", "oops") == 5
    fading = [each["id"] for each in plan["points"] if each["loses_history"]]
    assert fading == points[:1] + points[2:-1]
    assert [each["id"] for each in desk.json("list", desk.place) if not each["history"]] == fading
    back = desk.json("retention", "undelete", desk.place, *going, *fading, "--reason", "the incident is open")
    assert (back["points"], back["changed"]) == ([*going, *fading], True)
    assert all(each["history"] for each in desk.json("list", desk.place))
    assert [each["id"] for each in desk.json("list", desk.place)] == points
    assert desk.run("check", desk.place, "--read-data") == 0


def test_merge_and_sweep_leave_what_stays_restorable(desk: Desk) -> None:
    wish = (*HURRIED, *ALLOWED, "-i", desk.key)
    plan = desk.json("retention", "plan", desk.place, *wish)
    kept = [each["id"] for each in plan["points"] if each["keep"]]
    desk.json("retention", "apply", desk.place, *wish, "--plan", plan["hash"])
    assert desk.run("retention", "merge", desk.place, "--state-dir", desk.directory / "other") == 7
    assert desk.json("retention", "merge", desk.place, "--dry-run")["rows"] == 1
    merged = desk.json("retention", "merge", desk.place, "-i", desk.key)
    assert (merged["rows"], merged["replaced"]) == (1, 2)
    assert desk.json("retention", "merge", desk.place, "-i", desk.key)["rows"] == 0
    waiting = desk.json("retention", "sweep", desk.place, "--dry-run")["waiting"]
    assert "marked at" in waiting[0]["why"]
    assert desk.json("retention", "sweep", desk.place)["removed"] == 0
    assert desk.run("retention", "sweep", desk.place, "--grace", "0") == 9
    assert "1 of 4 points" in desk.err
    swept = desk.json("retention", "sweep", desk.place, "--grace", "0", "--allow-many")
    assert len(swept["points"]) == 1
    assert swept["freed_bytes"] > 0
    assert [each["id"] for each in desk.json("list", desk.place)] == kept
    assert desk.run("verify", desk.place, "-i", desk.key, "--all", "--level", "rebuilt") == 0, desk.out
    assert desk.run("check", desk.place) == 0
    assert "unused" not in desk.out
    assert desk.json("list", desk.place, "--expired") == []


def test_a_lease_that_is_held_refuses_and_is_broken_by_its_number(desk: Desk) -> None:
    lease = desk.place / "gc" / "0000000000000001"
    lease.mkdir(parents=True)
    (lease / "00000000").write_text("somebody\n")
    assert desk.run("retention", "sweep", desk.place) == 11
    assert "number 1 " in desk.err
    assert desk.run("retention", "break-lease", desk.place, 2) == 11
    assert desk.json("retention", "break-lease", desk.place, 1)["changed"]
    assert desk.run("retention", "sweep", desk.place) == 0
    assert (lease / "broken").is_file()


def test_only_what_another_repository_holds_may_go(desk: Desk, tmp_path: Path) -> None:
    wish = (*HURRIED, *ALLOWED, "-i", desk.key)
    copy = tmp_path / "copy"
    copy.mkdir()
    desk.json("copy", desk.place, copy)
    plan = desk.json("retention", "plan", desk.place, *wish, "--requires-copy", copy)
    assert plan["dropped"] == 0
    assert desk.run("verify", copy, "--all", "--level", "intact") == 0
    assert desk.json("retention", "plan", desk.place, *wish, "--requires-copy", copy)["dropped"] == 1
