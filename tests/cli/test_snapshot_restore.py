"""`backstay snapshot restore`: etcd's flags and exit statuses, the plan, the report, and errors that name the next step."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from backstay.cli.main import run
from tests import golden
from tests.restoring import golden_snapshot

THREE = "--initial-cluster=a=http://127.0.0.1:1,b=http://127.0.0.1:2,c=http://127.0.0.1:3"


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return str(golden_snapshot("3.6.16", tmp_path))


def restore(*arguments: str) -> int:
    return run(["snapshot", "restore", *arguments], {})


def restored_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert restore(*arguments, "-o", "json", "--quiet") == 0
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    return printed


def test_without_flags_the_member_is_etcds_default(
    source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert restore(source) == 0
    assert (tmp_path / "default.etcd" / "member" / "wal").is_dir()
    out = capsys.readouterr().out
    assert "Revision before:  242\n" in out
    assert "Revision after:   1000000242\n" in out
    assert "default  8e9e05c52164694d  http://localhost:2380  default.etcd\n" in out
    assert "HashKV:           3823690431 at revision 1000000242, compact revision 1000000242\n" in out
    assert "--clear-alarms" in out


def test_the_report_as_json(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    printed = restored_json(capsys, source, "--keep-revision", "--clear-alarms", "--lease=drop")
    assert set(printed) == {"plan", "result"}
    assert set(printed["result"]) == {
        "hash", "hash_revision", "compact_revision", "database_size", "record_count", "live_key_count",
    }  # fmt: skip
    plan = printed["plan"]
    assert (plan["revision_before"], plan["revision_after"], plan["bump"]) == (242, 242, 0)
    assert (plan["leases"], plan["clear_alarms"], plan["cluster_id"]) == ("drop", True, "cdf818194e3a8c32")
    assert plan["members"] == [
        {
            "name": "default",
            "id": "8e9e05c52164694d",
            "peer_urls": ["http://localhost:2380"],
            "directory": "default.etcd",
            "wal_directory": "default.etcd/member/wal",
        }
    ]
    assert any("lease" in each for each in plan["changes"])


def test_a_dry_run_prints_the_same_plan_and_writes_nothing(
    source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert restore(source, "--dry-run") == 0
    out = capsys.readouterr().out
    assert out.startswith("Plan (nothing was changed)\n")
    assert "  4. give the directory its name" in out
    dry = restored_json(capsys, source, "--dry-run")
    assert dry["result"] is None
    assert restore(source, "--dry-run", "-o", "yaml", "--quiet") == 0
    assert yaml.safe_load(capsys.readouterr().out) == dry
    assert [path.name for path in tmp_path.iterdir()] == [Path(source).name]
    assert restored_json(capsys, source)["plan"] == dry["plan"]


def test_every_flag_of_etcdutl_is_taken(source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed = restored_json(
        capsys, source, "--name=b", THREE, "--initial-cluster-token=tokR", "--initial-advertise-peer-urls=http://127.0.0.1:2",
        "--data-dir=data", "--wal-dir=log", "--skip-hash-check=true", "--initial-memory-map-size=10737418240",
        "--bump-revision=1000", "--mark-compacted",
    )  # fmt: skip
    assert printed["plan"]["revision_after"] == 1242
    assert [each["directory"] for each in printed["plan"]["members"]] == ["", "data", ""]
    assert (tmp_path / "data" / "member" / "snap" / "db").exists()
    assert (tmp_path / "log").is_dir()


def test_all_members_at_once(source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed = restored_json(capsys, source, "--all-members", "all", THREE)
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == ["a.etcd", "b.etcd", "c.etcd"]
    assert [each["directory"] for each in printed["plan"]["members"]] == ["all/a.etcd", "all/b.etcd", "all/c.etcd"]


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["--bump-revision=5"], 128, "--mark-compacted required if --revision-bump > 0"),
        (["--mark-compacted"], 128, "--mark-compacted required if --revision-bump > 0"),
        (["--bump-revision=5", "--mark-compacted", "--keep-revision"], 128, "contradict each other"),
        (["--bump-revision=x"], 1, "--bump-revision"),
        (["--lease=later"], 1, "--lease"),
        (["another"], 128, "unexpected extra argument"),
        (["--all-members=all", "--name=a"], 128, "--all-members goes without"),
        (["--name=x"], 1, 'couldn\'t find local name "x" in the initial cluster configuration'),
        (["--initial-advertise-peer-urls=http://h:1"], 1, "but missing from --initial-advertise-peer-urls=http://h:1"),
        (["--initial-cluster=default"], 1, "URL scheme must be http, https, unix, or unixs"),
        (["--all-members=all", "--initial-cluster=../a=http://h:1"], 1, "cannot be the name of a directory"),
        (["--data-dir=occupied"], 1, 'data-dir "occupied" not empty or could not be read'),
        (["--data-dir=new", "--wal-dir=occupied"], 1, 'wal-dir "occupied" exists'),
        (["--all-members=occupied", THREE], 1, "occupied"),
        (["--name="], 1, 'couldn\'t find local name "" in the initial cluster configuration'),
        (["--initial-advertise-peer-urls="], 1, "URL scheme must be http, https, unix, or unixs"),
        (["--data-dir=new", "--wal-dir=new"], 1, 'expected "new" to be empty'),
        (["--data-dir=new", "--wal-dir=new/member"], 1, 'expected "new/member" to be empty'),
        (["--data-dir=new", "--wal-dir=new/member/snap"], 1, 'expected "new/member/snap" to be empty'),
    ],
)
def test_what_is_refused_has_etcds_exit_status_and_changes_nothing(
    arguments: list[str], status: int, text: str, source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "occupied").mkdir()
    (tmp_path / "occupied" / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    assert restore(source, *arguments) == status
    captured = capsys.readouterr()
    assert text in captured.err
    assert "  next: " in captured.err
    assert captured.out == ""
    assert sorted(tmp_path.rglob("*")) == before


def test_no_source_and_a_source_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert restore() == 128
    assert restore(str(tmp_path / "absent.db")) == 1
    assert "code: source-not-found" in capsys.readouterr().err


def test_a_wrong_trailer_is_reported_as_etcd_does(
    source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "wrong.db").write_bytes(golden.damaged("08-wrong-trailer"))
    assert restore("wrong.db") == 1
    assert "Error: expected sha256 [" in capsys.readouterr().err
    (tmp_path / "none.db").write_bytes(golden.damaged("07-no-trailer"))
    assert restore("none.db") == 1
    assert "Error: snapshot missing hash but --skip-hash-check=false\n" in capsys.readouterr().err


def test_a_directory_in_use_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = golden.unpack("3.5.35/killed", tmp_path / "live")
    database = os.open(directory / "member" / "snap" / "db", os.O_RDWR)
    try:
        fcntl.flock(database, fcntl.LOCK_EX)
        for source in (directory, directory / "member" / "snap" / "db"):
            assert restore(str(source), "--skip-hash-check", f"--data-dir={tmp_path / 'new'}") == 1
            assert "code: directory-in-use" in capsys.readouterr().err
    finally:
        os.close(database)
    assert restore(str(directory), f"--data-dir={tmp_path / 'new'}") == 0
    expectation = golden.expectation("3.5.35/killed")
    assert f"Revision before:  {expectation['revision']}\n" in capsys.readouterr().out


def test_a_read_only_place_is_one_clear_error(source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert restore(source, "--data-dir=file/data") == 1
    assert "code: target-unwritable" in capsys.readouterr().err
