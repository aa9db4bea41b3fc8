"""`backstay hashkv`: etcdutl's answers and errors, from a file that stays as it is."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from backstay.cli.main import run
from tests import golden


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "backup.db"
    path.write_bytes(golden.snapshot("3.7.3"))
    return path


@pytest.mark.parametrize("version", golden.VERSIONS)
def test_the_newest_revision_is_hashed_as_etcdutl_does(
    version: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "backup.db"
    path.write_bytes(golden.snapshot(version))
    assert run(["hashkv", str(path), "-w", "json"], {}) == 0
    wanted = golden.expectation(f"{version}/snapshot")["status"]["3.7.3"]["hashkv"]
    assert capsys.readouterr().out == json.dumps(wanted, separators=(",", ":")) + "\n"


@pytest.mark.parametrize(
    ("output", "wanted"),
    [
        ("simple", "2914402215, 245, 163\n"),
        ("json", '{"hash":2914402215,"hashRevision":245,"compactRevision":163}\n'),
        ("fields", '"Hash" : 2914402215\n"Hash revision" : 245\n"Compact revision" : 163\n'),
        (
            "table",
            "┌────────────┬───────────────┬──────────────────┐\n"
            "│    HASH    │ HASH REVISION │ COMPACT REVISION │\n"
            "├────────────┼───────────────┼──────────────────┤\n"
            "│ 2914402215 │           245 │              163 │\n"
            "└────────────┴───────────────┴──────────────────┘\n",
        ),
    ],
)
def test_every_format_is_etcdutls(output: str, wanted: str, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["hashkv", str(file), "-w", output], {}) == 0
    assert capsys.readouterr().out == wanted


@pytest.mark.parametrize(("revision", "wanted"), [(163, 902693307), (164, 1952855472), (200, 2168505640)])
def test_any_revision_above_the_compaction(
    revision: int, wanted: int, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["hashkv", str(file), "--rev", str(revision), "-w", "json"], {}) == 0
    assert json.loads(capsys.readouterr().out) == {
        "hash": wanted,
        "hashRevision": revision,
        "compactRevision": 163,
    }


def test_a_negative_revision_is_answered_as_etcdutl_answers_it(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["hashkv", str(file), "--rev", "-1", "-w", "json"], {}) == 0
    assert capsys.readouterr().out == '{"hash":1084519789,"hashRevision":-1,"compactRevision":163}\n'


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["FILE", "--rev", "162"], 1, "Error: mvcc: required revision has been compacted\n"),
        (["FILE", "--rev", "999"], 1, "Error: mvcc: required revision is a future revision\n"),
        (["FILE", "--rev", "163", "--as", "3.5.1"], 1, "Error: mvcc: required revision has been compacted\n"),
        (["FILE", "-w", "protobuf"], 4, "not supported as output format"),
        (["FILE", "--as", "four"], 1, "is no release"),
        ([], 1, "Missing argument"),
        (["absent.db"], 1, "does not exist"),
    ],
)
def test_errors_and_exit_statuses_are_etcdutls(
    arguments: list[str], status: int, text: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(file) if each == "FILE" else each for each in arguments]
    assert run(["hashkv", *given], {}) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert text in err


@pytest.mark.parametrize("name", golden.DAMAGED)
def test_a_damaged_file_never_ends_in_a_traceback(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "backup.db"
    path.write_bytes(golden.damaged(name))
    assert run(["hashkv", str(path)], {}) in (0, 1)
    assert "unexpected" not in capsys.readouterr().err


def test_the_file_is_only_read(file: Path) -> None:
    before = hashlib.sha256(file.read_bytes()).digest()
    file.chmod(0o400)
    assert run(["hashkv", str(file), "-q"], {}) == 0
    assert hashlib.sha256(file.read_bytes()).digest() == before
