"""Whatever fails while a point is restored, nothing is left, and nothing that was there is touched."""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path

import pytest

from backstay import errors
from backstay.clock import SystemClock
from backstay.durable import Disk, LocalDisk
from backstay.errors import BackstayError
from backstay.jobs.points.restore import RestoredPoint, one_directory, plan_restore, restore
from backstay.telemetry import SilentProgress
from tests.backing_up import Place, small_history
from tests.faulty_disk import CountingDisk, FailingDisk

KINDS = {errno.ENOSPC: errors.TARGET_FULL, errno.EIO: errors.INPUT_OUTPUT, errno.EROFS: errors.TARGET_UNWRITABLE}


@pytest.fixture(scope="module")
def place() -> Place:
    place = Place()
    place.back_up(small_history())
    return place


def restored(place: Place, target: Path, disk: Disk, *, is_directory: bool = False) -> RestoredPoint:
    reader = place.reader(place.catalogue().points[-1])
    return restore(
        reader, plan_restore(reader, target, directory=one_directory(target) if is_directory else None),
        disk=disk, clock=SystemClock(), entropy=place.entropy, progress=SilentProgress(),
    )  # fmt: skip


@pytest.mark.parametrize("is_directory", [False, True], ids=["file", "directory"])
@pytest.mark.parametrize("error_number", KINDS, ids=errno.errorcode.get)
def test_a_failing_step_leaves_nothing(place: Place, is_directory: bool, error_number: int, tmp_path: Path) -> None:
    counting = CountingDisk()
    (tmp_path / "whole").mkdir()
    restored(place, tmp_path / "whole" / "target", counting, is_directory=is_directory)
    for step in range(1, counting.steps):
        own = tmp_path / str(step)
        own.mkdir()
        try:
            with pytest.raises(BackstayError) as raised:
                restored(place, own / "target", FailingDisk(step, error_number), is_directory=is_directory)
        finally:
            left = [path.name for path in own.iterdir()]
        assert raised.value.kind is KINDS[error_number], counting.log[step - 1]
        # The flush of the staged file's own name is the one step after which a whole file may have been named.
        assert left == [], f"step {step}, {counting.log[step - 1]}"


def test_the_same_point_gives_the_same_bytes_on_every_run(place: Place, tmp_path: Path) -> None:
    first = restored(place, tmp_path / "one.db", LocalDisk())
    second = restored(place, tmp_path / "two.db", LocalDisk())
    data = (tmp_path / "one.db").read_bytes()
    assert data == (tmp_path / "two.db").read_bytes()
    assert first.sha256 == second.sha256 == data[-32:].hex() == hashlib.sha256(data[:-32]).hexdigest()


def test_a_bit_that_the_disk_changes_is_found_before_the_file_has_its_name(place: Place, tmp_path: Path) -> None:
    class Forgetful(LocalDisk):
        def sync(self, descriptor: int) -> None:
            super().sync(descriptor)
            self.write_at(descriptor, b"\xff", 8200)

    with pytest.raises(BackstayError) as raised:
        restored(place, tmp_path / "target", Forgetful())
    assert raised.value.kind is errors.POINT_UNPROVEN
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["file", "directory", "link"])
def test_what_is_there_is_never_touched(place: Place, kind: str, tmp_path: Path) -> None:
    target = tmp_path / "target"
    if kind == "file":
        target.write_text("mine")
    elif kind == "directory":
        target.mkdir()
        (target / "mine").touch()
    else:
        target.symlink_to(tmp_path / "nowhere")
    with pytest.raises(BackstayError) as raised:
        restored(place, target, LocalDisk(), is_directory=kind == "directory")
    assert raised.value.kind is errors.TARGET_EXISTS
    assert target.is_symlink() or kind != "link"
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
