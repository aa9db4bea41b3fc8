"""Base and log of a store on disk, read by the process that owns it and by the child that builds its checkpoints."""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from backstay import errors
from backstay.errors import FormatError
from backstay.formats import bbolt, schema, wal
from backstay.formats.bbolt import Buffer, Database
from backstay.formats.raft import Entry, EntryType
from backstay.formats.requests import Message, decode_plain_put, decode_request
from backstay.formats.wal import Log, Segment
from backstay.store import refusals
from backstay.store.apply import apply_entry
from backstay.store.state import StoreState


def map_file(path: Path) -> Buffer:
    """The bytes of a file, mapped: they stay readable when the file is replaced or removed."""
    with path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return b""
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def unmap(buffer: Buffer) -> None:
    """Give a mapping back."""
    if isinstance(buffer, mmap.mmap):
        buffer.close()


def let_go(buffer: Buffer) -> None:
    """After a pass over a whole file: its pages are no longer counted as this process's memory, and stay cached."""
    if isinstance(buffer, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        buffer.madvise(mmap.MADV_DONTNEED)


def open_base(path: Path) -> Database:
    """Open the database file at `path`. Raises `FormatError` naming it."""
    buffer = map_file(path)
    try:
        return bbolt.open_database(buffer)
    except FormatError as problem:
        unmap(buffer)
        raise FormatError(problem.what, offset=problem.offset, where=str(path), why=problem.why) from problem


def consistent_index(database: Database) -> int:
    """The last entry that the database has."""
    meta = database.bucket(schema.META)
    value = meta.get(schema.CONSISTENT_INDEX) if meta is not None else None
    return schema.decode_u64(value, "consistent_index") if value is not None else 0


def read_segments(directory: Path, from_index: int, *, is_in_use: bool = False) -> Log:
    """What the log in `directory` holds above `from_index`, with every finding.

    `is_in_use`: another process appends to it. Its last segment is then copied, not mapped: when it is full it is cut to
    what was used, and whoever reads a mapping behind the end of its file is ended by a signal.
    """
    names = sorted(each.name for each in directory.iterdir() if wal.parse_segment_name(each.name) is not None)
    segments = [Segment(name, map_file(directory / name)) for name in (names[:-1] if is_in_use else names)]
    try:
        if is_in_use and names:
            segments.append(Segment(names[-1], (directory / names[-1]).read_bytes()))
        return wal.read_log(segments, from_index=from_index)
    finally:
        for segment in segments:
            unmap(segment.data)


def bodies(entries: Iterable[Entry]) -> Iterator[Message]:
    """The requests in `entries`; what does not decode is left for `replay` to report."""
    for entry in entries:
        if entry.kind is EntryType.NORMAL and entry.data:
            with contextlib.suppress(FormatError):
                if (body := decode_request(entry.data).body) is not None:
                    yield body


def replay(state: StoreState, entries: Sequence[Entry], where: Path) -> None:
    """Apply `entries`. Raises `LOG_INVALID` at one that cannot be applied, naming it."""
    for entry in entries:
        if entry.kind is EntryType.NORMAL and _put_plainly(state, entry):
            continue
        try:
            applied = apply_entry(state, entry)
        except FormatError as problem:
            raise _unusable(entry, where, str(problem)) from problem
        if applied.refused is refusals.UNKNOWN_REQUEST:
            raise _unusable(entry, where, "it asks for something this release does not know")


def _put_plainly(state: StoreState, entry: Entry) -> bool:
    """The same as `apply_entry`, for a put that nothing stands in the way of; False for any other entry."""
    plain = decode_plain_put(entry.data)
    if plain is None or state.access.enabled or state.alarms or state.leases.is_attached(plain[0]):
        return False
    state.put_plain(*plain)
    state.consistent_index, state.term = entry.index, entry.term
    return True


def _unusable(entry: Entry, where: Path, why: str) -> errors.BackstayError:
    return errors.LOG_INVALID.error(f"entry {entry.index} of the log cannot be applied", where=str(where), why=why)
