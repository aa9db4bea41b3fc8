"""Killed at any durable step, a restore leaves no directory under its final name that is not whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.restore_then_die import restore_shape
from tests.faulty_disk import DEAD, CountingDisk
from tests.restoring import golden_snapshot

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("shape", ["one-member", "log-elsewhere", "all-members"])
def test_a_killed_restore_leaves_nothing_that_is_not_whole(shape: str, tmp_path: Path) -> None:
    source = golden_snapshot("3.5.35", tmp_path)
    counting = CountingDisk()
    whole = tmp_path / "whole"
    whole.mkdir()
    restore_shape(shape, source, whole, counting)
    wanted = contents(whole)
    place = tmp_path / "killed"
    place.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.restore_then_die", source, place, shape, str(counting.steps)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    deaths = dict(line.split() for line in done.stdout.splitlines())
    assert len(deaths) == 2 * counting.steps
    assert set(deaths.values()) == {str(DEAD)}
    outcomes = {name: names_at(place / name) for name in deaths}
    for name, names in outcomes.items():
        for final in names:
            found = contents(place / name / final)
            assert found == contents(whole / final), (
                f"{final} after {name}, {counting.log[int(name.split('-')[0]) - 1]}"
            )
        if "log" in names and "data" not in names:
            assert len(names) == 1  # the log never comes after the database
        if not names:
            restore_shape(shape, source, place / name, CountingDisk())
            assert contents(place / name) == wanted, f"a restore after {name} is not whole"
    assert outcomes["1-before"] == []
    assert contents(place / f"{counting.steps}-after") == wanted


def names_at(place: Path) -> list[str]:
    """The final names that exist: whatever a killed restore leaves besides ends in `.part`."""
    return sorted(path.name for path in place.iterdir() if path.suffix != ".part")


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}
