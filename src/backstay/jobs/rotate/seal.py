"""From a verified snapshot to the file that is kept: compressed, then encrypted, as one stream with bounded memory.

Called by `run`. What comes out is opened by `zstd`, `age` and `gpg`. What goes in is read once.
"""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self

from backstay.crypto import Recipients
from backstay.durable import Disk, translated
from backstay.telemetry import Progress

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Sealing:
    """How a snapshot is kept."""

    compress: bool = False
    recipients: Recipients | None = None

    @property
    def is_plain(self) -> bool:
        """Whether the snapshot is kept byte for byte."""
        return not self.compress and self.recipients is None

    @property
    def encryption(self) -> str:
        """The suffix of the encryption; empty without."""
        return self.recipients.suffix if self.recipients is not None else ""


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


class _Stream:
    """A file as a stream, told to `progress`, and compressed where wanted."""

    def __init__(self, path: Path, progress: Progress, compressor: _Compressor | None) -> None:
        self._file: BinaryIO = path.open("rb")
        self._progress = progress
        self._compressor = compressor
        self._ready = bytearray()
        self._ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes, some while there are any."""
        wanted = size if size >= 0 else sys.maxsize
        while not self._ended and (not self._ready or size < 0):
            self._fill()
        taken = bytes(self._ready[:wanted])
        del self._ready[:wanted]
        return taken

    def _fill(self) -> None:
        chunk = self._file.read(_CHUNK_BYTES)
        self._progress.advance(len(chunk))
        if chunk:
            self._ready += chunk if self._compressor is None else self._compressor.compress(chunk)
        else:
            self._ended = True
            if self._compressor is not None:
                self._ready += self._compressor.flush()


def seal(source: Path, target: Path, sealing: Sealing, disk: Disk, progress: Progress) -> None:
    """Write `target` from `source`, readable by its owner only and synced.

    Raises `ENCRYPTION_FAILED`, `TARGET_FULL`, `INPUT_OUTPUT`; an unfinished `target` is the caller's to remove.
    """
    compressor = _zstd() if sealing.compress else None
    with translated(target):
        progress.begin("sealing", source.stat().st_size)
        descriptor = disk.create(target, 0o600)
        with os.fdopen(descriptor, "wb") as file, _Stream(source, progress, compressor) as stream:
            if sealing.recipients is not None:
                sealing.recipients.encrypt(stream, file)
                file.flush()
            else:
                while chunk := stream.read(_CHUNK_BYTES):
                    disk.write(descriptor, [chunk])
            disk.sync(descriptor)


def digest_of(path: Path) -> tuple[int, str]:
    """The size and the SHA-256 of a file."""
    digest, size = hashlib.sha256(), 0
    with translated(path), path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


def _zstd() -> _Compressor:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    # The checksum lets `zstd -t` find damage without backstay.
    compressor: _Compressor = zstd.ZstdCompressor(options={zstd.CompressionParameter.checksum_flag: 1})
    return compressor
