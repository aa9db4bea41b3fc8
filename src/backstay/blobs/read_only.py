"""A blob store that refuses to change anything: what a dry run and every reading command are given.

Nothing below asks whether this is a dry run; the writable store is simply never handed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from backstay import errors
from backstay.blobs.contract import Answer, Blob, BlobStore, Chunks, Content, Features


class ReadOnlyStore:
    """`inner` for reading. `put` and `delete` raise `STORAGE_READ_ONLY` and never reach it."""

    def __init__(self, inner: BlobStore) -> None:
        self._inner = inner

    @property
    def location(self) -> str:
        return self._inner.location

    def features(self) -> Features:
        inner = self._inner.features()
        return Features(
            reads_ranges=inner.reads_ranges,
            lists_at_once=inner.lists_at_once,
            deletes=Answer.NO,
            reads_at_once=inner.reads_at_once,
            clock_offset_seconds=inner.clock_offset_seconds,
        )

    def put(self, name: str, content: Content, *, create_only: bool = True) -> int:
        raise self._refusal(f"`{name}` was not written")

    def get(self, name: str, *, offset: int = 0, length: int | None = None) -> Chunks:
        return self._inner.get(name, offset=offset, length=length)

    def stat(self, name: str) -> Blob:
        return self._inner.stat(name)

    def list(self, prefix: str = "") -> Sequence[Blob]:
        return self._inner.list(prefix)

    def delete(self, name: str) -> None:
        raise self._refusal(f"`{name}` was not deleted")

    def lock(self, name: str, until: datetime) -> None:
        raise self._refusal(f"`{name}` was not locked")

    def locked_until(self, name: str) -> datetime | None:
        return self._inner.locked_until(name)

    def close(self) -> None:
        self._inner.close()

    def _refusal(self, what: str) -> errors.BackstayError:
        return errors.STORAGE_READ_ONLY.error(what, where=self.location)
