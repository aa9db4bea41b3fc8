"""Restores that die at a durable step, one child process for each; `test_restore_killed` runs this as a program.

    python -m tests.crash.restore_then_die SOURCE PLACE SHAPE STEPS

Every child restores into `PLACE/STEP-before` or `PLACE/STEP-after` and dies there. Children are forked, which nothing here
forbids: gRPC is not loaded in this program, and no thread runs.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from backstay.durable import Disk
from tests.faulty_disk import DyingDisk
from tests.restoring import restore_all, restore_one

THREE = "a=http://127.0.0.1:1,b=http://127.0.0.1:2,c=http://127.0.0.1:3"


def restore_shape(shape: str, source: Path, place: Path, disk: Disk) -> None:
    """Restore into `place`, in one of the three shapes."""
    if shape == "all-members":
        restore_all(source, place / "all", THREE, disk=disk)
    else:
        elsewhere = place / "log" if shape == "log-elsewhere" else None
        restore_one(source, place / "data", wal_directory=elsewhere, disk=disk)


def main(source: str, place: str, shape: str, steps: str) -> None:
    """Let one child die at each of the steps, before it and after it."""
    for step in range(1, int(steps) + 1):
        for when in ("before", "after"):
            own = Path(place) / f"{step}-{when}"
            own.mkdir()
            child = os.fork()
            if child == 0:
                try:
                    restore_shape(shape, Path(source), own, DyingDisk(step, after=when == "after"))
                finally:
                    os._exit(0)  # only who does not die comes here
            _, status = os.waitpid(child, 0)
            sys.stdout.write(f"{own.name} {os.waitstatus_to_exitcode(status)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
