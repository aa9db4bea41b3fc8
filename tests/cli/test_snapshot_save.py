"""`backstay snapshot save` as a user meets it: messages, formats, exit statuses, dry runs, and every way to go wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from backstay.cli.main import run
from tests.fake_member import Break, FakeMember, Say, Send, Stall
from tests.saving import content_of

SOURCE = Path(__file__).resolve().parents[2] / "src"


@pytest.fixture(scope="module")
def content() -> bytes:
    return content_of("3.6.16")


@pytest.fixture
def member(content: bytes) -> Iterator[FakeMember]:
    with FakeMember(content) as fake:
        yield fake


def test_the_first_lines_are_etcdctls(member: FakeMember, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "saved.db"
    assert run(["--endpoints", member.endpoint, "snapshot", "save", str(target)], {}) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[:2] == [f"Snapshot saved at {target}", "Server version 3.6.0"]
    assert "mode 0600" in out
    assert f"Revision: {member.revision} " in out
    assert "the same on member a1" in out
    assert "density" in out
    assert "is the leader; the only member that was asked" in err
    assert target.stat().st_mode & 0o777 == 0o600


def test_quiet_says_only_what_etcdctl_says(
    member: FakeMember, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "saved.db"
    assert run(["snapshot", "save", str(target), "--endpoints", member.endpoint, "--quiet"], {}) == 0
    out, err = capsys.readouterr()
    assert out == f"Snapshot saved at {target}\nServer version 3.6.0\n"
    assert err == ""


def test_a_directory_gets_a_dated_file(member: FakeMember, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["snapshot", "save", f"{tmp_path}/", "--endpoints", member.endpoint], {}) == 0
    (saved,) = tmp_path.iterdir()
    assert saved.name.startswith("etcd-backup-")
    assert f"Snapshot saved at {saved}" in capsys.readouterr().out


def test_json_holds_the_whole_proof(member: FakeMember, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "saved.db"
    assert run(["snapshot", "save", str(target), "--endpoints", member.endpoint, "-o", "json"], {}) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["file"] == str(target)
    assert (report["size"], report["mode"]) == (target.stat().st_size, "0600")
    assert report["reached"] == "coherent"
    assert report["members"] == [{"endpoint": member.endpoint, "member": "a1", "hash_kv": "same", "why": ""}]
    assert {"trailer", "structure", "density"} <= {check["check"] for check in report["checks"]}


def test_a_dry_run_shows_the_plan_and_writes_nothing(
    member: FakeMember, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["snapshot", "save", str(tmp_path / "saved.db"), "--endpoints", member.endpoint, "--dry-run"]
    assert run(arguments, {}) == 0
    assert "Would save" in capsys.readouterr().out
    assert run([*arguments, "-o", "json"], {}) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["endpoint"] == member.endpoint
    assert plan["needed_bytes"] == len(member.content)
    assert list(tmp_path.iterdir()) == []


def test_endpoints_of_etcdctls_variable_are_used(member: FakeMember, tmp_path: Path) -> None:
    variables = {"ETCDCTL_ENDPOINTS": member.endpoint, "ETCDCTL_API": "3"}
    assert run(["snapshot", "save", str(tmp_path / "saved.db"), "-q"], variables) == 0


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ([], 128),
        (["one.db", "two.db"], 128),
        (["one.db", "--no-such-flag"], 1),
        (["one.db", "--command-timeout", "soon"], 1),
        (["one.db", "-w", "protobuf"], 4),
        (["one.db", "--user", "root"], 128),
        (["one.db", "--cert", "only.crt"], 128),
        (["one.db", "--endpoints", "ftp://here"], 128),
    ],
)
def test_wrong_arguments_have_etcds_exit_statuses(
    arguments: list[str], status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if "--endpoints" not in arguments:
        arguments = [*arguments, "--endpoints", "127.0.0.1:1"]
    assert run(["snapshot", "save", *arguments], {}) == status
    assert list(tmp_path.iterdir()) == []


def failing(arguments: list[str], capsys: pytest.CaptureFixture[str], *, status: int = 5) -> str:
    """The error of a save that must fail; it must be one, with a next step and a code."""
    assert run(["snapshot", "save", *arguments], {}) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("Error: ") == 1
    assert "  next: " in err
    assert "  code: " in err
    return err


def test_an_existing_file_is_never_replaced(
    member: FakeMember, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "saved.db"
    target.write_text("mine")
    err = failing([str(target), "--endpoints", member.endpoint], capsys)
    assert "code: target-exists" in err
    assert target.read_text() == "mine"


def test_a_directory_that_is_not_there_is_an_error(
    member: FakeMember, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    err = failing([f"{tmp_path}/absent/saved.db", "--endpoints", member.endpoint], capsys)
    assert "mkdir -p" in err


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no read-only file system here")
def test_a_read_only_target_is_an_error(member: FakeMember, capsys: pytest.CaptureFixture[str]) -> None:
    err = failing(["/proc/saved.db", "--endpoints", member.endpoint], capsys)
    assert "cannot write `/proc/saved.db`" in err


def test_an_endpoint_where_nobody_listens_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    err = failing([str(tmp_path / "saved.db"), "--endpoints", "127.0.0.1:1", "--dial-timeout", "1s"], capsys)
    assert "code: endpoint-unreachable" in err
    assert "Connection refused" in err
    assert list(tmp_path.iterdir()) == []


STREAMS = {
    "ends early": ([Send(2)], "stream-broken"),
    "breaks": ([Send(2), Break()], "stream-broken"),
    "lies": ([Send(2), Say(7, b"lies")], "stream-broken"),
    "stands still": ([Send(2), Stall()], "deadline-exceeded"),
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_bad_stream_is_one_error_and_no_file(
    name: str, member: FakeMember, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    member.script, code = STREAMS[name]
    arguments = [str(tmp_path / "saved.db"), "--endpoints", member.endpoint, "--stream-timeout", "300ms"]
    err = failing(arguments, capsys)
    assert f"code: {code} " in err
    assert list(tmp_path.iterdir()) == []


def test_a_member_whose_hash_differs_is_an_error(
    member: FakeMember, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    member.hash_offset = 1
    assert "code: snapshot-invalid" in failing([str(tmp_path / "saved.db"), "--endpoints", member.endpoint], capsys)
    assert list(tmp_path.iterdir()) == []


def test_a_suspicious_release_is_warned_of(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeMember(content, version="3.5.1") as member:
        assert run(["snapshot", "save", str(tmp_path / "saved.db"), "--endpoints", member.endpoint], {}) == 0
    assert "member-release-suspect" in capsys.readouterr().out


def test_a_disk_that_is_full_is_an_error(
    member: FakeMember, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource

    target = tmp_path / "saved.db"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # the nearest to a full disk that needs no root
    try:
        assert run(["snapshot", "save", str(target), "--endpoints", member.endpoint], {}) == 5
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert "cannot write" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_leaves_nothing(number: signal.Signals, member: FakeMember, tmp_path: Path) -> None:
    member.script = [Send(2), Stall()]
    command = [sys.executable, "-m", "backstay", "snapshot", "save", str(tmp_path / "saved.db")]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    with subprocess.Popen(
        [*command, "--endpoints", member.endpoint], stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert member.reached.wait(30)
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 5
    assert "Error: interrupted" in err
    assert list(tmp_path.iterdir()) == []
