"""A blob store in front of which blocks that were read lie on this host's disk, for repeated looks into a remote repository.

    DIR/<2 hex digits>/<SHA-256 of location, name and block number>     SHA-256 of the block (32 bytes), the block

Only names that never change their content are kept: those below the prefixes that are given. Everything is kept as it came,
so what is encrypted stays encrypted; who wraps a store decides that it is. Blocks that do not have their SHA-256 any more are
fetched again. The cache is bounded and disposable: nothing in it is needed, nothing of it is synced, and where it cannot be
used, reading goes on without it. It must not stand before a verification, which would read its own memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from backstay.blobs.contract import Blob, BlobStore, Chunks, Content, Features, check_name, check_range

BLOCK_BYTES = 256 << 10
LIMIT_BYTES = 1 << 30
_HASH = 32
_AFTER_TIDYING = 0.8
_READ_AT_ONCE = 16


@dataclass(slots=True)
class CacheUsage:
    """How many blocks came from the disk and how many from the store."""

    hits: int = 0
    misses: int = 0


class CachingStore:
    """`inner`, with blocks of what lies below `prefixes` kept in `directory`."""

    def __init__(
        self,
        inner: BlobStore,
        directory: Path,
        prefixes: Sequence[str],
        *,
        limit_bytes: int = LIMIT_BYTES,
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        self._inner = inner
        self._disk = _Blocks(directory, limit_bytes)
        self._prefixes = tuple(prefixes)
        self._block = block_bytes
        self.usage = CacheUsage()

    @property
    def location(self) -> str:
        return self._inner.location

    def features(self) -> Features:
        return self._inner.features()

    def put(self, name: str, content: Content, *, create_only: bool = True) -> int:
        return self._inner.put(name, content, create_only=create_only)

    def get(self, name: str, *, offset: int = 0, length: int | None = None) -> Chunks:
        check_name(name)
        check_range(offset, length)
        if length is None or not name.startswith(self._prefixes):
            yield from self._inner.get(name, offset=offset, length=length)
            return
        left, at = length, offset
        number = offset // self._block
        last = (offset + max(length, 1) - 1) // self._block
        while left > 0 and number <= last:
            for block in self._blocks(name, number, min(last, number + _READ_AT_ONCE - 1)):
                begin = at - number * self._block
                piece = block[begin : begin + left]
                if piece:
                    yield piece
                left -= len(piece)
                at += len(piece)
                number += 1
                if len(block) < self._block:  # the end of the object
                    return

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

    def _blocks(self, name: str, first: int, last: int) -> Iterator[bytes]:
        """The blocks from `first` to `last`, fewer where the object ends; missing ones are fetched in one go."""
        number = first
        while number <= last:
            kept = self._disk.read(self._key(name, number))
            if kept is not None:
                self.usage.hits += 1
                yield kept
                number += 1
                continue
            end = number
            while end < last and not self._disk.has(self._key(name, end + 1)):
                end += 1
            for block in self._fetched(name, number, end):
                self.usage.misses += 1
                self._disk.write(self._key(name, number), block)
                yield block
                number += 1
                if len(block) < self._block:
                    return

    def _fetched(self, name: str, first: int, last: int) -> Iterator[bytes]:
        """Whole blocks, and the last one shorter, also empty, where the object ends."""
        held = bytearray()
        wanted = last - first + 1
        with closing(self._inner.get(name, offset=first * self._block, length=wanted * self._block)) as chunks:
            for chunk in chunks:
                held += chunk
                while len(held) >= self._block and wanted:
                    yield bytes(held[: self._block])
                    del held[: self._block]
                    wanted -= 1
        if wanted:
            yield bytes(held)

    def _key(self, name: str, number: int) -> str:
        return hashlib.sha256(f"{self.location}\n{name}\n{self._block}\n{number}".encode()).hexdigest()


class _Blocks:
    """The files of a cache. Whatever the disk refuses is as if it were not there."""

    def __init__(self, directory: Path, limit: int) -> None:
        self._directory, self._limit = directory, limit
        self._size: int | None = None

    def has(self, key: str) -> bool:
        return self._path(key).exists()

    def read(self, key: str) -> bytes | None:
        path = self._path(key)
        try:
            data = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        block = data[_HASH:]
        if hashlib.sha256(block).digest() == data[:_HASH]:
            return block
        with contextlib.suppress(OSError):
            path.unlink()
        return None

    def write(self, key: str, block: bytes) -> None:
        path = self._path(key)
        with contextlib.suppress(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(hashlib.sha256(block).digest() + block)
                os.replace(temporary, path)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
                raise
            self._tidy(len(block) + _HASH)

    def _tidy(self, added: int) -> None:
        """Remove what was not read for longest, when there is too much."""
        if self._size is not None and self._size + added <= self._limit:
            self._size += added
            return
        found = []
        for path in self._directory.glob("*/*"):
            with contextlib.suppress(OSError):
                status = path.stat()
                found.append((status.st_mtime, status.st_size, path))
        self._size = sum(size for _, size, _ in found)
        if self._size <= self._limit:
            return
        for _, size, path in sorted(found):
            if self._size <= self._limit * _AFTER_TIDYING:
                break
            with contextlib.suppress(OSError):
                path.unlink()
            self._size -= size

    def _path(self, key: str) -> Path:
        return self._directory / key[:2] / key
