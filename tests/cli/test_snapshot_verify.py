"""`backstay snapshot verify`: the report in every format, and an exit status from the worst finding."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from backstay.cli.main import run
from tests import golden


def saved(tmp_path: Path, content: bytes) -> str:
    path = tmp_path / "backup.db"
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize(
    ("name", "status", "reached"),
    [
        ("00-good", 0, "coherent"),
        ("06-flip-in-value-right-trailer", 0, "coherent"),
        ("07-no-trailer", 3, "intact"),
        ("08-wrong-trailer", 4, "intact"),
        ("14b-hot-copy-plausible", 4, "intact"),
        ("15-revision-gap", 4, "authentic"),
        ("01-truncated-at-page", 4, "listed"),
    ],
)
def test_the_exit_status_is_that_of_the_worst_finding(
    name: str, status: int, reached: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["snapshot", "verify", saved(tmp_path, golden.damaged(name)), "-o", "json"], {}) == status
    assert json.loads(capsys.readouterr().out)["reached"] == reached


def test_both_meta_pages_invalid_is_a_failed_verification(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["snapshot", "verify", saved(tmp_path, golden.damaged("10-both-metas-invalid"))], {}) == 4
    out, err = capsys.readouterr()
    assert out == ""
    assert "neither meta page is valid" in err


def test_json_says_what_was_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = saved(tmp_path, golden.snapshot("3.7.3"))
    assert run(["snapshot", "verify", file, "--level", "rebuilt", "-o", "json"], {}) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["wanted"] == report["reached"] == "rebuilt"
    assert (report["revision"], report["compact_revision"], report["keys"]) == (245, 163, 15)
    assert (report["hash"], report["hash_kv"], report["trailer"]) == (3700677594, 2914402215, "right")
    by_name = {check["check"]: check for check in report["checks"]}
    assert by_name["density"]["looked_at"] == "revisions 164 to 245"
    assert by_name["trailer"]["level"] == "authentic"
    assert by_name["carried along"]["findings"][0]["code"] == "auth-enabled"
    assert {check["result"] for check in report["checks"]} == {"passed", "note"}


def test_yaml_is_the_same_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = saved(tmp_path, golden.damaged("15-revision-gap"))
    assert run(["snapshot", "verify", file, "-o", "json"], {}) == 4
    as_json = json.loads(capsys.readouterr().out)
    assert run(["snapshot", "verify", file, "-o", "yaml"], {}) == 4
    assert yaml.safe_load(capsys.readouterr().out) == as_json


def test_the_table_names_level_checks_findings_and_remedies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["snapshot", "verify", saved(tmp_path, golden.damaged("14b-hot-copy-plausible"))], {}) == 4
    out = capsys.readouterr().out
    assert "Level:    intact, not coherent\n" in out
    assert "revision 113 to 114 missing before 115" in out
    assert "hot-copy-suspected: do not restore it" in out
    assert "authentic  trailer        warning  no SHA-256 to compare with\n" in out


def test_a_release_that_is_known_is_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = saved(tmp_path, golden.damaged("00-good"))
    assert run(["snapshot", "verify", file, "--etcd-version", "3.5.1"], {}) == 0
    assert "release-suspect" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["absent.db"], 12), ([], 2), (["FILE", "--level", "perfect"], 2), (["FILE", "-o", "protobuf"], 2)],
)
def test_wrong_arguments_have_the_statuses_of_our_own_commands(
    arguments: list[str], status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = saved(tmp_path, golden.damaged("00-good"))
    assert run(["snapshot", "verify", *(file if each == "FILE" else each for each in arguments)], {}) == status
    assert "Traceback" not in capsys.readouterr().err
