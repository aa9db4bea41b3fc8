"""Disks that go wrong at the nth durable step: to count steps, to fail one of them, or to die after it.

Each is a `LocalDisk`, so everything else really happens. Steps are numbered from 1 in the order in which the code under
test takes them.

    counting = CountingDisk()                        run once, then `counting.steps` is how many there are
    FailingDisk(3, errno.ENOSPC)                     step 3 raises; with `every_later` all steps from 3 on do
    DyingDisk(3)                                     the process ends at step 3, like a power cut: for subprocesses only
    DyingDisk(3, after=True)                         the same, but the step itself is still done
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from backstay.durable import LocalDisk

Buffers = Sequence[bytes | bytearray | memoryview]

DEAD = 9
"""The exit status of a process that a `DyingDisk` has ended."""


class CountingDisk(LocalDisk):
    """Counts the steps and remembers their names and subjects, as `publish one.db`."""

    def __init__(self) -> None:
        self.log: list[str] = []

    @property
    def steps(self) -> int:
        """How many steps were taken so far."""
        return len(self.log)

    def step(self, name: str, subject: object) -> None:
        """Called before every step; the subclasses go wrong here."""
        self.log.append(f"{name} {subject}")

    def done(self) -> None:
        """Called after every step that succeeded."""

    def create(self, path: Path, mode: int) -> int:
        self.step("create", path.name)
        descriptor = super().create(path, mode)
        self.done()
        return descriptor

    def write(self, descriptor: int, buffers: Buffers) -> None:
        self.step("write", sum(map(len, buffers)))
        super().write(descriptor, buffers)
        self.done()

    def write_at(self, descriptor: int, data: bytes, offset: int) -> None:
        self.step("write_at", offset)
        super().write_at(descriptor, data, offset)
        self.done()

    def sync(self, descriptor: int) -> None:
        self.step("sync", "")
        super().sync(descriptor)
        self.done()

    def make_directory(self, path: Path, mode: int) -> None:
        self.step("make_directory", path.name)
        super().make_directory(path, mode)
        self.done()

    def publish(self, temporary: Path, final: Path) -> None:
        self.step("publish", final.name)
        super().publish(temporary, final)
        self.done()

    def sync_directory(self, path: Path) -> None:
        self.step("sync_directory", path.name)
        super().sync_directory(path)
        self.done()


class FailingDisk(CountingDisk):
    """Raises `OSError(error_number)` instead of taking step `failing`."""

    def __init__(self, failing: int, error_number: int, *, every_later: bool = False) -> None:
        super().__init__()
        self._failing = failing
        self._error_number = error_number
        self._every_later = every_later

    def step(self, name: str, subject: object) -> None:
        super().step(name, subject)
        if self.steps == self._failing or (self._every_later and self.steps > self._failing):
            raise OSError(self._error_number, os.strerror(self._error_number))


class DyingDisk(CountingDisk):
    """Ends the process with status `DEAD` at step `dying`, without any clean-up. A write is cut in half first."""

    def __init__(self, dying: int, *, after: bool = False) -> None:
        super().__init__()
        self._dying = dying
        self._after = after

    def write(self, descriptor: int, buffers: Buffers) -> None:
        if self.steps + 1 == self._dying and not self._after:
            whole = b"".join(buffers)
            LocalDisk.write(self, descriptor, [whole[: len(whole) // 2]])
        super().write(descriptor, buffers)

    def step(self, name: str, subject: object) -> None:
        super().step(name, subject)
        if self.steps == self._dying and not self._after:
            os._exit(DEAD)

    def done(self) -> None:
        if self.steps == self._dying and self._after:
            os._exit(DEAD)
