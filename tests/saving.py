"""Saves without a server, for the tests of faults: a stream of given chunks, and members that answer what is wanted.

Loads no gRPC, so programs that fork may use it.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, cast

from backstay.durable import Disk
from backstay.etcd.results import HashKV
from backstay.formats import hashkv
from backstay.formats.bbolt import open_database
from backstay.formats.hashkv import RecordPage
from backstay.formats.schema import KEY
from backstay.snapshot.inspect import inspect_database
from backstay.snapshot.save import HashSource, SaveReport, SnapshotSource, save
from backstay.values import MemberId, Revision
from tests import golden

CHUNK_BYTES = 32 << 10
OWN_ID, OTHER_ID = MemberId(0xA1), MemberId(0xB2)


class Chunk(NamedTuple):
    """The shape of `etcd.snapshot_stream.SnapshotChunk`."""

    remaining_bytes: int
    blob: bytes
    version: str = ""


@dataclass
class SteppingClock:
    """Time that passes only while somebody sleeps."""

    seconds: float = 0.0

    def now(self) -> datetime:
        return datetime(2026, 7, 24, 18, 30, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def content_of(version: str = "3.5.35") -> bytes:
    """The database of a golden snapshot, without its SHA-256."""
    return golden.snapshot(version)[:-32]


def chunks_of(content: bytes, *, size: int = CHUNK_BYTES, version: str = "") -> list[Chunk]:
    """What an honest member streams."""
    chunks = []
    for start in range(0, len(content), size):
        blob = content[start : start + size]
        chunks.append(Chunk(len(content) - start - len(blob), blob, version))
    return [*chunks, Chunk(0, hashlib.sha256(content).digest(), version)]


def answering(
    content: bytes, *, member_id: MemberId = OWN_ID, compact_revision: Revision | None = None, offset: int = 0
) -> HashSource:
    """A member that holds `content`, is compacted at `compact_revision`, and is off by `offset`."""
    inspection = inspect_database(open_database(content))
    compact = inspection.compact_revision if compact_revision is None else compact_revision

    def pages() -> Iterator[RecordPage]:
        bucket = open_database(content).bucket(KEY)
        assert bucket is not None
        for leaf in bucket.leaves():
            yield RecordPage(*leaf.load()[:2])

    def ask(revision: Revision) -> HashKV:
        at = hashkv.check_revision(revision, inspection.current_revision, compact)
        got = hashkv.hash_kv(pages, at, compact)
        return HashKV((got.hash + offset) & 0xFFFFFFFF, compact, at, at)

    return HashSource(f"http://member-{member_id:x}:2379", member_id, ask)


def source_of(
    content: bytes,
    *,
    chunks: Sequence[Chunk] | Callable[[], Iterator[Chunk]] | None = None,
    own: HashSource | None = None,
    others: tuple[HashSource, ...] = (),
    etcd_version: str = "3.5.35",
) -> SnapshotSource:
    """A member to save from."""

    @contextlib.contextmanager
    def stream() -> Iterator[Iterator[Chunk]]:
        yield chunks() if callable(chunks) else iter(chunks_of(content) if chunks is None else chunks)

    return SnapshotSource(cast("Callable[[], object]", stream), own or answering(content), etcd_version, others)  # type: ignore[arg-type]


def save_content(path: Path, content: bytes, *, disk: Disk | None = None) -> SaveReport:
    """Save `content` from an honest member."""
    return save(path, source_of(content), disk=disk, clock=SteppingClock())
