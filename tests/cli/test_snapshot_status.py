"""`backstay snapshot status`: etcd's numbers, formats and exit statuses; a clear error where etcd panics."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from backstay.cli.main import run
from tests import golden

NEWEST = "3.7.3"


def saved(tmp_path: Path, content: bytes) -> str:
    path = tmp_path / "backup.db"
    path.write_bytes(content)
    return str(path)


def stripped(text: str) -> str:
    """Without blanks at the ends of lines, which the expectations do not keep."""
    return "\n".join(line.rstrip() for line in text.splitlines())


@pytest.mark.parametrize("release", ["own", NEWEST])
@pytest.mark.parametrize("version", golden.VERSIONS)
def test_every_format_says_what_etcds_tool_says(
    version: str, release: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by = version if release == "own" else release
    wanted = golden.expectation(f"{version}/snapshot")["status"][by]
    dialect = by.rpartition(".")[0]
    file = saved(tmp_path, golden.snapshot(version))
    for output in ("json", "simple", "fields", "table"):
        assert run(["snapshot", "status", file, "-w", output, "--as", dialect], {}) == 0
        out, err = capsys.readouterr()
        assert err == ""
        if output == "json":
            # Byte for byte: the order of the keys and the absence of blanks too.
            assert out == json.dumps(wanted["json"], separators=(",", ":")) + "\n"
        else:
            assert stripped(out) == wanted[output]


def test_the_newest_dialect_is_the_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = saved(tmp_path, golden.snapshot("3.5.35"))
    assert run(["snapshot", "status", file, "-w", "json"], {}) == 0
    assert json.loads(capsys.readouterr().out) == golden.expectation("3.5.35/snapshot")["status"]["3.7.3"]["json"]


@pytest.mark.parametrize(
    "name",
    [name for name in golden.DAMAGED if name not in ("00-good", "06-flip-in-value-right-trailer", "07-no-trailer")],
)
def test_a_damaged_file_is_a_clear_error(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["snapshot", "status", saved(tmp_path, golden.damaged(name))], {}) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "  next: " in err and "Traceback" not in err
    assert "integrity check failed" in err or "neither meta page is valid" in err


def test_a_file_without_a_trailer_is_doubted_but_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["snapshot", "status", saved(tmp_path, golden.damaged("07-no-trailer")), "-w", "json"], {}) == 0
    out, err = capsys.readouterr()
    wanted = golden.expectation("damaged")["cases"]["07-no-trailer"]["tools"][NEWEST]["status"]["json"]
    assert json.loads(out) == wanted
    assert err.startswith("warning: snapshot-trailer-missing")


def test_quiet_leaves_the_doubts_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["snapshot", "status", "-q", saved(tmp_path, golden.damaged("07-no-trailer"))], {}) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("content", [b"", b"x", b"not a database at all" * 1000])
def test_what_is_no_database_is_a_clear_error(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["snapshot", "status", saved(tmp_path, content)], {}) == 1
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["FILE", "-w", "protobuf"], 4),
        (["FILE", "-w", "nonsense"], 4),
        ([], 128),
        (["FILE", "FILE"], 128),
        (["absent.db"], 1),
        (["FILE", "--no-such-flag"], 1),
        (["FILE", "--as", "2.3"], 1),
    ],
)
def test_exit_statuses_are_etcds(
    arguments: list[str], status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = saved(tmp_path, golden.snapshot(NEWEST))
    given = [file if each == "FILE" else each for each in arguments]
    assert run(["snapshot", "status", *given], {}) == status
    assert capsys.readouterr().out == ""


def test_yaml_is_ours_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["snapshot", "status", saved(tmp_path, golden.snapshot(NEWEST)), "-w", "yaml"], {}) == 0
    assert "totalKey: 15\n" in capsys.readouterr().out


@pytest.mark.parametrize("command", [("snapshot", "status"), ("snapshot", "verify"), ("hashkv",)])
def test_a_file_that_may_not_be_read_is_a_matter_of_permission_not_of_usage(
    command: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    file = saved(tmp_path, golden.snapshot(NEWEST))
    # Tests may run as root, whom no mode keeps out.
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    monkeypatch.setattr(os, "open", refused)
    assert run([*command, file], {}) == (7 if "verify" in command else 1)
    err = capsys.readouterr().err
    assert "sudo" in err
    assert "code: source-unreadable" in err
