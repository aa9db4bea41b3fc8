"""`backstay config check` and `config explain`: what they print, what they exit with, and which file they take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from backstay.cli.main import run

TEXT = """\
[repositories.near]
location = "file:///srv/backups"

[clusters.eu]
endpoints = ["https://10.0.0.11:2379"]
tier = "critical"
repositories = ["near"]

[clusters.test]
endpoints = ["https://10.0.0.12:2379"]
tier = "development"
repositories = ["near"]
"""
WRONG = TEXT.replace("tier =", "teir =").replace("file:///", "fiel:///")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "backstay.toml"
    path.write_text(TEXT, encoding="utf-8")
    return path


def answer(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> Any:
    assert run(["config", *words, "-o", "json"], {}) == status
    return json.loads(capsys.readouterr().out)


def test_a_file_that_is_right(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "check"], {}) == 0
    assert capsys.readouterr().out == "backstay.toml: no mistakes; 2 clusters, 1 repository, 0 own tiers\n"
    said = answer(capsys, "check")
    assert (said["file"], said["clusters"], said["mistakes"]) == ("backstay.toml", ["eu", "test"], [])


def test_every_mistake_has_a_line_that_editors_find(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(WRONG, encoding="utf-8")
    assert run(["config", "check"], {}) == 2
    lines = capsys.readouterr().out.splitlines()
    assert [each.partition(": ")[0] for each in lines] == ["backstay.toml:2", "backstay.toml:6", "backstay.toml:11"]
    assert lines[1].endswith("did you mean `tier`?")
    said = answer(capsys, "check", status=2)
    assert [each["line"] for each in said["mistakes"]] == [2, 6, 11]
    assert set(said["mistakes"][0]) == {"line", "key", "problem", "expected", "suggestion"}
    # Whoever needs the configuration hears all of it too.
    assert run(["config", "explain"], {}) == 2
    assert capsys.readouterr().err.count("backstay.toml:") == 4


def test_what_is_promised(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (eu,) = answer(capsys, "explain", "eu")
    assert (eu["tier"], eu["every"], eu["keep"], eu["rto"], eu["rpo"]) == ("critical", "15m", "90d", "5m", "15m")
    assert eu["interval_seconds"] == 750
    assert eu["copies"][0]["location"] == "/srv/backups"
    assert eu["missing"] == [
        "a second copy",
        "a copy on another storage system",
        "a copy at another site",
        "a copy in an object store",
        "a plain copy, readable without backstay",
    ]
    assert run(["config", "explain", "-o", "yaml"], {}) == 0
    assert [each["cluster"] for each in yaml.safe_load(capsys.readouterr().out)] == ["eu", "test"]
    assert run(["config", "explain", "eu"], {}) == 0
    assert "12m30s after the last has started, so that each ends within 15m" in capsys.readouterr().out


def test_a_cluster_that_is_not_there(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "explain", "ue"], {}) == 2
    assert "it has eu, test" in capsys.readouterr().err


def test_the_file_that_was_named_counts(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = file.parent / "other.toml"
    other.write_text(WRONG, encoding="utf-8")
    assert run(["config", "check", "other.toml"], {}) == 2
    assert run(["config", "check", "--config", "other.toml"], {}) == 2
    assert run(["config", "check"], {"BACKSTAY_CONFIG": str(other)}) == 2
    assert run(["config", "check", "--config", "backstay.toml"], {"BACKSTAY_CONFIG": str(other)}) == 0
    capsys.readouterr()
    assert run(["config", "check", "gone.toml"], {}) == 2
    assert "configuration-not-found" in capsys.readouterr().err
