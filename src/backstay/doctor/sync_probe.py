"""How long a small write takes to become durable beside the data: bounded, and only with --probe.

Called by `gather`. It writes one file of 8 KiB a hundred times, syncs each write, and removes it; etcd wants the 99th percentile
of this below 10 ms.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from pathlib import Path

ROUNDS = 100
WRITE_BYTES = 8192
TOTAL_SECONDS = 10.0


def measure(directory: Path) -> tuple[float, ...]:
    """Seconds of each write and sync, sorted; empty where this user may not write there."""
    seconds: list[float] = []
    try:
        descriptor, name = tempfile.mkstemp(prefix=".backstay-probe-", dir=directory)
    except OSError:
        return ()
    try:
        deadline = time.monotonic() + TOTAL_SECONDS
        payload = bytes(WRITE_BYTES)
        while len(seconds) < ROUNDS and time.monotonic() < deadline:
            begun = time.monotonic()
            os.pwrite(descriptor, payload, 0)
            os.fsync(descriptor)
            seconds.append(time.monotonic() - begun)
    except OSError:
        pass  # a full disk: its own check says so, and what was measured stands
    finally:
        os.close(descriptor)
        with contextlib.suppress(OSError):
            os.unlink(name)
    return tuple(sorted(seconds))
