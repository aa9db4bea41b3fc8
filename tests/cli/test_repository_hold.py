"""`hold add`, `hold list`, `hold remove` from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.backing_up import small_history
from tests.cli.test_repository import Desk


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    desk = Desk(tmp_path, capsys)
    desk.found()
    desk.back_up(small_history())
    return desk


def test_a_hold_is_added_listed_and_released(desk: Desk) -> None:
    (point,) = desk.json("list", desk.place)
    planned = desk.json("hold", "add", desk.place, "--reason", "upgrade", "--dry-run")
    assert (planned["points"], planned["changed"]) == ([point["id"]], False)
    assert desk.json("hold", "list", desk.place) == []
    made = desk.json("hold", "add", desk.place, "--reason", "upgrade", "--until", "2999-01-01")
    (listed,) = desk.json("hold", "list", desk.place)
    assert listed["id"] == made["id"]
    assert (listed["until"], listed["points"], listed["active"]) == ("2999-01-01T00:00:00Z", [point["id"]], True)
    assert desk.run("hold", "list", desk.place) == 0
    assert "upgrade" in desk.out
    assert not desk.json("hold", "remove", desk.place, made["id"], "--reason", "done", "--dry-run")["released"]
    assert desk.json("hold", "remove", desk.place, made["id"], "--reason", "done")["released"]["reason"] == "done"
    assert desk.json("hold", "list", desk.place) == []
    assert [each["id"] for each in desk.json("hold", "list", desk.place, "--ended")] == [made["id"]]
    assert desk.run("hold", "remove", desk.place, made["id"], "--reason", "again") == 2


@pytest.mark.parametrize(
    "wrong", [["--until", "soon"], ["--until", "2001-01-01"], ["--reason", " "], ["--reason", "x" * 501]]
)
def test_a_hold_that_means_nothing_is_refused(desk: Desk, wrong: list[str]) -> None:
    assert desk.run("hold", "add", desk.place, "--reason", "upgrade", *wrong) == 2
    assert desk.json("hold", "list", desk.place) == []


def test_a_host_without_a_key_holds_nothing(desk: Desk) -> None:
    elsewhere = {"BACKSTAY_STATE_DIR": str(desk.directory / "elsewhere")}
    assert desk.run("hold", "add", desk.place, "--reason", "upgrade", **elsewhere) == 7
