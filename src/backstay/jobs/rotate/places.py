"""One place of plain backups: what lies there and whether it is good, how a backup arrives, how its bytes are proven.

Called by `cleanup` and by the run. Decides nothing about what is removed. An error of the storage passes through: a place
that does not answer is no reason to call a backup bad.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from backstay import errors
from backstay.blobs import BlobStore
from backstay.blobs.contract import Blob, Content, read_all
from backstay.jobs.rotate.names import PREFIX, parse_name, record_name
from backstay.jobs.rotate.record import LONGEST_BYTES, Record, decode_record
from backstay.policy.plain_retention import BackupFile
from backstay.snapshot import opened
from backstay.snapshot.verify import Level, verify


@dataclass(frozen=True, slots=True)
class Place:
    """A store of plain backups. `directory` is where its files lie on this machine, None for a remote store."""

    store: BlobStore
    directory: Path | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A backup that lies at a place, what its record claims, and why it does not count as good; empty if it does."""

    file: BackupFile
    record: Record | None
    flaw: str = ""


@dataclass(frozen=True, slots=True)
class Holdings:
    """Everything of ours at a place. `orphans` are records whose backup is gone."""

    backups: tuple[Held, ...]
    orphans: tuple[str, ...]


def examine(place: Place) -> Holdings:
    """What lies at `place`, by its records; raises what the store raises."""
    blobs = {blob.name: blob for blob in place.store.list(PREFIX)}
    backups, orphans = [], []
    for name, blob in blobs.items():
        parsed = parse_name(name)
        if parsed is None:
            continue
        if parsed.is_record:
            if parsed.backup not in blobs:
                orphans.append(name)
        else:
            backups.append(_held(place, blob, has_record=record_name(name) in blobs))
    return Holdings(tuple(backups), tuple(orphans))


def _held(place: Place, blob: Blob, *, has_record: bool) -> Held:
    parsed = parse_name(blob.name)
    assert parsed is not None
    if not has_record:
        if place.directory is None or not parsed.is_bare:
            return Held(BackupFile(blob.name, parsed.saved, good=False), None, "it has no .json")
        return _verified(place.directory / blob.name, BackupFile(blob.name, parsed.saved, good=True))
    record = _read_record(place, blob.name)
    flaw = record if isinstance(record, str) else _misfit(record, blob)
    if isinstance(record, str) or flaw:
        return Held(BackupFile(blob.name, parsed.saved, good=False), None, flaw)
    return Held(BackupFile(blob.name, parsed.saved, good=True, revision=record.revision), record)


def _read_record(place: Place, backup: str) -> Record | str:
    try:
        return decode_record(read_all(place.store, record_name(backup), limit_bytes=LONGEST_BYTES))
    except errors.BackstayError as problem:
        if problem.kind in (errors.BLOB_NOT_FOUND, errors.BLOB_TOO_LARGE):
            return f"its .json cannot be read: {problem}"
        raise


def _misfit(record: Record, blob: Blob) -> str:
    if record.file != blob.name:
        return f"its .json is about `{record.file}`"
    return "" if record.size == blob.size else f"it has {blob.size} bytes, its .json says {record.size}"


def _verified(path: Path, file: BackupFile) -> Held:
    """A snapshot that somebody put there without our record: good only if it verifies now."""
    try:
        with opened.open_file(path) as store:
            verification = verify(store)
    except errors.BackstayError as problem:
        return Held(BackupFile(file.name, file.saved, good=False), None, f"it does not verify: {problem}")
    if verification.reached < Level.COHERENT:
        return Held(BackupFile(file.name, file.saved, good=False), None, "it does not verify")
    return Held(BackupFile(file.name, file.saved, good=True, revision=verification.inspection.current_revision), None)


def flaw_of_bytes(store: BlobStore, record: Record) -> str:
    """Read the whole backup back: what is wrong with it, or nothing. Raises what the store raises but for a lost blob."""
    digest, size = hashlib.sha256(), 0
    try:
        for chunk in store.get(record.file):
            digest.update(chunk)
            size += len(chunk)
    except errors.BackstayError as problem:
        if problem.kind is errors.BLOB_NOT_FOUND:
            return "it is gone"
        raise
    if size != record.size:
        return f"{size} bytes arrived, its .json says {record.size}"
    return "" if digest.hexdigest() == record.sha256 else "its SHA-256 differs from that in its .json"


def deliver(place: Place, record: Record, content: Content, record_bytes: bytes, *, reads_back: bool) -> None:
    """Put a backup, prove that it arrived, and only then its record, which is the sign that it did.

    Raises what the store raises, and `STORAGE_BROKEN_OFF` for a backup that lies there otherwise than it was sent; then
    it has no record and never counts as good.
    """
    store = place.store
    limit = store.features().create_limit_bytes
    store.put(record.file, content, create_only=limit is None or record.size <= limit)
    arrived = store.stat(record.file).size
    flaw = "" if arrived == record.size else f"{arrived} of {record.size} bytes arrived"
    if not flaw and reads_back:
        flaw = flaw_of_bytes(store, record)
    if flaw:
        raise errors.STORAGE_BROKEN_OFF.error(f"`{record.file}` did not arrive", where=store.location, why=flaw)
    store.put(record_name(record.file), record_bytes)
