"""`backstay serve` on a disk that keeps nothing before it is told to: a kill is then a power cut. A program of its own.

    python -m tests.linearizability.serve_on_lazy_disk serve --data-dir ...

What is written to the log stays in this process until the sync that belongs to it, which takes its time. So whatever is told
to anybody too early - an answer, a read of a fresh write, an event of a watch - was told of something that is lost.
"""

from __future__ import annotations

import sys
import time

from backstay.cli.main import run
from backstay.store.durable import LocalStoreDisk

SYNC_SECONDS = 0.004

_write_at, _sync, _sync_data = LocalStoreDisk.write_at, LocalStoreDisk.sync, LocalStoreDisk.sync_data
_held: dict[int, list[tuple[bytes, int]]] = {}


def _hold(disk: LocalStoreDisk, descriptor: int, data: bytes, offset: int) -> None:
    _held.setdefault(descriptor, []).append((bytes(data), offset))


def _flush(disk: LocalStoreDisk, descriptor: int) -> None:
    time.sleep(SYNC_SECONDS)
    for data, offset in _held.pop(descriptor, ()):
        _write_at(disk, descriptor, data, offset)


def _flush_and_sync(disk: LocalStoreDisk, descriptor: int) -> None:
    _flush(disk, descriptor)
    _sync(disk, descriptor)


def _flush_and_sync_data(disk: LocalStoreDisk, descriptor: int) -> None:
    _flush(disk, descriptor)
    _sync_data(disk, descriptor)


if __name__ == "__main__":
    LocalStoreDisk.write_at = _hold  # type: ignore[method-assign]
    LocalStoreDisk.sync = _flush_and_sync  # type: ignore[method-assign]
    LocalStoreDisk.sync_data = _flush_and_sync_data  # type: ignore[method-assign]
    sys.exit(run(sys.argv[1:]))
