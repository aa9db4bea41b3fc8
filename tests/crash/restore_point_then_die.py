"""Restores of a point that die at a durable step, a child process for each; `test_restore_point_killed` runs this.

    python -m tests.crash.restore_point_then_die PLACE SHAPE STEPS

Children are forked, which nothing here forbids: gRPC is not loaded in this program, and no thread runs.
"""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path

from backstay.clock import SystemClock
from backstay.durable import Disk
from backstay.jobs.points.restore import one_directory, plan_restore, restore
from backstay.repository.reading import PointReader
from backstay.telemetry import SilentProgress
from tests.backing_up import Place, small_history
from tests.faulty_disk import DyingDisk

REVISION = 12


@functools.cache
def backed_up() -> tuple[Place, PointReader]:
    """A small history in a repository; the same one in every process."""
    place = Place()
    return place, place.reader(place.back_up(small_history()).manifest)


def restore_shape(shape: str, place: Path, disk: Disk) -> None:
    """Restore the same small history into `place`: as a file, as an older revision, or as a directory."""
    repository, reader = backed_up()
    target = place / "target"
    wish = one_directory(target) if shape == "directory" else None
    plan = plan_restore(reader, target, directory=wish, revision=REVISION if shape == "history" else None)
    restore(
        reader, plan, disk=disk, clock=SystemClock(), entropy=repository.entropy, progress=SilentProgress()
    )  # fmt: skip


def main(place: str, shape: str, steps: str) -> None:
    """Let one child die at each of the steps, before it and after it."""
    assert "grpc" not in sys.modules
    backed_up()
    for step in range(1, int(steps) + 1):
        for when in ("before", "after"):
            own = Path(place) / f"{step}-{when}"
            own.mkdir()
            child = os.fork()
            if child == 0:
                try:
                    restore_shape(shape, own, DyingDisk(step, after=when == "after"))
                finally:
                    os._exit(0)  # only who does not die comes here
            _, status = os.waitpid(child, 0)
            sys.stdout.write(f"{own.name} {os.waitstatus_to_exitcode(status)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
