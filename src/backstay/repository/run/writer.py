"""Writing one run: rows are packed and sealed frame by frame into a temporary file, whose SHA-256 becomes its name.

The file holds sealed bytes only, has no name, and is gone when it is closed. A run is put when it is whole: a store that
wants to try again reads it again.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Generic, Protocol, TypeVar

from backstay.crypto.sealing import LENGTH_SIZE, EpochKey, ObjectClass, SealWriter
from backstay.durable import translated
from backstay.repository.compression import pack
from backstay.repository.records import Entry, StoredRecord
from backstay.repository.run.footer import Footer, FrameIndex, encode_footer
from backstay.repository.run.rows import encode_entries, encode_rows

FRAME_BYTES = 1 << 20
"""About how many bytes of keys and values make a frame."""

_IN_MEMORY = 4 << 20
_MOST_WAITING = 3
_CHUNK_BYTES = 1 << 20

Item = TypeVar("Item", StoredRecord, Entry)


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a run says of itself."""

    kind: ObjectClass
    lineage: str
    start: int = 0
    end: int = 0
    before: str = ""
    after: str = ""
    vanished: tuple[tuple[int, int], ...] = ()


class _File(Protocol):
    def write(self, data: bytes, /) -> int: ...
    def read(self, size: int = ..., /) -> bytes: ...
    def seek(self, offset: int, /) -> int: ...
    def close(self) -> None: ...


class WrittenRun:
    """A finished run in its temporary file. Use as a context manager."""

    def __init__(self, file: _File, footer: Footer, salt: bytes, sha256: str, size: int, plain: str) -> None:
        self.footer = footer
        self.salt = salt
        self.sha256 = sha256
        self.size = size
        self.plain_sha256 = plain
        """SHA-256 of the unpacked contents of its frames; of class entries only."""
        self._file = file

    def __enter__(self) -> WrittenRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def content(self) -> Iterator[bytes]:
        """The bytes of the object, from the start each time."""
        self._file.seek(0)
        while chunk := self._file.read(_CHUNK_BYTES):
            yield chunk


def write_records(
    records: Iterable[StoredRecord],
    facts: RunFacts,
    *,
    repository: str,
    epoch: EpochKey | None,
    salt: bytes,
    spill: Path,
) -> WrittenRun:
    """A run of `records`, which are in order."""
    return _RunWriter(facts, repository, epoch, salt, spill, encode_rows, _record_index, _record_size).write(records)


def write_entries(
    entries: Iterable[Entry], facts: RunFacts, *, repository: str, epoch: EpochKey | None, salt: bytes, spill: Path
) -> WrittenRun:
    """A run of the elements of other buckets."""
    return _RunWriter(facts, repository, epoch, salt, spill, encode_entries, _entry_index, _entry_size).write(entries)


class _RunWriter(Generic[Item]):
    def __init__(
        self,
        facts: RunFacts,
        repository: str,
        epoch: EpochKey | None,
        salt: bytes,
        spill: Path,
        encode: Callable[[list[Item]], bytes],
        index: Callable[[list[Item]], tuple[int, int, bytes]],
        size_of: Callable[[Item], int],
    ) -> None:
        self._facts, self._salt, self._spill = facts, salt, spill
        self._encode: Callable[[list[Item]], bytes] = encode
        self._index: Callable[[list[Item]], tuple[int, int, bytes]] = index
        self._size_of: Callable[[Item], int] = size_of
        self._seal = SealWriter(facts.kind, repository, epoch, salt)
        self._sha256, self._plain = hashlib.sha256(), hashlib.sha256()
        self._frames: list[FrameIndex] = []

    def write(self, items: Iterable[Item]) -> WrittenRun:
        file = tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=str(self._spill))  # noqa: SIM115 - the run owns it
        try:
            with translated(self._spill):
                self._put(file, self._seal.header)
                batch: list[Item] = []
                size = 0
                with _Behind() as behind:
                    for item in items:
                        batch.append(item)
                        size += self._size_of(item)
                        if size >= FRAME_BYTES:
                            behind.do(self._frame, file, *self._encoded(batch))
                            batch, size = [], 0
                    if batch:
                        behind.do(self._frame, file, *self._encoded(batch))
                footer = self._footer()
                self._put(file, self._seal.finish(encode_footer(footer)))
        except BaseException:
            file.close()
            raise
        return WrittenRun(file, footer, self._salt, self._sha256.hexdigest(), self._seal.size, self._plain.hexdigest())

    def _put(self, file: _File, data: bytes) -> None:
        self._sha256.update(data)
        file.write(data)

    def _encoded(self, batch: list[Item]) -> tuple[bytes, int, int, int, bytes]:
        """The content of a frame, and what the index says of it."""
        return self._encode(batch), len(batch), *self._index(batch)

    def _frame(self, file: _File, content: bytes, items: int, lowest: int, highest: int, first: bytes) -> None:
        if self._facts.kind is ObjectClass.ENTRIES:
            self._plain.update(content)
        offset = self._seal.size
        sealed = self._seal.frame(pack(content))
        self._frames.append(FrameIndex(offset, len(sealed) - LENGTH_SIZE, len(content), items, lowest, highest, first))
        self._put(file, sealed)

    def _footer(self) -> Footer:
        facts = self._facts
        count = sum(frame.items for frame in self._frames)
        return Footer(
            facts.kind,
            facts.lineage,
            facts.start,
            facts.end,
            count,
            facts.before,
            facts.after,
            facts.vanished,
            tuple(self._frames),
        )


class _Behind:
    """One thread that works behind the caller, in order: packing, sealing and hashing leave the interpreter free."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="backstay-run")
        self._waiting: deque[Future[None]] = deque()

    def __enter__(self) -> _Behind:
        return self

    def __exit__(self, kind: object, problem: object, trace: object) -> None:
        self._thread.shutdown(cancel_futures=problem is not None)
        while problem is None and self._waiting:
            self._waiting.popleft().result()

    def do(self, work: Callable[..., None], *arguments: object) -> None:
        """Have `work` done; waits while too much is waiting, and raises what earlier work raised."""
        self._waiting.append(self._thread.submit(work, *arguments))
        while len(self._waiting) > _MOST_WAITING:
            self._waiting.popleft().result()


def _record_index(batch: list[StoredRecord]) -> tuple[int, int, bytes]:
    mains = [record.main for record in batch]
    return min(mains), max(mains), batch[0].key


def _record_size(record: StoredRecord) -> int:
    return len(record.value) + 8


def _entry_index(batch: list[Entry]) -> tuple[int, int, bytes]:
    return 0, 0, batch[0].key


def _entry_size(entry: Entry) -> int:
    return len(entry.key) + len(entry.value) + len(entry.bucket)
