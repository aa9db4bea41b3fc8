"""The maintenance lease: one at a time merges and sweeps. Objects with numbers, since nothing is ever overwritten.

    gc/0000000000000007/00000000       taken: whoever created this name has number 7
    gc/0000000000000007/00000003       renewed three times; the ones before are removed
    gc/0000000000000007/released       given back
    gc/0000000000000007/broken         taken away by somebody who knew the number

A lease holds for `TTL` after the storage's time of its newest object; then the next number may be taken, so a dead holder is in
nobody's way for longer. Before each batch of deletions the holder looks whether its number is still the highest. The lease
saves double work; what must never happen is kept from happening by the order of commits alone, not by clocks.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from backstay import errors
from backstay.blobs.contract import Blob, BlobStore
from backstay.clock import Clock
from backstay.repository.commit import put_once

PREFIX = "gc/"
TTL = timedelta(seconds=60)
RENEWED_AFTER = timedelta(seconds=20)
_OBJECT = re.compile(r"gc/([0-9]{16})/([0-9]{8}|released|broken)")
_ENDED = ("released", "broken")
_KEPT = 20
_KEPT_FOR = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class LeaseState:
    """The newest lease that was ever taken; `number` 0 for none. `ended` is how it ended, `seen` its last sign of life."""

    number: int
    ended: str
    seen: datetime | None

    def is_held(self, now: datetime) -> bool:
        """Whether somebody has it."""
        return bool(self.number) and not self.ended and self.seen is not None and now < self.seen + TTL


class Lease:
    """A lease that was taken; use through `maintaining`."""

    def __init__(self, store: BlobStore, number: int, clock: Clock) -> None:
        self.number = number
        self._store, self._clock = store, clock
        self._beat = 0
        self._renewed = clock.now()

    def check(self) -> None:
        """Renew it where that is due. Raises `LEASE_LOST` when it is no longer this holder's."""
        state = lease_state(self._store)
        if state.number != self.number or state.ended:
            raise errors.LEASE_LOST.error(
                f"maintenance number {self.number} has lost its lease",
                where=self._store.location,
                why="it was broken" if state.ended == "broken" else f"number {state.number} has been taken",
            )
        now = self._clock.now()
        if now - self._renewed >= RENEWED_AFTER or now < self._renewed:
            self._beat += 1
            put_once(self._store, _name(self.number, f"{self._beat:08d}"), _content(now))
            self._delete(_name(self.number, f"{self._beat - 1:08d}"))
            self._renewed = now

    def release(self) -> None:
        """Give it back."""
        put_once(self._store, _name(self.number, "released"), _content(self._clock.now()))

    def _delete(self, name: str) -> None:
        with contextlib.suppress(errors.BackstayError):  # a sign of life that stays does no harm
            self._store.delete(name)


@contextlib.contextmanager
def maintaining(store: BlobStore, clock: Clock) -> Iterator[Lease]:
    """Hold the lease. Raises `LEASE_HELD` when somebody else has it."""
    state = lease_state(store)
    if state.is_held(clock.now()):
        raise _held(store, state.number)
    number = state.number + 1
    try:
        store.put(_name(number, "00000000"), _content(clock.now()))
    except errors.BackstayError as problem:
        if problem.kind is not errors.BLOB_EXISTS:
            raise
        raise _held(store, number) from problem
    lease = Lease(store, number, clock)
    _forget(store, number, clock.now())
    try:
        yield lease
    finally:
        # Whatever went wrong: the next one need not wait. If this fails too, he waits for a minute.
        with contextlib.suppress(errors.BackstayError):
            lease.release()


def lease_state(store: BlobStore) -> LeaseState:
    """Who has, or had, the lease."""
    found = _objects(store)
    number = max((each for each, _, _ in found), default=0)
    own = [(word, blob) for each, word, blob in found if each == number]
    ended = next((word for word, _ in own if word in _ENDED), "")
    return LeaseState(number, ended, max((blob.modified for _, blob in own), default=None))


def break_lease(store: BlobStore, number: int, *, now: datetime) -> None:
    """Take the lease `number` away from its holder; it stays on record. Raises `LEASE_LOST` unless that is the newest one."""
    state = lease_state(store)
    if state.number != number or state.ended:
        why = f"the newest lease is number {state.number}" + (f", which is {state.ended}" if state.ended else "")
        raise errors.LEASE_LOST.error(
            f"there is no lease {number} to break",
            where=store.location,
            why=why,
            next_step="name the lease that is held",
        )
    put_once(store, _name(number, "broken"), _content(now))


def _held(store: BlobStore, number: int) -> errors.BackstayError:
    return errors.LEASE_HELD.error(f"maintenance number {number} is at work", where=store.location)


def _objects(store: BlobStore) -> list[tuple[int, str, Blob]]:
    matches = ((_OBJECT.fullmatch(blob.name), blob) for blob in store.list(PREFIX))
    return [(int(match[1]), match[2], blob) for match, blob in matches if match is not None]


def _forget(store: BlobStore, number: int, now: datetime) -> None:
    """Remove what old leases left; the newest number always stays."""
    for each, _, blob in _objects(store):
        if each < number - _KEPT and blob.modified < now - _KEPT_FOR:
            with contextlib.suppress(errors.BackstayError):
                store.delete(blob.name)


def _name(number: int, word: str) -> str:
    return f"{PREFIX}{number:016d}/{word}"


def _content(now: datetime) -> bytes:
    return f"{now.isoformat()}\n".encode()
