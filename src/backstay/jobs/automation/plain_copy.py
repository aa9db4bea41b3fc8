"""A copy as plain files: dated, compressed, encrypted to named recipients, a `.json` beside each, as `snapshot rotate` writes them.

They restore with age, zstd and etcdutl alone. Old ones go when they are older than the tier keeps, and never the last good one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from backstay import errors
from backstay.blobs import file_content
from backstay.durable import Disk
from backstay.findings import Finding, Severity, declare
from backstay.jobs.automation.copy import Care, Look, Stored, Upkeep, Verified
from backstay.jobs.automation.reading import Reading
from backstay.jobs.rotate.cleanup import clean
from backstay.jobs.rotate.names import PREFIX, free_time, make_name, parse_name, record_name
from backstay.jobs.rotate.places import Place, deliver, examine, flaw_of_bytes
from backstay.jobs.rotate.record import Record, encode_record
from backstay.jobs.rotate.run import READ_BACK_BYTES
from backstay.jobs.rotate.seal import Sealing, digest_of, seal
from backstay.policy.copies import CopyPlace
from backstay.policy.plain_retention import Retention
from backstay.telemetry import SilentProgress

INTACT = "intact"
ENGINE = "backstay, by the SHA-256 in its .json"

PLAIN_COPY_BAD = declare(
    "plain-copy-bad",
    Severity.ERROR,
    "A plain backup does not have the bytes that its .json promises.",
    "restore another one; find out what changed it, and remove it by hand",
)


@dataclass(frozen=True, slots=True)
class PlainCopy:
    """A copy by its name. `opened` opens its place."""

    name: str
    place: CopyPlace
    keep: timedelta
    sealing: Sealing
    within: timedelta
    opened: Callable[[], AbstractContextManager[Place]]
    disk: Disk

    @contextmanager
    def open(self) -> Iterator[OpenPlainCopy]:
        """Reach it. Raises what the storage raises."""
        with self.opened() as place:
            yield OpenPlainCopy(self, place)

    open_kept = open


class OpenPlainCopy:
    """The place of a copy."""

    def __init__(self, copy: PlainCopy, place: Place) -> None:
        self._copy, self._place = copy, place
        self._names = [blob.name for blob in place.store.list(PREFIX)]

    def newest(self, now: datetime) -> datetime | None:
        times = [saved for _, saved in self._whole()]
        return max((time for time in times if time <= now), default=max(times, default=None))

    def store(self, source: Reading, taken: datetime) -> Stored:
        sealing = self._copy.sealing
        saved = free_time(taken, self._names)
        name = make_name(saved, compressed=sealing.compress, encryption=sealing.encryption)
        sealed = source.scratch / f"sealed-{self._copy.name}"
        seal(source.path, sealed, sealing, self._copy.disk, SilentProgress())
        size, sha256 = digest_of(sealed)
        record = Record(name, saved, size, sha256, source.saved.revision)
        labels = sealing.recipients.labels if sealing.recipients is not None else ()
        claims = encode_record(record, source.saved, compressed=sealing.compress, encrypted_to=labels)
        reads_back = self._place.directory is not None or size <= READ_BACK_BYTES
        content = file_content(sealed)
        try:
            deliver(self._place, record, content, claims, reads_back=reads_back)
        except errors.BackstayError as problem:
            if problem.kind is not errors.STORAGE_FULL:
                raise
            # What may go anyway may go now: the newest good one stays, with or without this one.
            if not clean(self._place, taken, Retention(self._copy.keep)).removed:
                raise
            deliver(self._place, record, content, claims, reads_back=reads_back)
        return Stored(name, size)

    def care(self, now: datetime, last: datetime | None) -> Care:
        """Read back the oldest ones, and remove what is too old."""
        care = self._read_back(now, last)
        cleanup = clean(self._place, now, Retention(self._copy.keep))
        if cleanup.failure is not None:
            raise cleanup.failure
        return replace(care, removed=len(cleanup.removed))

    def maintain(self, now: datetime, *, rebuild: bool, within: timedelta) -> Upkeep:
        """Only its bytes can be looked at: the identities of plain files are age's and gpg's business."""
        return Upkeep(self._read_back(now, None), 0, 0, 0)

    def look(self, now: datetime) -> Look:
        whole = sorted(self._whole(), key=lambda each: each[1])
        if not whole:
            return Look("", None, None, None)
        name, saved = whole[-1]
        # A record is written after its backup was read back: it dates that.
        verified = Verified(name, INTACT, saved, ENGINE)
        return Look(name, self.newest(now), verified, None)

    def _whole(self) -> list[tuple[str, datetime]]:
        """The backups with a record, which is the sign that they arrived."""
        there = set(self._names)
        parsed = [each for each in map(parse_name, there) if each is not None and not each.is_record]
        return [(each.backup, each.saved) for each in parsed if record_name(each.backup) in there]

    def _read_back(self, now: datetime, last: datetime | None) -> Care:
        held = {each.file.name: each for each in examine(self._place).backups}
        half = self._copy.within / 2
        since = last if last is not None and last <= now else now - min(timedelta(days=1), half)
        # When one was read back is kept nowhere: its turn comes whenever half of the promised time has passed once more.
        chosen = [
            each
            for each in held.values()
            if each.record is not None and (now - each.file.saved) // half > max((since - each.file.saved) // half, 0)
        ]
        found: list[Finding] = []
        for each in chosen:
            assert each.record is not None
            if flaw := flaw_of_bytes(self._place.store, each.record):
                found.append(PLAIN_COPY_BAD.at(each.file.name, flaw))
        found += [
            PLAIN_COPY_BAD.at(name, each.flaw) for name, each in held.items() if each.flaw and each.record is None
        ]
        levels = {INTACT: now} if chosen and not found else {}
        return Care(len(chosen), findings=tuple(found), levels=levels)
