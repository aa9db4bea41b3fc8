"""REPO as a name of backstay.toml: every command takes it, with the settings that belong to it; a wrong name is answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from backstay.cli.main import run
from tests.backing_up import Cluster, small_history

TEXT = """\
state_dir = "{root}/state"

[repositories.near]
location = "{root}/place"
identity = "{root}/operator.key"

[repositories.plain]
form = "plain"
location = "{root}/files"
recipients = ["age1mwp9q5q40wk7kczq4txyh9t4nkckc0vmzlt0p2ec87ml7uykcq6qtljyct"]

[clusters.eu]
endpoints = ["http://127.0.0.1:1"]
tier = "critical"
repositories = ["near", "plain"]
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "place").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    (tmp_path / "work" / "backstay.toml").write_text(TEXT.format(root=tmp_path), encoding="utf-8")
    return tmp_path


def say(capsys: pytest.CaptureFixture[str], *words: object, status: int = 0) -> tuple[str, str]:
    assert run([str(each) for each in words], {"TMPDIR": "/tmp"}) == status, capsys.readouterr().err
    captured = capsys.readouterr()
    return captured.out, captured.err


def answer(capsys: pytest.CaptureFixture[str], *words: object) -> Any:
    return json.loads(say(capsys, *words, "-o", "json", "--quiet")[0])


def test_a_name_stands_for_place_state_identity_and_cluster(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    say(capsys, "init", "near", "--new-identity", root / "operator.key", "--recovery-kit", root / "kit")
    assert (root / "place" / "backstay.json").exists()
    assert list((root / "state").iterdir())
    cluster: Cluster = small_history()
    made = answer(capsys, "backup", "near", "--from", cluster.file(root / "1.db"))
    assert made["cluster"] == "eu"
    (listed,) = answer(capsys, "list", "near")
    assert not listed["sealed"]  # the configured identity opened it
    (root / "operator.key").rename(root / "elsewhere")
    (listed,) = answer(capsys, "list", "near")
    assert listed["sealed"]
    assert answer(capsys, "verify", "near", "--identity", root / "elsewhere")["points"]


def test_a_misspelt_name_is_answered_with_the_nearest(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, said = say(capsys, "list", "naer", status=2)
    assert "did you mean `near`?" in said
    assert "backstay.toml" in said
    _, said = say(capsys, "list", "plain", status=2)
    assert "age, zstd and etcdutl" in said


def test_a_location_needs_no_configuration_and_meets_no_mistake_in_it(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "work" / "backstay.toml").write_text("[", encoding="utf-8")
    say(capsys, "init", root / "place", "--plaintext", "--state-dir", root / "own")
    say(capsys, "list", root / "place", "--state-dir", root / "own")
    say(capsys, "list", "near", status=2)
    (root / "work" / "near").mkdir()
    _, said = say(capsys, "list", "near", status=10)  # the directory, in which nothing is
    assert "init" in said


def test_the_cluster_of_the_configuration_is_reached_as_it_says(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    say(capsys, "init", "near", "--plaintext")
    _, said = say(capsys, "backup", "near", "--dial-timeout", "1s", status=12)
    assert "127.0.0.1:1" in said
