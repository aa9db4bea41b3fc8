"""A blob store that sends and receives no faster than it is told, so that a backup leaves the network to the cluster."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime

from backstay.blobs.contract import Blob, BlobStore, Chunks, Content, Features, observed
from backstay.clock import Clock


class Rate:
    """So many bytes per second, shared by all threads; up to one second's worth may go at once."""

    def __init__(self, bytes_per_second: float, clock: Clock) -> None:
        if bytes_per_second <= 0:
            raise ValueError("a rate is more than 0 bytes per second")
        self._bytes_per_second = bytes_per_second
        self._clock = clock
        self._lock = threading.Lock()
        self._free_at = clock.monotonic() - 1.0  # when everything granted so far will have been paid for

    def spend(self, size: int) -> None:
        """Return when `size` bytes may go."""
        with self._lock:
            now = self._clock.monotonic()
            self._free_at = max(self._free_at, now - 1.0) + size / self._bytes_per_second
            wait = self._free_at - now
        if wait > 0:
            self._clock.sleep(wait)


class LimitedStore:
    """`inner` with a rate for what is sent and one for what is received; None is no limit."""

    def __init__(self, inner: BlobStore, *, upload: Rate | None = None, download: Rate | None = None) -> None:
        self._inner = inner
        self._upload = upload
        self._download = download

    @property
    def location(self) -> str:
        return self._inner.location

    def features(self) -> Features:
        return self._inner.features()

    def put(self, name: str, content: Content, *, create_only: bool = True) -> int:
        slowed = observed(content, self._upload.spend) if self._upload else content
        return self._inner.put(name, slowed, create_only=create_only)

    def get(self, name: str, *, offset: int = 0, length: int | None = None) -> Chunks:
        for chunk in self._inner.get(name, offset=offset, length=length):
            if self._download:
                self._download.spend(len(chunk))
            yield chunk

    def stat(self, name: str) -> Blob:
        return self._inner.stat(name)

    def list(self, prefix: str = "") -> Sequence[Blob]:
        return self._inner.list(prefix)

    def delete(self, name: str) -> None:
        self._inner.delete(name)

    def lock(self, name: str, until: datetime) -> None:
        self._inner.lock(name, until)

    def locked_until(self, name: str) -> datetime | None:
        return self._inner.locked_until(name)

    def close(self) -> None:
        self._inner.close()
