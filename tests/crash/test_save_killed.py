"""Killed at any durable step, a save leaves no file under its final name that does not verify."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from backstay.snapshot.opened import open_file
from backstay.snapshot.verify import Level, verify
from tests.faulty_disk import DEAD, CountingDisk
from tests.saving import content_of, save_content

ROOT = Path(__file__).resolve().parents[2]


def test_a_killed_save_leaves_the_whole_file_or_none(tmp_path: Path) -> None:
    content = content_of()
    counting = CountingDisk()
    save_content(tmp_path / "whole.db", content, disk=counting)
    wanted = (tmp_path / "whole.db").read_bytes()
    place = tmp_path / "killed"
    place.mkdir()
    command = [sys.executable, "-m", "tests.crash.save_then_die", place, str(counting.steps)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    deaths = dict(line.split() for line in done.stdout.splitlines())
    assert len(deaths) == 2 * counting.steps
    assert set(deaths.values()) == {str(DEAD)}
    published = {name for name in deaths if (place / name / "saved.db").exists()}
    assert "1-before" not in published
    assert f"{counting.steps}-after" in published
    for name in published:
        assert (place / name / "saved.db").read_bytes() == wanted, name
        with open_file(place / name / "saved.db") as store:
            assert verify(store).reached is Level.COHERENT, name
    for name in deaths.keys() - published:
        # What a killed save leaves under its temporary name does not stand in the way of the next one.
        save_content(place / name / "saved.db", content)
        assert [path.name for path in (place / name).iterdir()] == ["saved.db"], name
