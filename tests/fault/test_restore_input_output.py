"""Whichever durable step of a restore fails, there is one clear error and nothing is left behind."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from backstay import errors
from backstay.durable import Disk
from backstay.errors import BackstayError
from tests.faulty_disk import CountingDisk, FailingDisk
from tests.restoring import golden_snapshot, restore_all, restore_one

TWO = "a=http://127.0.0.1:1,b=http://127.0.0.1:2"

Restoring = Callable[[Path, Path, Disk], object]

SHAPES: dict[str, Restoring] = {
    "one member": lambda source, place, disk: restore_one(source, place / "data", disk=disk),
    "log elsewhere": lambda source, place, disk: restore_one(
        source, place / "data", wal_directory=place / "log", disk=disk
    ),
    "all members": lambda source, place, disk: restore_all(source, place / "all", TWO, disk=disk),
}
KINDS = {errno.ENOSPC: errors.TARGET_FULL, errno.EIO: errors.INPUT_OUTPUT, errno.EROFS: errors.TARGET_UNWRITABLE}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("error_number", KINDS, ids=errno.errorcode.get)
def test_a_failing_step_is_reported_and_leaves_nothing_behind(shape: str, error_number: int, tmp_path: Path) -> None:
    source = golden_snapshot("3.5.35", tmp_path)
    counting = CountingDisk()
    (tmp_path / "whole").mkdir()
    SHAPES[shape](source, tmp_path / "whole", counting)
    assert counting.steps > 10
    # The last step is the flush of the name that was just given: what is there then is whole, see below.
    for step in range(1, counting.steps):
        place = tmp_path / f"{step}"
        place.mkdir()
        with pytest.raises(BackstayError) as caught:
            SHAPES[shape](source, place, FailingDisk(step, error_number))
        assert caught.value.kind is KINDS[error_number], counting.log[step - 1]
        assert caught.value.where
        left = sorted(path.name for path in place.iterdir())
        assert left == [], f"step {step}, {counting.log[step - 1]}, left {left}"


@pytest.mark.parametrize("shape", SHAPES)
def test_a_name_that_cannot_be_flushed_is_an_error_and_what_it_names_is_whole(shape: str, tmp_path: Path) -> None:
    source = golden_snapshot("3.5.35", tmp_path)
    counting = CountingDisk()
    for name in ("whole", "flushed"):
        (tmp_path / name).mkdir()
    SHAPES[shape](source, tmp_path / "whole", counting)
    with pytest.raises(BackstayError) as caught:
        SHAPES[shape](source, tmp_path / "flushed", FailingDisk(counting.steps, errno.EIO))
    assert caught.value.kind is errors.INPUT_OUTPUT
    assert contents(tmp_path / "flushed") == contents(tmp_path / "whole")


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_a_disk_that_stays_broken_still_leaves_nothing(tmp_path: Path) -> None:
    source = golden_snapshot("3.5.35", tmp_path)
    for step in range(1, 20):
        with pytest.raises(BackstayError):
            restore_one(source, tmp_path / "data", disk=FailingDisk(step, errno.EIO, every_later=True))
        assert not (tmp_path / "data").exists()
        assert not (tmp_path / "data.part").exists()
