"""`snapshot verify` and `hashkv` on data directories: the log's tail counts, and damage of either is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backstay.cli.main import run
from tests import golden

DIRECTORIES = golden.KILLED + golden.COMPACTING


@pytest.mark.parametrize("name", DIRECTORIES)
def test_a_killed_directory_is_verified_with_the_tail_of_its_log(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = golden.unpack(name, tmp_path / "data")
    assert run(["snapshot", "verify", str(directory), "-o", "json"], {}) in (0, 3)
    report = json.loads(capsys.readouterr().out)
    assert report["revision"] == golden.expectation(name)["revision"]
    assert report["trailer"] == "not due"
    assert report["reached"] == "intact"
    failed = [check for check in report["checks"] if check["result"] == "error"]
    assert failed == []


@pytest.mark.parametrize("name", DIRECTORIES)
def test_hash_kv_of_a_killed_directory_is_what_the_server_answered(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = golden.unpack(name, tmp_path / "data")
    release = name.partition("/")[0]
    wanted = golden.expectation(name)
    # Every fifth and the newest: opening applies the log each time, and tests/unit/snapshot asks for all of them.
    for revision, answer, compact, *_ in wanted["hashkv"][::-5]:
        assert run(["hashkv", str(directory), "--rev", str(revision), "--as", release, "-w", "json"], {}) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["hash"], found["compactRevision"]) == (answer, compact), revision


@pytest.mark.parametrize("name", golden.DAMAGED_DIRS)
def test_a_damaged_directory_never_ends_in_a_traceback(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = golden.unpack(name, tmp_path / "data")
    assert run(["snapshot", "verify", str(directory), "-o", "json"], {}) in (0, 3, 4)
    out, err = capsys.readouterr()
    assert "unexpected" not in err
    assert out or "fit together" in err or "not" in err


def test_a_directory_of_another_kind_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["snapshot", "verify", str(tmp_path)], {}) == 2
    assert "is not etcd's data directory" in capsys.readouterr().err
