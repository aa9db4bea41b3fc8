"""Pins: what a running restore or drill puts beside its point, so that no sweep takes it away meanwhile.

    pins/5d1c9f3a77e2b014-42-0c5be1f2a9d34e71        point 5d1c9f3a77e2b014-42 is in use

A pin counts for `TTL` after the storage's time of it and is renewed by another one. It is signed by nobody: who restores has no
signing key, and whoever could forge one could only make something be kept, for a quarter of an hour. A sweep that is
committed looks for pins once more before it deletes, and whoever has put a pin looks once more for sweeps: one of
the two sees the other.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from backstay import errors
from backstay.blobs.contract import BlobStore
from backstay.clock import Clock
from backstay.repository import names
from backstay.repository.changes import Sweep
from backstay.repository.commit import OvertakenError, read_following
from backstay.repository.manifest import Manifest
from backstay.repository.repository import Entropy, Repository

PREFIX = "pins/"
TTL = timedelta(minutes=15)
RENEWED_AFTER = timedelta(minutes=5)
_NAME = re.compile(rf"pins/({names.LINEAGE}-[0-9]{{1,16}})-[0-9a-f]{{16}}")
_NO_PIN = (errors.STORAGE_DENIED, errors.STORAGE_READ_ONLY, errors.STORAGE_FULL)


class Pin:
    """A pin on one point. `is_put` is false where the storage let none be put."""

    def __init__(self, store: BlobStore, point: str, clock: Clock, entropy: Entropy) -> None:
        self._store, self._point, self._clock, self._entropy = store, point, clock, entropy
        self._name = ""
        self._put_at = clock.now()
        self._put()

    @property
    def is_put(self) -> bool:
        """Whether there is one."""
        return bool(self._name)

    def renew(self) -> None:
        """Put a fresh one where the last is some minutes old; to be called now and then during long work."""
        now = self._clock.now()
        if now - self._put_at >= RENEWED_AFTER or now < self._put_at:
            before = self._name
            self._put()
            if before:
                self._delete(before)

    def remove(self) -> None:
        """The point is not in use any more."""
        if self._name:
            self._delete(self._name)

    def _put(self) -> None:
        name = f"{PREFIX}{self._point}-{self._entropy(8).hex()}"
        self._put_at = self._clock.now()
        try:
            self._store.put(name, f"{self._put_at.isoformat()}\n".encode())
        except errors.BackstayError as problem:
            if problem.kind not in _NO_PIN:
                raise
            return  # who may only read can restore all the same
        self._name = name

    def _delete(self, name: str) -> None:
        with contextlib.suppress(errors.BackstayError):  # it ends by itself
            self._store.delete(name)


@contextlib.contextmanager
def pinned(repository: Repository, manifest: Manifest, *, clock: Clock, entropy: Entropy) -> Iterator[Pin]:
    """Keep a point while it is read. Raises `POINT_NOT_FOUND` where it was swept since it was chosen."""
    pin = Pin(repository.store, manifest.id, clock, entropy)
    try:
        if pin.is_put:
            _require_there(repository, manifest)
        yield pin
    finally:
        pin.remove()


def pinned_points(store: BlobStore, now: datetime) -> frozenset[str]:
    """The ids of the points that are in use. A pin from the future counts."""
    matches = ((_NAME.fullmatch(blob.name), blob) for blob in store.list(PREFIX))
    return frozenset(match[1] for match, blob in matches if match is not None and now < blob.modified + TTL)


def remove_stale_pins(store: BlobStore, now: datetime) -> int:
    """Remove pins that ended long ago: of whoever was killed. Returns how many."""
    count = 0
    for blob in store.list(PREFIX):
        if _NAME.fullmatch(blob.name) and blob.modified + 4 * TTL < now:
            with contextlib.suppress(errors.BackstayError):
                store.delete(blob.name)
                count += 1
    return count


def _require_there(repository: Repository, manifest: Manifest) -> None:
    """Raise `POINT_NOT_FOUND` where a sweep that was committed after the point names it."""
    try:
        following = read_following(repository, manifest.lineage, manifest.sequence)
        swept = {each for sweep in following if isinstance(sweep.change, Sweep) for each in sweep.change.points}
    except OvertakenError:
        swept = {manifest.sequence}  # it is below the floor
    if manifest.sequence in swept:
        raise errors.POINT_NOT_FOUND.error(
            f"the point {manifest.id} was swept meanwhile", where=repository.store.location
        )
