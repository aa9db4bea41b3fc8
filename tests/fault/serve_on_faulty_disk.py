"""`backstay serve` on a disk that goes wrong in the middle; a program of its own.

    python -m tests.fault.serve_on_faulty_disk STEP NUMBER ERROR serve --data-dir ...

STEP is a step of the store's disk (`sync_data`, `write_at`). The one with that number raises ERROR, and so does every later
one; a write leaves half of its sectors behind. Counting begins when the server has said that it is ready.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Any

from backstay.cli.main import run
from backstay.store.durable import LocalStoreDisk
from tests.etcd_server import READY
from tests.power_loss import SECTOR


def main(step: str, number: str, error: str, *arguments: str) -> int:
    """Serve until the disk is broken; the status of the command."""
    _break(step, int(number), getattr(errno, error))
    return run(list(arguments))


def _break(step: str, number: int, error: int) -> None:
    whole: Any = getattr(LocalStoreDisk, step)
    taken = 0

    def broken(disk: LocalStoreDisk, descriptor: int, *rest: Any) -> None:
        nonlocal taken
        taken += _is_ready()
        if taken < number:
            whole(disk, descriptor, *rest)
            return
        if step == "write_at":
            data, offset = rest
            end = (offset + len(data) // 2) // SECTOR * SECTOR
            whole(disk, descriptor, data[: max(0, end - offset)], offset)
        raise OSError(error, os.strerror(error))

    setattr(LocalStoreDisk, step, broken)


def _is_ready() -> bool:
    """Whether the log, which is standard error, says so already."""
    return READY in Path(f"/proc/self/fd/{sys.stderr.fileno()}").read_text(encoding="utf-8", errors="replace")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
