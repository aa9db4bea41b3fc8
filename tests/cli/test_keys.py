"""`backstay keys` over a snapshot file and a data directory: what is listed, in every format, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from backstay.cli.main import run
from tests import golden

VERSION = "3.7.3"
EXPECTED = golden.expectation(f"{VERSION}/snapshot")


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    path = tmp_path / "snapshot.db"
    path.write_bytes(golden.snapshot(VERSION))
    return path


def keys(*arguments: object) -> int:
    return run(["keys", *map(str, arguments)], {})


def test_json_has_every_key_with_its_revisions(snapshot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text in EXPECTED["ranges"]:
        assert keys(snapshot, "--rev", text, "-o", "json", "--sizes") == 0
        listed = json.loads(capsys.readouterr().out)
        wanted = EXPECTED["ranges"][text]
        assert [(each["mod_revision"], each["version"]) for each in listed] == [(row[2], row[3]) for row in wanted]
        assert all(
            set(each) == {"key", "create_revision", "mod_revision", "version", "lease", "size"} for each in listed
        )


def test_the_table_has_one_row_for_each_key(snapshot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert keys(snapshot, "/registry/") == 0
    assert capsys.readouterr().out.splitlines() == [
        "MOD  VERSION  KEY",
        "239        1  /registry/leases/n1",
        "237        1  /registry/leases/n4",
        "245        1  /registry/pods/default/web-3",
    ]


def test_a_long_table_is_drawn_in_pieces_with_one_header(
    snapshot: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backstay.cli.keys._ROWS_AT_ONCE", 2)
    assert keys(snapshot) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["MOD", "VERSION", "KEY"]
    assert len(lines) == 1 + len(EXPECTED["ranges"][max(EXPECTED["ranges"], key=int)])
    assert sum(line.startswith("MOD") for line in lines) == 1


def test_globs_limits_and_counts(snapshot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def answer(*arguments: object, load: Callable[[str], Any] = json.loads) -> Any:
        assert keys(snapshot, *arguments) == 0
        return load(capsys.readouterr().out)

    assert [each["key"] for each in answer("/registry/*/*", "-ojson", "--limit", 1)] == ["/registry/leases/n1"]
    assert answer("/registry/", "--count", "-o", "json") == {"revision": EXPECTED["revision"], "keys": 3}
    assert answer("/registry/", "--count", "-o", "yaml", load=yaml.safe_load)["keys"] == 3
    assert answer("/registry/", "--count", load=str.strip) == "3"
    sized = answer("/registry/", "--count", "--sizes", "-o", "json")
    assert sized["value_bytes"] == sum(each["size"] for each in answer("/registry/", "--sizes", "-o", "json"))
    assert answer("/nothing", "-o", "json") == []


def test_a_data_directory_is_read_with_its_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = golden.unpack(f"{VERSION}/killed", tmp_path / "data")
    expected = golden.expectation(f"{VERSION}/killed")
    assert keys(place, "-o", "json") == 0
    listed = json.loads(capsys.readouterr().out)
    newest = expected["ranges"][str(expected["revision"])]
    assert [each["mod_revision"] for each in listed] == [row[2] for row in newest]


def test_a_damaged_log_is_read_as_far_as_it_goes_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = next(name for name in golden.DAMAGED_DIRS if "torn" in name)
    place = golden.unpack(name, tmp_path / "data")
    assert keys(place, "--count") == 0
    assert "warning: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (("absent.db",), 12, "source-not-found"),
        (("FILE", "--rev", "1"), 5, "revision-compacted"),
        (("FILE", "--rev", "99999"), 5, "revision-future"),
        (("FILE", "--rev", "-1"), 2, "usage"),
        (("FILE", "--limit", "0"), 2, "usage"),
        (("https://127.0.0.1:2379",), 2, "source-unknown"),
        ((".",), 2, "source-unknown"),
        ((), 2, "usage"),
    ],
)
def test_refusals(
    arguments: tuple[str, ...],
    status: int,
    code: str,
    snapshot: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(snapshot.parent)
    assert keys(*(str(snapshot) if word == "FILE" else word for word in arguments)) == status
    captured = capsys.readouterr()
    assert f"code: {code} " in captured.err
    assert captured.out == ""


def test_a_file_that_is_no_database_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "text.db"
    path.write_bytes(b"no database " * 1000)
    assert keys(path) == 4
    assert str(path) in capsys.readouterr().err


def test_a_reader_that_goes_away_ends_it_quietly(snapshot: Path) -> None:
    command = [sys.executable, "-m", "backstay", "keys", str(snapshot), "--rev", max(EXPECTED["ranges"], key=int)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=30) in (0, 141)


def test_live_without_an_etcd_says_where_it_was_looked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = run(["keys", "live", "--endpoints", "http://127.0.0.1:1"], {"BACKSTAY_HOST_ROOT": str(tmp_path)})
    assert status == 12
    assert "code: endpoint-unreachable" in capsys.readouterr().err


def test_damage_that_is_met_while_reading_names_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "damaged.db"
    path.write_bytes(golden.damaged("04-flip-in-page-id"))
    assert run(["keys", str(path)], {}) == 4
    said = capsys.readouterr().err
    assert f"where: {path}, " in said
    assert f"backstay snapshot verify {path}" in said
