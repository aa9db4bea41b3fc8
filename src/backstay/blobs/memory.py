"""A blob store in memory: for tests and for planning without a disk. It keeps the whole contract but durability."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime

from backstay.blobs.contract import (
    CHUNK_BYTES,
    Answer,
    Blob,
    Chunks,
    Content,
    Features,
    check_name,
    check_range,
    exists,
    locked,
    not_found,
    pieces,
    sorted_by_name,
)
from backstay.clock import Clock, SystemClock


class MemoryStore:
    """Objects in a dictionary of this process."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._contents: dict[str, tuple[Blob, bytes]] = {}
        self._locks: dict[str, datetime] = {}
        self._lock = threading.Lock()

    @property
    def location(self) -> str:
        return "memory"

    def features(self) -> Features:
        yes = Answer.YES
        return Features(
            create_refuses_existing=yes,
            synced_on_return=Answer.NO,
            reads_ranges=yes,
            lists_at_once=yes,
            deletes=yes,
            locks=yes,
            clock_offset_seconds=0.0,
        )

    def put(self, name: str, content: Content, *, create_only: bool = True) -> int:
        check_name(name)
        whole = b"".join(pieces(content))
        blob = Blob(name, len(whole), self._clock.now())
        with self._lock:
            if create_only and name in self._contents:
                raise exists(self, name)
            self._contents[name] = (blob, whole)
        return blob.size

    def get(self, name: str, *, offset: int = 0, length: int | None = None) -> Chunks:
        check_range(offset, length)
        whole = self._entry(name)[1]
        end = len(whole) if length is None else min(len(whole), offset + length)
        for start in range(offset, end, CHUNK_BYTES):
            yield whole[start : min(end, start + CHUNK_BYTES)]

    def stat(self, name: str) -> Blob:
        return self._entry(name)[0]

    def list(self, prefix: str = "") -> Sequence[Blob]:
        with self._lock:
            blobs = [blob for blob, _ in self._contents.values()]
        return sorted_by_name(blob for blob in blobs if blob.name.startswith(prefix))

    def delete(self, name: str) -> None:
        check_name(name)
        with self._lock:
            until = self._locks.get(name)
            if until is not None and name in self._contents and self._clock.now() < until:
                raise locked(self, name, until)
            self._locks.pop(name, None)
            self._contents.pop(name, None)

    def lock(self, name: str, until: datetime) -> None:
        self._entry(name)
        with self._lock:
            self._locks[name] = max(until, self._locks.get(name, until))

    def locked_until(self, name: str) -> datetime | None:
        self._entry(name)
        return self._locks.get(name)

    def close(self) -> None:
        """Nothing to release; the contents go with the object."""

    def _entry(self, name: str) -> tuple[Blob, bytes]:
        check_name(name)
        with self._lock:
            if name not in self._contents:
                raise not_found(self, name)
            return self._contents[name]
