"""The machine's disk, with the waits for it measured: what the log's syncs take is the first thing to look at in a slow store."""

from __future__ import annotations

import time

from backstay.server.durations import Durations, doubling
from backstay.store.durable import LocalStoreDisk

BOUNDS = doubling(0.001, 14)
"""Seconds; etcd's own."""


class MeteredStoreDisk(LocalStoreDisk):
    """Counts what only the log's thread does: `write_at` and `sync_data`. Bases are written in a child process."""

    def __init__(self) -> None:
        self.writes = Durations(BOUNDS)
        self.syncs = Durations(BOUNDS)
        self.written_bytes = 0

    def write_at(self, descriptor: int, data: bytes, offset: int) -> None:
        start = time.perf_counter()
        super().write_at(descriptor, data, offset)
        self.writes.observe(time.perf_counter() - start)
        self.written_bytes += len(data)

    def sync_data(self, descriptor: int) -> None:
        start = time.perf_counter()
        super().sync_data(descriptor)
        self.syncs.observe(time.perf_counter() - start)
