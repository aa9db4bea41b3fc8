"""A point kept in its repository while it is read: a pin, renewed by the progress that the work reports anyway."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from backstay.clock import Clock
from backstay.repository.manifest import Manifest
from backstay.repository.repository import Entropy, Repository
from backstay.repository.retention.pins import Pin, pinned
from backstay.telemetry import Progress


@contextmanager
def kept(
    repository: Repository, manifest: Manifest, *, clock: Clock, entropy: Entropy, progress: Progress
) -> Iterator[Progress]:
    """Keep a point from being swept; hand the progress that is given here to whatever reads it.

    Raises `POINT_NOT_FOUND` where it was swept since it was chosen. Where the storage may only be read there is no pin.
    """
    with pinned(repository, manifest, clock=clock, entropy=entropy) as pin:
        yield _Renewing(progress, pin)


class _Renewing:
    """`progress`, and a look at the pin with each step of it."""

    def __init__(self, progress: Progress, pin: Pin) -> None:
        self._progress, self._pin = progress, pin

    def begin(self, phase: str, total_bytes: int | None) -> None:
        self._pin.renew()
        self._progress.begin(phase, total_bytes)

    def advance(self, done_bytes: int) -> None:
        self._pin.renew()
        self._progress.advance(done_bytes)

    def finish(self) -> None:
        self._progress.finish()
