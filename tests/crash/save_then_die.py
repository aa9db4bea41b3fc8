"""Saves that die at a durable step, one child process for each; `test_save_killed` runs this as a program.

    python -m tests.crash.save_then_die PLACE STEPS

Children are forked, which nothing here forbids: gRPC is not loaded in this program, and no thread runs in the parent.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.faulty_disk import DyingDisk
from tests.saving import content_of, save_content


def main(place: str, steps: str) -> None:
    """Let one child die at each of the steps, before it and after it."""
    content = content_of()
    for step in range(1, int(steps) + 1):
        for when in ("before", "after"):
            own = Path(place) / f"{step}-{when}"
            own.mkdir()
            child = os.fork()
            if child == 0:
                try:
                    save_content(own / "saved.db", content, disk=DyingDisk(step, after=when == "after"))
                finally:
                    os._exit(0)  # only who does not die comes here
            _, status = os.waitpid(child, 0)
            sys.stdout.write(f"{own.name} {os.waitstatus_to_exitcode(status)}\n")
            sys.stdout.flush()  # or the next child would say it too


if __name__ == "__main__":
    main(*sys.argv[1:])
