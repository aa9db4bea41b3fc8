"""Killed at any durable step, a restore of a point leaves nothing under its final name that is not whole, and no value
under any name but the one that is being written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.backing_up import CANARY
from tests.crash.restore_point_then_die import restore_shape
from tests.crash.test_restore_killed import ROOT, contents
from tests.faulty_disk import DEAD, CountingDisk


@pytest.mark.parametrize("shape", ["file", "history", "directory"])
def test_a_killed_restore_of_a_point_leaves_nothing_that_is_not_whole(shape: str, tmp_path: Path) -> None:
    counting, whole, place = CountingDisk(), tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    place.mkdir()
    restore_shape(shape, whole, counting)
    wanted = found_in(whole)
    assert wanted
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.restore_point_then_die", place, shape, str(counting.steps)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    deaths = dict(line.split() for line in done.stdout.splitlines())
    assert set(deaths.values()) == {str(DEAD)}
    assert not (place / "1-before" / "target").exists()
    for name in deaths:
        own = place / name
        assert {path.name for path in own.iterdir()} <= {"target", "target.part"}, name
        if (own / "target").exists():
            assert found_in(own) == wanted, f"after {name}, {counting.log[int(name.split('-')[0]) - 1]}"
        else:
            restore_shape(shape, own, CountingDisk())  # what is left over is in nobody's way
            assert found_in(own) == wanted, f"a restore after {name} is not whole"
    assert CANARY in b"".join(wanted.values())


def found_in(place: Path) -> dict[str, bytes]:
    """The bytes of the file, or of the files of the directory."""
    target = place / "target"
    return {"": target.read_bytes()} if target.is_file() else contents(target)
