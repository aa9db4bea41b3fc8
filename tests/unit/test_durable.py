"""Durable writes: complete under the final name or not there at all, never over something, whatever step fails."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from backstay import errors
from backstay.durable import Buffers, Disk, LocalDisk, durable_directory, durable_file, target_error, write_durable
from backstay.errors import BackstayError, ErrorKind


class FailingDisk(LocalDisk):
    """Fails at the nth durable step, and remembers all of them."""

    def __init__(self, fail_at: int = 0, problem: int = errno.EIO) -> None:
        self.steps: list[str] = []
        self._fail_at = fail_at
        self._problem = problem

    def _step(self, name: str) -> None:
        self.steps.append(name)
        if len(self.steps) == self._fail_at:
            raise OSError(self._problem, os.strerror(self._problem))

    def create(self, path: Path, mode: int) -> int:
        self._step("create")
        return super().create(path, mode)

    def write(self, descriptor: int, buffers: Buffers) -> None:
        self._step("write")
        super().write(descriptor, buffers)

    def write_at(self, descriptor: int, data: bytes, offset: int) -> None:
        self._step("write_at")
        super().write_at(descriptor, data, offset)

    def sync(self, descriptor: int) -> None:
        self._step("sync")
        super().sync(descriptor)

    def make_directory(self, path: Path, mode: int) -> None:
        self._step("make_directory")
        super().make_directory(path, mode)

    def publish(self, temporary: Path, final: Path) -> None:
        self._step("publish")
        super().publish(temporary, final)

    def sync_directory(self, path: Path) -> None:
        self._step("sync_directory")
        super().sync_directory(path)


def write_sample(disk: Disk, final: Path) -> None:
    with durable_file(disk, final) as file:
        file.write([b"meta", b"data"])
        file.sync()
        file.write_at(b"META", 0)


def fill_sample(disk: Disk, final: Path) -> None:
    with durable_directory(disk, final) as directory:
        write_durable(disk, directory / "db", b"data")


FILE_STEPS = ["create", "write", "sync", "write_at", "sync", "publish", "sync_directory"]
DIRECTORY_STEPS = [
    "make_directory", "create", "write", "sync", "publish", "sync_directory", "sync_directory", "publish", "sync_directory",
]  # fmt: skip


@contextmanager
def refused(kind: ErrorKind) -> Iterator[None]:
    with pytest.raises(BackstayError) as caught:
        yield
    assert caught.value.kind is kind


def test_a_file_appears_whole_private_and_in_this_order_of_steps(tmp_path: Path) -> None:
    disk = FailingDisk()
    final = tmp_path / "snapshot.db"
    write_sample(disk, final)
    assert final.read_bytes() == b"METAdata"
    assert stat.S_IMODE(final.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["snapshot.db"]
    assert disk.steps == FILE_STEPS


def test_a_directory_appears_whole_and_in_this_order_of_steps(tmp_path: Path) -> None:
    disk = FailingDisk()
    final = tmp_path / "etcd"
    fill_sample(disk, final)
    assert (final / "db").read_bytes() == b"data"
    assert stat.S_IMODE(final.stat().st_mode) == 0o700
    assert os.listdir(tmp_path) == ["etcd"]
    assert disk.steps == DIRECTORY_STEPS


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_the_umask_changes_no_mode(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with durable_directory(LocalDisk(), tmp_path / "d", mode=0o750) as directory:
            write_durable(LocalDisk(), directory / "f", b"x", mode=0o640)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o750
    assert stat.S_IMODE((tmp_path / "d" / "f").stat().st_mode) == 0o640


@pytest.mark.parametrize("step", range(1, len(FILE_STEPS)))
def test_a_failure_before_a_file_is_complete_leaves_nothing(tmp_path: Path, step: int) -> None:
    with refused(errors.INPUT_OUTPUT):
        write_sample(FailingDisk(step), tmp_path / "f")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("step", range(1, len(DIRECTORY_STEPS)))
def test_a_failure_before_a_directory_is_complete_leaves_nothing(tmp_path: Path, step: int) -> None:
    with refused(errors.INPUT_OUTPUT):
        fill_sample(FailingDisk(step), tmp_path / "d")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("act", [write_sample, fill_sample])
def test_a_failure_after_publishing_is_reported_and_what_is_there_is_whole(
    tmp_path: Path, act: Callable[[Disk, Path], None]
) -> None:
    last = len(FILE_STEPS if act is write_sample else DIRECTORY_STEPS)
    with refused(errors.INPUT_OUTPUT):
        act(FailingDisk(last), tmp_path / "x")
    assert os.listdir(tmp_path) == ["x"]
    assert (tmp_path / "x" if act is write_sample else tmp_path / "x" / "db").read_bytes() in (b"METAdata", b"data")


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, errors.TARGET_FULL),
        (errno.EDQUOT, errors.TARGET_FULL),
        (errno.EACCES, errors.TARGET_UNWRITABLE),
        (errno.EROFS, errors.TARGET_UNWRITABLE),
        (errno.ENOENT, errors.TARGET_UNWRITABLE),
        (errno.EEXIST, errors.TARGET_EXISTS),
        (errno.ENOTEMPTY, errors.TARGET_EXISTS),
        (errno.EIO, errors.INPUT_OUTPUT),
    ],
)
def test_what_the_operating_system_says_has_a_name(tmp_path: Path, number: int, kind: ErrorKind) -> None:
    assert target_error(OSError(number, os.strerror(number)), tmp_path).kind is kind
    with refused(kind):
        write_sample(FailingDisk(2, number), tmp_path / "f")
    assert os.listdir(tmp_path) == []


def test_an_exception_of_the_caller_passes_and_leaves_nothing(tmp_path: Path) -> None:
    for act in (durable_file, durable_directory):
        with pytest.raises(KeyboardInterrupt), act(LocalDisk(), tmp_path / "x"):
            raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("kind", ["file", "directory", "broken link"])
def test_a_file_is_never_written_over_what_is_there(tmp_path: Path, kind: str) -> None:
    final = tmp_path / "f"
    occupy(final, kind)
    with refused(errors.TARGET_EXISTS):
        write_durable(LocalDisk(), final, b"new")
    assert os.listdir(tmp_path) == ["f"]


def test_a_file_that_appears_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    final = tmp_path / "f"
    with refused(errors.TARGET_EXISTS), durable_file(LocalDisk(), final) as file:
        file.write([b"ours"])
        final.write_bytes(b"theirs")
    assert final.read_bytes() == b"theirs"
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.parametrize("kind", ["file", "full directory", "broken link", "link to an empty directory"])
def test_a_directory_is_never_put_over_what_is_there(tmp_path: Path, kind: str) -> None:
    final = tmp_path / "d"
    occupy(final, kind)
    before = sorted(os.listdir(tmp_path))
    with refused(errors.TARGET_EXISTS):
        fill_sample(LocalDisk(), final)
    assert sorted(os.listdir(tmp_path)) == before


def test_an_empty_directory_is_taken(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    fill_sample(LocalDisk(), tmp_path / "d")
    assert os.listdir(tmp_path / "d") == ["db"]


def test_a_directory_that_fills_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    final = tmp_path / "d"
    final.mkdir()
    with refused(errors.TARGET_EXISTS), durable_directory(LocalDisk(), final) as directory:
        write_durable(LocalDisk(), directory / "db", b"ours")
        (final / "theirs").write_bytes(b"")
    assert os.listdir(final) == ["theirs"]
    assert os.listdir(tmp_path) == ["d"]


def test_what_a_killed_run_left_is_cleared(tmp_path: Path) -> None:
    (tmp_path / "f.part").write_bytes(b"half of a file, and longer than the new one")
    write_durable(LocalDisk(), tmp_path / "f", b"new")
    (tmp_path / "d.part").mkdir()
    (tmp_path / "d.part" / "half").write_bytes(b"")
    fill_sample(LocalDisk(), tmp_path / "d")
    assert sorted(os.listdir(tmp_path)) == ["d", "f"]
    assert (tmp_path / "f").read_bytes() == b"new"
    assert os.listdir(tmp_path / "d") == ["db"]


def test_a_link_under_the_temporary_name_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / "f.part").symlink_to(victim)
    write_durable(LocalDisk(), tmp_path / "f", b"new")
    assert victim.read_bytes() == b"precious"


def test_a_missing_parent_is_named(tmp_path: Path) -> None:
    with pytest.raises(BackstayError) as caught:
        write_durable(LocalDisk(), tmp_path / "absent" / "f", b"x")
    assert caught.value.kind is errors.TARGET_UNWRITABLE
    assert "absent" in caught.value.where


def test_more_pieces_than_one_system_call_takes(tmp_path: Path) -> None:
    pieces = [b"%06d" % n for n in range(5000)]
    with durable_file(LocalDisk(), tmp_path / "f") as file:
        file.write([*pieces, b"", memoryview(b"end")])
        assert file.size == 30_003
    assert (tmp_path / "f").read_bytes() == b"".join(pieces) + b"end"


def test_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", no_links)
    write_durable(LocalDisk(), tmp_path / "f", b"new")
    assert os.listdir(tmp_path) == ["f"]
    with refused(errors.TARGET_EXISTS), durable_file(LocalDisk(), tmp_path / "g") as file:
        file.write([b"ours"])
        (tmp_path / "g").write_bytes(b"theirs")
    assert (tmp_path / "g").read_bytes() == b"theirs"


def occupy(path: Path, kind: str) -> None:
    match kind:
        case "file":
            path.write_bytes(b"old")
        case "directory":
            path.mkdir()
        case "full directory":
            path.mkdir()
            (path / "old").write_bytes(b"")
        case "broken link":
            path.symlink_to(path.parent / "nowhere")
        case "link to an empty directory":
            path.with_name("empty").mkdir()
            path.symlink_to(path.with_name("empty"))
