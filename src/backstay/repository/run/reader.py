"""Reading one run: its footer first, then its frames in windows, each opened and checked before a record comes out.

A pass over the whole run also computes the SHA-256 that its name promises; a part of it relies on the seal of each frame.
Memory is a window of sealed bytes and one frame.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import NamedTuple

from backstay import errors
from backstay.blobs.contract import BlobStore
from backstay.crypto.sealing import (
    HEADER_SIZE,
    LENGTH_SIZE,
    TRAILER_SIZE,
    EpochId,
    EpochKey,
    ObjectClass,
    SealReader,
    damaged,
    decode_header,
    decode_trailer,
)
from backstay.repository import names
from backstay.repository.compression import unpack
from backstay.repository.records import Entry, StoredRecord
from backstay.repository.run.footer import Footer, FrameIndex, decode_footer
from backstay.repository.run.rows import decode_entries, decode_rows

WINDOW_BYTES = 4 << 20
_TAIL_BYTES = 64 << 10

Keys = Callable[[EpochId, str], EpochKey | None]
"""The key of an epoch, for the object that is named; None in a plaintext repository. Raises `KEY_UNAVAILABLE`."""


class _Window(NamedTuple):
    """The frames from `start` up to `stop`, as they are stored."""

    start: int
    stop: int
    sealed: memoryview


class RunReader:
    """One run, whose footer has been read. Raises `OBJECT_MISSING`, `OBJECT_DAMAGED`, `KEY_UNAVAILABLE`."""

    def __init__(
        self,
        store: BlobStore,
        name: str,
        size: int,
        kind: ObjectClass,
        *,
        repository: str,
        keys: Keys,
        window: int = WINDOW_BYTES,
    ) -> None:
        self.name = name
        self._store = store
        self._size = size
        self._window = window
        # What is small is fetched once: each call costs a way to the store and back.
        self._whole: bytes | None = None
        self._whole = self._fetch(0, size) if size <= _TAIL_BYTES else None
        self._head = self._fetch(0, HEADER_SIZE)
        header = decode_header(self._head, name)
        if header.kind is not kind:
            raise damaged(name, f"it is of class {header.kind.label}, not {kind.label}")
        tail_at = max(HEADER_SIZE, size - _TAIL_BYTES)
        tail = self._fetch(tail_at, size - tail_at)
        trailer = decode_trailer(tail[-TRAILER_SIZE:], size, name)
        if trailer.offset < tail_at:
            tail_at, tail = trailer.offset, self._fetch(trailer.offset, size - trailer.offset)
        # Only the footer and the trailer are kept.
        self._tail = tail[trailer.offset - tail_at :]
        self._end = trailer.offset
        sealed = self._tail[LENGTH_SIZE : LENGTH_SIZE + trailer.length]
        self._check_length(self._tail[:LENGTH_SIZE], trailer.length)
        self._seal = SealReader(header, repository, keys(header.epoch, name), name)
        content = self._seal.open(trailer.number, sealed, is_last=True)
        self.footer: Footer = decode_footer(content, kind, name)
        self._check_frames(trailer.number)

    def records(self) -> Iterator[StoredRecord]:
        """All records, in order."""
        previous: tuple[bytes, int, int] = (b"", -1, -1)
        for frame, content in self._contents():
            count = 0
            for record in decode_rows(content, self.name):
                if record[:3] <= previous:
                    raise damaged(self.name, "its records are not in order")
                previous = record[:3]
                count += 1
                yield record
            self._check_count(frame, count)

    def entries(self) -> Iterator[Entry]:
        """All entries, in order."""
        for frame, content in self._contents():
            entries = list(decode_entries(content, self.name))
            self._check_count(frame, len(entries))
            yield from entries

    def within(self, first: bytes, end: bytes) -> Iterator[StoredRecord]:
        """Its records of keys from `first` on and below `end` (empty: to the last), from the frames that can hold them.

        It rests on the seals of those frames; the SHA-256 of the object is not computed.
        """
        # The frame before the one that begins with `first` may end with records of it.
        start = max(0, bisect_left(self.footer.frames, first, key=lambda frame: frame.first) - 1)
        stop = bisect_left(self.footer.frames, end, key=lambda frame: frame.first) if end else len(self.footer.frames)
        for window in self._windows(start, stop):
            for _, content in self._opened(window):
                for record in decode_rows(content, self.name):
                    if end and record.key >= end:
                        return
                    if record.key >= first:
                        yield record

    def of_key(self, key: bytes) -> list[StoredRecord]:
        """All its records of one key, oldest first."""
        return list(self.within(key, key + b"\0"))

    def newest(self, key: bytes) -> StoredRecord | None:
        """The last record of `key`, from the one frame that can hold it; None where the run has none."""
        number = bisect_right(self.footer.frames, key, key=lambda frame: frame.first) - 1
        if number < 0:
            return None
        found = None
        for window in self._windows(number, number + 1):
            for _, content in self._opened(window):
                for record in decode_rows(content, self.name):
                    if record.key == key:
                        found = record
        return found

    def check(self) -> None:
        """Open every frame and compare the SHA-256 of the object; nothing is decoded."""
        for _ in self._contents():
            pass

    def plain_sha256(self) -> str:
        """SHA-256 of the unpacked contents of its frames."""
        digest = hashlib.sha256()
        for _, content in self._contents():
            digest.update(content)
        return digest.hexdigest()

    def _contents(self) -> Iterator[tuple[FrameIndex, bytes]]:
        """Every frame unpacked, and at the end the SHA-256 of the object compared with its name."""
        digest = hashlib.sha256(self._head)
        for window in self._windows(0, len(self.footer.frames)):
            digest.update(window.sealed)
            yield from self._opened(window)
        digest.update(self._tail)
        if digest.hexdigest() != names.run_sha256(self.name):
            raise damaged(self.name, "its SHA-256 is not the one in its name")

    def _windows(self, start: int, stop: int) -> Iterator[_Window]:
        """The frames from `start` up to `stop` as they are stored, as many at a time as a window holds."""
        frames = self.footer.frames
        while start < stop:
            last = start
            while last + 1 < stop and _end(frames[last + 1]) - frames[start].offset <= self._window:
                last += 1
            length = _end(frames[last]) - frames[start].offset
            yield _Window(start, last + 1, memoryview(self._fetch(frames[start].offset, length)))
            start = last + 1

    def _opened(self, window: _Window) -> Iterator[tuple[FrameIndex, bytes]]:
        """Each frame of a window, unpacked."""
        begin = self.footer.frames[window.start].offset
        for number in range(window.start, window.stop):
            frame = self.footer.frames[number]
            at = frame.offset - begin
            self._check_length(bytes(window.sealed[at : at + LENGTH_SIZE]), frame.length)
            sealed = bytes(window.sealed[at + LENGTH_SIZE : at + LENGTH_SIZE + frame.length])
            content = unpack(self._seal.open(number, sealed), self.name)
            if len(content) != frame.unpacked:
                raise damaged(self.name, f"frame {number} has another size than its index says")
            yield frame, content

    def _fetch(self, offset: int, length: int) -> bytes:
        if self._whole is not None:
            data = self._whole[offset : offset + length]
            if len(data) != length:
                raise damaged(self.name, f"it ends before byte {offset + length}")
            return data
        try:
            with closing(self._store.get(self.name, offset=offset, length=length)) as chunks:
                data = b"".join(chunks)
        except errors.BackstayError as problem:
            if problem.kind is not errors.BLOB_NOT_FOUND:
                raise
            raise missing(self.name, self._store) from problem
        if len(data) != length:
            raise damaged(self.name, f"it ends before byte {offset + length}")
        return data

    def _check_frames(self, number: int) -> None:
        """The frames fill the object from its header to its footer."""
        at = HEADER_SIZE
        for frame in self.footer.frames:
            if frame.offset != at:
                raise damaged(self.name, "its index of frames has a gap")
            at = _end(frame)
        if at != self._end or number != len(self.footer.frames):
            raise damaged(self.name, "its index of frames does not lead to its end")

    def _check_length(self, prefix: bytes, length: int) -> None:
        if int.from_bytes(prefix, "big") != length:
            raise damaged(self.name, "a frame has another length than its index says")

    def _check_count(self, frame: FrameIndex, count: int) -> None:
        if count != frame.items:
            raise damaged(self.name, "a frame holds another number of records than its index says")


def missing(name: str, store: BlobStore) -> errors.BackstayError:
    """The one error for an object that should be there."""
    return errors.OBJECT_MISSING.error(f"`{name}` is not in the repository", where=store.location)


def _end(frame: FrameIndex) -> int:
    return frame.offset + LENGTH_SIZE + frame.length
