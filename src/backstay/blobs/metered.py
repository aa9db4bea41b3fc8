"""A blob store that counts what is done with it: calls, bytes, failures and seconds, per operation.

The counts are values (`Usage`); whoever shows metrics or a summary asks for them. Put it inside `RetryingStore` to count
attempts, outside to count what callers asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from backstay.blobs.contract import Blob, BlobStore, Chunks, Content, Features, observed
from backstay.clock import Clock

OPERATIONS = ("put", "get", "stat", "list", "delete")


@dataclass(frozen=True, slots=True)
class Usage:
    """What one operation has cost so far. Bytes count as they flow, also those of calls that fail later."""

    calls: int = 0
    failures: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    seconds: float = 0.0


class MeteredStore:
    """`inner`, counted."""

    def __init__(self, inner: BlobStore, clock: Clock) -> None:
        self._inner = inner
        self._clock = clock
        self._lock = threading.Lock()
        self._usage = dict.fromkeys(OPERATIONS, Usage())

    @property
    def location(self) -> str:
        return self._inner.location

    def usage(self) -> Mapping[str, Usage]:
        """The counts at this moment, by operation."""
        with self._lock:
            return dict(self._usage)

    def features(self) -> Features:
        return self._inner.features()

    def put(self, name: str, content: Content, *, create_only: bool = True) -> int:
        with self._counted("put"):
            counted = observed(content, lambda size: self._add("put", sent_bytes=size))
            return self._inner.put(name, counted, create_only=create_only)

    def get(self, name: str, *, offset: int = 0, length: int | None = None) -> Chunks:
        with self._counted("get"):
            for chunk in self._inner.get(name, offset=offset, length=length):
                self._add("get", received_bytes=len(chunk))
                yield chunk

    def stat(self, name: str) -> Blob:
        with self._counted("stat"):
            return self._inner.stat(name)

    def list(self, prefix: str = "") -> Sequence[Blob]:
        with self._counted("list"):
            return self._inner.list(prefix)

    def delete(self, name: str) -> None:
        with self._counted("delete"):
            self._inner.delete(name)

    def lock(self, name: str, until: datetime) -> None:
        self._inner.lock(name, until)

    def locked_until(self, name: str) -> datetime | None:
        return self._inner.locked_until(name)

    def close(self) -> None:
        self._inner.close()

    @contextmanager
    def _counted(self, operation: str) -> Iterator[None]:
        begun = self._clock.monotonic()
        failures = 1
        try:
            yield
            failures = 0
        except GeneratorExit:
            failures = 0  # the reader has what it wanted
            raise
        finally:
            self._add(operation, calls=1, failures=failures, seconds=self._clock.monotonic() - begun)

    def _add(
        self,
        operation: str,
        *,
        calls: int = 0,
        failures: int = 0,
        sent_bytes: int = 0,
        received_bytes: int = 0,
        seconds: float = 0.0,
    ) -> None:
        with self._lock:
            before = self._usage[operation]
            self._usage[operation] = Usage(
                before.calls + calls,
                before.failures + failures,
                before.sent_bytes + sent_bytes,
                before.received_bytes + received_bytes,
                before.seconds + seconds,
            )
