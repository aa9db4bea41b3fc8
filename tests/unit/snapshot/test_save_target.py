"""Where a snapshot goes, and what is refused before etcd is asked for anything."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from backstay import errors
from backstay.errors import BackstayError
from backstay.snapshot.save import check_target, resolve_target
from tests.saving import SteppingClock


def test_a_directory_gets_a_name_with_date_and_local_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "UTC-2")
    time.tzset()
    try:
        assert resolve_target(str(tmp_path), SteppingClock()) == tmp_path / "etcd-backup-20260724-203000.db"
        absent = resolve_target(f"{tmp_path}/absent/", SteppingClock())
        assert re.fullmatch(r"etcd-backup-\d{8}-\d{6}\.db", absent.name)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert resolve_target(f"{tmp_path}/file.db", SteppingClock()) == tmp_path / "file.db"


def test_what_exists_is_refused(tmp_path: Path) -> None:
    (tmp_path / "there.db").write_text("")
    (tmp_path / "dangling.db").symlink_to(tmp_path / "nowhere")
    for name in ("there.db", "dangling.db"):
        refused(tmp_path / name, 0, errors.TARGET_EXISTS)


def test_a_directory_that_is_missing_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    problem = refused(tmp_path / "absent" / "saved.db", 0, errors.TARGET_UNWRITABLE)
    assert f"mkdir -p {tmp_path / 'absent'}" in problem.next_step


def test_a_directory_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Asked of the operating system, because root, who runs tests in containers, may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    refused(tmp_path / "saved.db", 0, errors.TARGET_UNWRITABLE)


def test_a_file_system_that_does_not_count_is_not_called_full(tmp_path: Path) -> None:
    assert check_target(tmp_path / "saved.db", 1 << 40, free_bytes=lambda _: None).free_bytes is None


def test_too_little_room_says_how_much_is_needed_and_how_much_is_free(tmp_path: Path) -> None:
    with pytest.raises(BackstayError) as caught:
        check_target(tmp_path / "saved.db", 3_200_000_000, free_bytes=lambda _: 1_000_000)
    assert caught.value.kind is errors.TARGET_FULL
    assert "3.2 GB" in caught.value.why
    assert "1.0 MB" in caught.value.why


def test_what_a_killed_run_left_counts_as_room(tmp_path: Path) -> None:
    (tmp_path / "saved.db.part").write_bytes(b"x" * 1000)
    assert check_target(tmp_path / "saved.db", 1000, free_bytes=lambda _: 0).free_bytes == 1000


def refused(path: Path, needed: int, kind: errors.ErrorKind) -> BackstayError:
    with pytest.raises(BackstayError) as caught:
        check_target(path, needed)
    assert caught.value.kind is kind
    return caught.value
