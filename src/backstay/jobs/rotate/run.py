"""One run: save and verify, seal, bring the backup to every place, and clean each place where it has arrived.

Called by `backstay snapshot rotate`. A place that fails, from the first listing on, does not stop the others; its error is in
the report.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from backstay import errors
from backstay.blobs import file_content
from backstay.clock import Clock
from backstay.durable import Disk
from backstay.jobs.rotate.cleanup import Cleanup, clean
from backstay.jobs.rotate.names import PREFIX, free_time, make_name
from backstay.jobs.rotate.places import Place, deliver
from backstay.jobs.rotate.record import Record, encode_record
from backstay.jobs.rotate.seal import Sealing, digest_of, seal
from backstay.jobs.rotate.staging import staging
from backstay.policy.plain_retention import Retention
from backstay.snapshot.save import SaveReport, SnapshotSource, save
from backstay.telemetry import Progress

READ_BACK_BYTES = 64 << 20
"""Up to this size a backup is read back from a remote place also when nobody asked for it."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a run is asked for. `min_size` in bytes: a smaller snapshot is refused."""

    retention: Retention
    sealing: Sealing
    min_size: int = 0
    verify_copies: bool = False


@dataclass(frozen=True, slots=True)
class Arrival:
    """What happened at one place: the error that kept the backup away, or the cleanup, or the error that ended it."""

    location: str
    failure: errors.BackstayError | None = None
    cleanup: Cleanup | None = None
    cleanup_failure: errors.BackstayError | None = None


@dataclass(frozen=True, slots=True)
class Rotation:
    """The backup that was made and what happened at each place, in the order in which they were given."""

    record: Record
    saved: SaveReport
    arrivals: tuple[Arrival, ...]


def rotate(
    places: tuple[Place, ...],
    source: SnapshotSource,
    wish: Wish,
    *,
    staging_parent: Path,
    disk: Disk,
    clock: Clock,
    progress: Progress,
) -> Rotation:
    """Make one backup.

    Raises what saving and sealing raise, before anything has been sent; `SNAPSHOT_INVALID` for a snapshot below `min_size`;
    and the first place's error when no place can be listed. What goes wrong at some place only is in the report.
    """
    unreachable: dict[int, errors.BackstayError] = {}
    taken: list[str] = []
    for number, place in enumerate(places):
        try:
            taken += [blob.name for blob in place.store.list(PREFIX)]
        except errors.BackstayError as problem:
            unreachable[number] = problem
    if len(unreachable) == len(places):
        raise unreachable[0]
    saved_at = free_time(clock.now(), taken)
    sealing = wish.sealing
    name = make_name(saved_at, compressed=sealing.compress, encryption=sealing.encryption)
    with staging(staging_parent) as directory:
        plain = directory / "snapshot.db"
        report = save(plain, source, disk=disk, clock=clock, progress=progress)
        if report.size < wish.min_size:
            why = f"it has {report.size} bytes, less than the wanted {wish.min_size}"
            raise errors.SNAPSHOT_INVALID.error("the snapshot is too small", where=report.endpoint, why=why)
        sealed = plain
        if not sealing.is_plain:
            sealed = directory / "sealed"
            seal(plain, sealed, sealing, disk, progress)
            plain.unlink()
        size, sha256 = digest_of(sealed)
        record = Record(name, saved_at, size, sha256, report.revision)
        labels = sealing.recipients.labels if sealing.recipients is not None else ()
        claims = encode_record(record, report, compressed=sealing.compress, encrypted_to=labels)
        arrivals = tuple(
            Arrival(place.store.location, failure=unreachable[number])
            if number in unreachable
            else _bring(place, record, sealed, claims, wish, clock)
            for number, place in enumerate(places)
        )
    return Rotation(record, report, arrivals)


def _bring(place: Place, record: Record, sealed: Path, claims: bytes, wish: Wish, clock: Clock) -> Arrival:
    location = place.store.location
    reads_back = wish.verify_copies or place.directory is not None or record.size <= READ_BACK_BYTES
    content = file_content(sealed)
    try:
        try:
            deliver(place, record, content, claims, reads_back=reads_back)
        except errors.BackstayError as problem:
            if problem.kind is not errors.STORAGE_FULL:
                raise
            # What may go anyway may go now: the newest good one stays, with or without this backup.
            if not clean(place, clock.now(), wish.retention).removed:
                raise
            deliver(place, record, content, claims, reads_back=reads_back)
    except errors.BackstayError as problem:
        return Arrival(location, failure=problem)
    try:
        cleanup = clean(place, clock.now(), wish.retention)
    except errors.BackstayError as problem:
        return Arrival(location, cleanup_failure=problem)
    return Arrival(location, cleanup=cleanup, cleanup_failure=cleanup.failure)
