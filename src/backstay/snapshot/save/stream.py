"""From the chunks of the Snapshot call to bytes on disk, with their SHA-256 computed and compared on the way.

Called by `save`. A stream is not believed: its chunks must add up to what the first one promised, and it must end with the
SHA-256 of what came. Chunks are small (32 KiB), so they are joined to batches; hashing a batch needs no interpreter
and runs on a thread of its own beside the next one's arrival.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backstay import errors
from backstay.durable import DurableFile
from backstay.errors import BackstayError
from backstay.telemetry import Progress
from backstay.values import size_text

if TYPE_CHECKING:
    from backstay.etcd.snapshot_stream import SnapshotChunk

TRAILER_BYTES = 32
BATCH_BYTES = 1 << 20

_SECTOR = 512
_SIZE_LIMIT = 1 << 50


@dataclass(frozen=True, slots=True)
class Received:
    """A stream that came whole. `size` counts the SHA-256 at the end; `storage_version` is empty before etcd 3.6."""

    size: int
    sha256: str
    storage_version: str


def receive(
    chunks: Iterator[SnapshotChunk],
    file: DurableFile,
    progress: Progress,
    *,
    where: str,
    size_known: Callable[[int], object],
) -> Received:
    """Write all of `chunks` to `file`. `size_known` gets the size of the whole file before anything is written.

    Raises `STREAM_BROKEN` when bytes are missing or too many, `SNAPSHOT_INVALID` when the SHA-256 differs, what
    iterating raises, and `OSError` of the disk.
    """
    first = next(chunks, None)
    if first is None:
        raise _broken("it ended before the first byte", where)
    total = first.remaining_bytes + len(first.blob)
    if total % _SECTOR or not 0 < total < _SIZE_LIMIT:
        raise _broken(f"it announces {total} bytes, which no database has", where)
    size_known(total + TRAILER_BYTES)
    progress.begin("receiving", total)
    digest = hashlib.sha256()
    remaining, version = total, first.version
    trailer = b""
    batch: list[bytes] = []
    batched = 0
    hashing: Future[None] | None = None
    with ThreadPoolExecutor(1, thread_name_prefix="backstay-sha256") as hasher:
        chunk: SnapshotChunk | None = first
        while chunk is not None:
            blob = chunk.blob
            if remaining:
                remaining -= len(blob)
                if remaining != chunk.remaining_bytes:
                    raise _broken(f"{chunk.remaining_bytes} bytes remain where {remaining} should", where)
                batch.append(blob)
                batched += len(blob)
                if batched >= BATCH_BYTES or not remaining:
                    data = b"".join(batch)
                    if hashing is not None:
                        hashing.result()  # at most one batch waits, so that memory stays bounded
                    hashing = hasher.submit(digest.update, data)
                    file.write([data])
                    progress.advance(batched)
                    batch, batched = [], 0
            else:
                trailer += blob
                if len(trailer) > TRAILER_BYTES:
                    raise _broken("more bytes came than were announced", where)
            version = chunk.version or version
            chunk = next(chunks, None)
        if remaining or len(trailer) != TRAILER_BYTES:
            missing = remaining + TRAILER_BYTES - len(trailer)
            raise _broken(f"it ended {missing} bytes too early, after {size_text(total - remaining)}", where)
        if hashing is not None:
            hashing.result()
    if digest.digest() != trailer:
        raise errors.SNAPSHOT_INVALID.error(
            "the SHA-256 that etcd sent does not fit the bytes that it sent",
            where=where,
            why=f"computed {digest.hexdigest()}, received {trailer.hex()}",
            next_step="try again; if it stays, the network or the member's memory changes bytes: use another member",
        )
    file.write([trailer])
    return Received(total + TRAILER_BYTES, digest.hexdigest(), version)


def _broken(why: str, where: str) -> BackstayError:
    return errors.STREAM_BROKEN.error("the snapshot stream is not whole", where=where, why=why)
