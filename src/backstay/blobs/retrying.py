"""A blob store that tries again where trying again can help, on an injected clock and random source.

Only errors that are declared retryable are tried again, with growing, jittered pauses. When patience ends,
`RetriesExhausted` is raised: the last error, with the history of all attempts.

Two calls need care. A `put` whose content can be read only once is not repeated. And a `put(create_only=True)` that
broke off may have succeeded: when the next attempt then finds the name taken, what lies there is compared with what was
to be put, and being equal is success. A `get` that breaks off goes on from where it was.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from typing import NamedTuple, TypeVar

from backstay import errors
from backstay.blobs.contract import CHUNK_BYTES, Blob, BlobStore, Chunks, Content, Features, can_repeat, pieces
from backstay.clock import Clock

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long. The pause before attempt n + 1 is drawn from the upper half of `first_pause * 2**(n-1)`."""

    attempts: int = 5
    first_pause_seconds: float = 0.5
    longest_pause_seconds: float = 30.0
    total_seconds: float = 300.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or min(self.first_pause_seconds, self.longest_pause_seconds, self.total_seconds) < 0:
            raise ValueError("patience is at least one attempt, and no negative time")


class Attempt(NamedTuple):
    """One failed attempt: when it failed (seconds after the first began) and how."""

    seconds: float
    code: str
    text: str


class RetriesExhausted(errors.BackstayError):
    """The last error of several attempts; `attempts` is the history, oldest first."""

    def __init__(self, last: errors.BackstayError, attempts: Sequence[Attempt]) -> None:
        self.attempts = tuple(attempts)
        tried = f"gave up after {len(attempts)} attempts in {attempts[-1].seconds:.0f} s"
        others = dict.fromkeys(attempt.code for attempt in attempts[:-1] if attempt.code != last.kind.code)
        before = f"; before that: {', '.join(others)}" if others else ""
        why = f"{last.why}; {tried}{before}" if last.why else f"{tried}{before}"
        super().__init__(last.kind, last.what, where=last.where, why=why, next_step=last.next_step)


class _Trial:
    """The attempts of one call: collects their failures and pauses between them."""

    def __init__(self, patience: Patience, clock: Clock, source: random.Random) -> None:
        self._patience, self._clock, self._random = patience, clock, source
        self._begun = clock.monotonic()
        self._attempts: list[Attempt] = []

    @property
    def failed_before(self) -> bool:
        """Whether there was a failed attempt."""
        return bool(self._attempts)

    def failed(self, error: errors.BackstayError) -> None:
        """Return when it is time for the next attempt; raises `error`, or `RetriesExhausted`, when there is none."""
        if not error.kind.retryable:
            raise error
        elapsed = self._clock.monotonic() - self._begun
        self._attempts.append(Attempt(elapsed, error.kind.code, str(error)))
        ceiling = self._patience.first_pause_seconds * 2.0 ** min(len(self._attempts) - 1, 60)
        pause = min(ceiling, self._patience.longest_pause_seconds) * (0.5 + self._random.random() / 2)
        if len(self._attempts) >= self._patience.attempts or elapsed + pause > self._patience.total_seconds:
            raise RetriesExhausted(error, self._attempts) from error
        self._clock.sleep(pause)


class RetryingStore:
    """`inner`, patiently. `random_source` spreads the pauses of many clients."""

    def __init__(
        self,
        inner: BlobStore,
        clock: Clock,
        random_source: random.Random,
        patience: Patience | None = None,
    ) -> None:
        self._inner = inner
        self._clock = clock
        self._random = random_source
        self._patience = patience or Patience()

    @property
    def location(self) -> str:
        return self._inner.location

    def features(self) -> Features:
        return self._inner.features()

    def put(self, name: str, content: Content, *, create_only: bool = True) -> int:
        trial = self._trial()
        while True:
            try:
                return self._inner.put(name, content, create_only=create_only)
            except errors.BackstayError as error:
                if error.kind is errors.BLOB_EXISTS and trial.failed_before:
                    return self._ours(name, content, error)
                if not can_repeat(content):
                    raise
                trial.failed(error)

    def get(self, name: str, *, offset: int = 0, length: int | None = None) -> Chunks:
        trial = self._trial()
        end = None if length is None else offset + length
        while True:
            try:
                for chunk in self._inner.get(name, offset=offset, length=None if end is None else end - offset):
                    offset += len(chunk)
                    yield chunk
                return
            except errors.BackstayError as error:
                trial.failed(error)

    def stat(self, name: str) -> Blob:
        return self._patiently(lambda: self._inner.stat(name))

    def list(self, prefix: str = "") -> Sequence[Blob]:
        return self._patiently(lambda: self._inner.list(prefix))

    def delete(self, name: str) -> None:
        self._patiently(lambda: self._inner.delete(name))

    def lock(self, name: str, until: datetime) -> None:
        self._patiently(lambda: self._inner.lock(name, until))

    def locked_until(self, name: str) -> datetime | None:
        return self._patiently(lambda: self._inner.locked_until(name))

    def close(self) -> None:
        self._inner.close()

    def _trial(self) -> _Trial:
        return _Trial(self._patience, self._clock, self._random)

    def _patiently(self, call: Callable[[], T]) -> T:
        trial = self._trial()
        while True:
            try:
                return call()
            except errors.BackstayError as error:
                trial.failed(error)

    def _ours(self, name: str, content: Content, error: errors.BackstayError) -> int:
        """The size of the content if it is what lies under `name`; otherwise somebody else took the name."""
        size = 0
        for there, wanted in zip_longest(self._even(self.get(name)), self._even(pieces(content))):
            if there != wanted:
                raise error
            size += len(wanted)
        return size

    @staticmethod
    def _even(stream: Iterator[bytes | bytearray | memoryview]) -> Iterator[bytes]:
        """The same bytes in pieces of one size, so that two streams can be compared."""
        waiting = bytearray()
        for piece in stream:
            waiting += piece
            while len(waiting) >= CHUNK_BYTES:
                yield bytes(waiting[:CHUNK_BYTES])
                del waiting[:CHUNK_BYTES]
        if waiting:
            yield bytes(waiting)
