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


def test_retention_of_a_name_goes_by_the_tier_of_its_cluster_unless_a_rule_is_given(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    say(capsys, "init", "near", "--new-identity", root / "operator.key", "--recovery-kit", root / "kit")
    answer(capsys, "backup", "near", "--from", small_history().file(root / "1.db"))
    plan = answer(capsys, "retention", "plan", "near")
    assert plan["policy"].startswith("rules 15m:90d; all within 7 days")
    assert plan["policy_from"].startswith("the tier critical of eu in ")
    shorter = answer(capsys, "retention", "plan", "near", "--all-within", "2d", "--minimum-points", "5")
    assert shorter["policy"].startswith("rules 15m:90d; all within 2 days, 0:00:00; points 5")
    own = answer(capsys, "retention", "plan", "near", "--keep", "1d:30d")
    assert (own["policy"][:13], own["policy_from"]) == ("rules 1d:30d;", "--keep")
    by_location = answer(capsys, "retention", "plan", root / "place")
    assert by_location["policy_from"] == "the default"
    assert answer(capsys, "retention", "apply", "near", "--plan", plan["hash"])["policy_from"] == plan["policy_from"]
    answer(capsys, "retention", "sweep", "near")


def test_where_several_clusters_have_copies_a_plan_asks_which_is_meant(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = '\n[clusters.us]\nendpoints = ["http://127.0.0.1:2"]\ntier = "staging"\nrepositories = ["near"]\n'
    with (root / "work" / "backstay.toml").open("a", encoding="utf-8") as file:
        file.write(more)
    say(capsys, "init", "near", "--new-identity", root / "operator.key", "--recovery-kit", root / "kit")
    for number, cluster in enumerate(("eu", "us")):
        answer(
            capsys, "backup", "near", "--cluster", cluster, "--from", small_history(number).file(root / f"{number}.db")
        )
    _, said = say(capsys, "retention", "plan", "near", status=2)
    assert "eu of the tier critical, us of the tier staging" in said
    assert answer(capsys, "retention", "plan", "near", "--cluster", "us")["policy"].startswith("rules 6h:14d;")
    answer(capsys, "retention", "sweep", "near")


def test_what_a_backup_stores_under_a_name_is_locked_where_the_configuration_says_so(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = root / "work" / "backstay.toml"
    file.write_text(file.read_text().replace("identity =", "lock = true\nidentity ="), encoding="utf-8")
    say(capsys, "init", "near", "--new-identity", root / "operator.key", "--recovery-kit", root / "kit")
    made = answer(capsys, "backup", "near", "--from", small_history().file(root / "1.db"))
    for each in made["runs"]:
        place = root / "place" / each["name"]
        assert (place.parent / f".until-{place.name}").exists(), each["name"]
    explained, _ = say(capsys, "config", "explain", "eu")
    assert "locked against deletion" in explained
