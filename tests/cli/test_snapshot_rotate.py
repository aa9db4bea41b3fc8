"""`backstay snapshot rotate` as a user meets it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from backstay.cli.main import run
from tests.fake_member import FakeMember
from tests.saving import content_of

OLD = "etcd-backup-20200101-000000.db"


@pytest.fixture
def member() -> Iterator[FakeMember]:
    with FakeMember(content_of("3.6.16")) as fake:
        yield fake


def test_a_backup_and_its_record_arrive_and_an_old_one_that_is_bad_goes(
    member: FakeMember, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / OLD).write_bytes(b"torn")
    arguments = ["--endpoints", member.endpoint, "snapshot", "rotate", str(tmp_path), "--keep", "30d", "-o", "json"]
    assert run(arguments, {}) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["places"][0]["removed"] == [OLD]
    assert sorted(path.name for path in tmp_path.iterdir()) == [said["file"], f"{said['file']}.json"]


def test_a_compressed_backup_comes_back_by_zstd_alone(member: FakeMember, tmp_path: Path) -> None:
    zstd = shutil.which("zstd")
    if zstd is None:
        pytest.fail("the program zstd is needed: apt-get install zstd")
    arguments = ["--endpoints", member.endpoint, "snapshot", "rotate", str(tmp_path), "--keep", "4w", "--compress"]
    assert run(arguments, {}) == 0
    (file,) = tmp_path.glob("*.zst")
    plain = subprocess.run([zstd, "-dcq", file], capture_output=True, check=True).stdout
    assert plain[:-32] == content_of("3.6.16")


def test_a_dry_run_changes_nothing_and_asks_no_etcd(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / OLD).write_bytes(b"torn")
    assert run(["snapshot", "rotate", str(tmp_path), "--keep", "1h", "--dry-run"], {}) == 0
    assert f"not good: {OLD}" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == [OLD]


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ([], 2),
        (["--keep", "soon"], 2),
        (["--keep", "1d", "--min-size", "big"], 2),
        (["--keep", "1d", "--encrypt-to", "age1x"], None),
    ],
)
def test_a_mistake_is_refused_before_anything_is_saved(
    tmp_path: Path, arguments: list[str], status: int | None
) -> None:
    said = run(["snapshot", "rotate", str(tmp_path), *arguments], {})
    assert said != 0 and status in (None, said)
    assert not list(tmp_path.iterdir())


def test_a_directory_that_is_not_mounted_is_not_made(member: FakeMember, tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    assert run(["--endpoints", member.endpoint, "snapshot", "rotate", str(absent), "--keep", "1d"], {}) != 0
    assert not absent.exists()
