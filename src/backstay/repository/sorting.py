"""Sorting more records than memory holds: sorted parts in a temporary file, merged as they are read.

Runs are in the order of keys, etcd's bucket in the order of revisions; both ways lead through here. The temporary file
has no name and holds frames sealed with a key of its own that is never written down: values of Secrets do not reach a
disk in clear.
"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from backstay.crypto.sealing import EpochId, EpochKey, ObjectClass, SealReader, SealWriter, decode_header
from backstay.durable import translated
from backstay.repository.compression import pack, unpack
from backstay.repository.records import StoredRecord
from backstay.repository.run.rows import decode_rows, encode_rows

Entropy = Callable[[int], bytes]
"""So many random bytes."""

PART_BYTES = 48 << 20
"""Bytes of keys and values that are held at a time; as records they are a few times as many."""

_FRAME_BYTES = 512 << 10
_RECORD_COST = 300
_LEVEL = 1
_NAME = "temporary file"


def by_key(record: StoredRecord) -> Any:
    """The order of runs."""
    return record[:3]


def by_revision(record: StoredRecord) -> Any:
    """The order of bucket `key`."""
    return record[1:3]


class RecordSorter:
    """Add records in any order, then iterate them in order, once or more often. Use as a context manager."""

    def __init__(
        self,
        order: Callable[[StoredRecord], Any],
        spill: Path,
        entropy: Entropy,
        *,
        part_bytes: int = PART_BYTES,
    ) -> None:
        self._order = order
        self._spill = spill
        self._entropy = entropy
        self._part_bytes = part_bytes
        self._held: list[StoredRecord] = []
        self._held_bytes = 0
        self._parts: list[_Part] = []
        self._file: IO[bytes] | None = None
        self.count = 0

    def __enter__(self) -> RecordSorter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.clear()
        if self._file is not None:
            self._file.close()

    def add(self, record: StoredRecord) -> None:
        """One more record."""
        self._held.append(record)
        self.count += 1
        self._held_bytes += len(record.value) + len(record.key) + _RECORD_COST
        if self._held_bytes >= self._part_bytes:
            self._write_part()

    def __iter__(self) -> Iterator[StoredRecord]:
        self._held.sort(key=self._order)
        if not self._parts:
            return iter(self._held)
        return heapq.merge(*(part.records() for part in self._parts), iter(self._held), key=self._order)

    def _write_part(self) -> None:
        with translated(self._spill):
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._spill)  # noqa: SIM115 - leaving the sorter closes it
            self._held.sort(key=self._order)
            self._parts.append(_Part(self._file, self._held, self._entropy))
        self._held, self._held_bytes = [], 0


class _Part:
    """Some sorted records in the temporary file: (offset, length) of each frame."""

    def __init__(self, file: IO[bytes], records: list[StoredRecord], entropy: Entropy) -> None:
        self._file = file
        self._key = EpochKey(EpochId(1, bytes(8)), entropy(32))
        seal = SealWriter(ObjectClass.LOG, "", self._key, entropy(32))
        self._header = decode_header(seal.header, _NAME)
        self._frames: list[tuple[int, int]] = []
        offset = file.seek(0, 2)
        batch: list[StoredRecord] = []
        size = 0
        for record in records:
            batch.append(record)
            size += len(record.value) + len(record.key)
            if size >= _FRAME_BYTES:
                offset = self._put(seal, batch, offset)
                batch, size = [], 0
        if batch:
            self._put(seal, batch, offset)

    def records(self) -> Iterator[StoredRecord]:
        """The records again."""
        seal = SealReader(self._header, "", self._key, _NAME)
        for number, (offset, length) in enumerate(self._frames):
            self._file.seek(offset)
            sealed = self._file.read(length)
            yield from decode_rows(unpack(seal.open(number, sealed[4:]), _NAME), _NAME)

    def _put(self, seal: SealWriter, batch: list[StoredRecord], offset: int) -> int:
        frame = seal.frame(pack(encode_rows(batch), _LEVEL))
        self._file.write(frame)
        self._frames.append((offset, len(frame)))
        return offset + len(frame)
