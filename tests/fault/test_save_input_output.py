"""Whichever durable step of a save fails, there is one clear error and nothing is left behind."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from backstay import errors
from backstay.errors import BackstayError
from backstay.snapshot.save import save
from tests.faulty_disk import CountingDisk, FailingDisk
from tests.saving import SteppingClock, content_of, save_content, source_of

KINDS = {errno.ENOSPC: errors.TARGET_FULL, errno.EIO: errors.INPUT_OUTPUT, errno.EROFS: errors.TARGET_UNWRITABLE}


@pytest.mark.parametrize("error_number", KINDS, ids=errno.errorcode.get)
def test_a_failing_step_is_reported_and_leaves_nothing_behind(error_number: int, tmp_path: Path) -> None:
    content = content_of()
    counting = CountingDisk()
    (tmp_path / "whole").mkdir()
    save_content(tmp_path / "whole" / "saved.db", content, disk=counting)
    # create, two writes, the flush beside the proof, the flush before the name, the name, the flush of the name.
    assert counting.steps >= 7
    for step in range(1, counting.steps):
        place = tmp_path / f"{step}"
        place.mkdir()
        with pytest.raises(BackstayError) as caught:
            save_content(place / "saved.db", content, disk=FailingDisk(step, error_number))
        assert caught.value.kind is KINDS[error_number], counting.log[step - 1]
        assert list(place.iterdir()) == [], counting.log[step - 1]


def test_a_name_that_cannot_be_flushed_is_an_error_and_what_it_names_is_whole(tmp_path: Path) -> None:
    content = content_of()
    counting = CountingDisk()
    save_content(tmp_path / "whole.db", content, disk=counting)
    with pytest.raises(BackstayError):
        save_content(tmp_path / "saved.db", content, disk=FailingDisk(counting.steps, errno.EIO))
    assert (tmp_path / "saved.db").read_bytes() == (tmp_path / "whole.db").read_bytes()


def test_a_target_without_room_is_refused_before_a_byte_is_written(tmp_path: Path) -> None:
    counting = CountingDisk()
    with pytest.raises(BackstayError) as caught:
        save(
            tmp_path / "saved.db", source_of(content_of()), disk=counting, clock=SteppingClock(), free_bytes=lambda _: 1
        )
    assert caught.value.kind is errors.TARGET_FULL
    assert not [step for step in counting.log if step.startswith("write")]
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "saved.db"

    class Racing(CountingDisk):
        def publish(self, temporary: Path, final: Path) -> None:
            target.write_text("somebody else's")
            super().publish(temporary, final)

    with pytest.raises(BackstayError) as caught:
        save_content(target, content_of(), disk=Racing())
    assert caught.value.kind is errors.TARGET_EXISTS
    assert target.read_text() == "somebody else's"
    assert list(tmp_path.iterdir()) == [target]
