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
    plan = desk.json("retention", "plan", desk.place, *HURRIED)
    assert {each["id"]: each["reasons"] for each in plan["points"]}[going] == ["held"]


@pytest.mark.parametrize(
    "wrong",
    [["--keep", "daily"], ["--keep", "1d:"], ["--all-within", "1"], ["--zone", "Nowhere/At-All"], ["--zone", "../x"],
     ["--minimum-points", 0], ["--now", "soon"], ["--allow", "everything"]],
)  # fmt: skip
def test_a_policy_that_means_nothing_is_refused(desk: Desk, wrong: list[object]) -> None:
    assert desk.run("retention", "plan", desk.place, *wrong) == 2
