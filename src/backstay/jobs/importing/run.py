"""Import: every file a point with its own time, oldest first, each going on from the one before where their histories allow.

    plan      which files are meant, when each was made, which are points already
    run       one after another: opened, proven sound, committed; a bad file is reported and left out

Where a file goes on from the one before, only what is new is stored; where it does not, the histories have parted and a new
lineage begins. What is imported never comes between points that are there: older files get a lineage of their own. No
state of this host is touched, and the import can be repeated: points of the same cluster and time are left out.
"""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from enum import Enum
from pathlib import Path

from backstay import errors
from backstay.clock import Clock
from backstay.crypto.signing import SigningKey
from backstay.durable import translated
from backstay.jobs.backup.run import examine
from backstay.jobs.importing.names import TimeSource, dated
from backstay.jobs.importing.unpacking import Opening, head_of, packing, unpacked
from backstay.repository.catalogue import Catalogue, read_catalogue
from backstay.repository.manifest import FileFacts, HashFacts, Manifest
from backstay.repository.memory import WriterMemory
from backstay.repository.repository import Entropy, Repository, new_epoch
from backstay.repository.source import classify
from backstay.repository.writing import BackupDraft, CommittedPoint, Writer, back_up
from backstay.snapshot.canonical import StoreContents, build_canonical
from backstay.telemetry import Progress

_NO_BACKUPS = (".json", ".sha256", ".sha256sum", ".md5", ".sig", ".part", ".txt", ".log", ".lock")
_FUTURE = timedelta(minutes=5)


class Fate(Enum):
    """What becomes of a file."""

    NEW = "to import"
    IMPORTED = "imported"
    PRESENT = "there already"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class ImportFile:
    """One file: its time and how it is known, how it is wrapped, what becomes of it, and why."""

    path: Path
    size: int
    time: datetime
    time_source: TimeSource
    packing: str
    fate: Fate
    why: str = ""
    point: Manifest | None = None
    revision: int = 0
    new_bytes: int = 0
    base_reason: str = ""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """All files, oldest first."""

    files: tuple[ImportFile, ...]

    def count(self, fate: Fate) -> int:
        """How many files it became of."""
        return sum(each.fate is fate for each in self.files)


def make_plan(
    repository: Repository, cluster: str, sources: Sequence[Path], *, zone: tzinfo, now: datetime
) -> ImportReport:
    """What an import would do. Raises `SOURCE_NOT_FOUND`, `CHAIN_BROKEN` and the like, and the store's own errors."""
    return _planned(read_catalogue(repository).require_sound(), cluster, sources, zone, now)


def _planned(catalogue: Catalogue, cluster: str, sources: Sequence[Path], zone: tzinfo, now: datetime) -> ImportReport:
    there = {each.time for each in catalogue.points if each.cluster == cluster}
    found = sorted((_looked_at(path, zone, now) for path in _files(sources)), key=lambda each: (each.time, each.path))
    files: list[ImportFile] = []
    taken: set[datetime] = set()
    for each in found:
        time = each.time
        while time in taken:  # two files of one second
            time += timedelta(seconds=1)
        taken.add(time)
        fate = Fate.PRESENT if each.fate is Fate.NEW and time in there else each.fate
        files.append(replace(each, time=time, fate=fate))
    return ImportReport(tuple(files))


def _files(sources: Sequence[Path]) -> list[Path]:
    """The files that are meant: those named, and in directories those that may be backups; each once."""
    found: dict[Path, None] = {}
    for source in sources:
        with translated(source):
            if not source.exists():
                raise errors.SOURCE_NOT_FOUND.error(f"`{source}` does not exist", where=str(source))
            if not source.is_dir():
                found[source] = None
                continue
            for path in sorted(source.iterdir()):
                if path.is_file() and not path.name.startswith(".") and path.suffix.lower() not in _NO_BACKUPS:
                    found[path] = None
    return list(found)


def _looked_at(path: Path, zone: tzinfo, now: datetime) -> ImportFile:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # to open a pipe would wait for whoever writes into it
            return ImportFile(path, 0, now, TimeSource.FILE, "", Fate.REFUSED, "it is no regular file")
        kind = packing(head_of(path), path.name)
    except OSError as problem:
        return ImportFile(path, 0, now, TimeSource.FILE, "", Fate.REFUSED, problem.strerror or str(problem))
    time, how = dated(path.name, datetime.fromtimestamp(status.st_mtime, UTC).replace(microsecond=0), zone)
    file = ImportFile(path, status.st_size, time, how, kind, Fate.NEW)
    if time > now + _FUTURE:
        return replace(file, fate=Fate.REFUSED, why="its time is in the future")
    return file


def run(
    repository: Repository,
    cluster: str,
    sources: Sequence[Path],
    key: SigningKey,
    *,
    opening: Opening,
    zone: tzinfo,
    clock: Clock,
    entropy: Entropy,
    progress: Progress,
) -> ImportReport:
    """Import. Raises as `make_plan` does, `SIGNING_KEY_INVALID`, and what committing raises; bad files are in the report."""
    now = clock.now()
    writer = repository.trust.writer(key.public)
    if writer is None or writer.revoked is not None:
        raise errors.SIGNING_KEY_INVALID.error(
            "the repository does not trust the key of this host", where=repository.store.location, why=key.public
        )
    catalogue = read_catalogue(repository).require_sound()
    planned = _planned(catalogue, cluster, sources, zone, now)
    epoch = new_epoch(now, entropy) if repository.is_sealed and planned.count(Fate.NEW) else None
    memory: WriterMemory | None = None
    files: list[ImportFile] = []
    for each in planned.files:
        if each.fate is not Fate.NEW:
            files.append(each)
            continue
        lineage = "" if memory is not None else _lineage(catalogue, cluster, each.time, entropy)
        own = Writer(key, epoch, each.time, entropy, opening.scratch, progress)
        try:
            committed = _import(repository, each, BackupPlace(cluster, lineage), memory, own, opening)
        except errors.BackstayError as problem:
            if problem.kind not in _BAD_FILE:
                raise
            files.append(replace(each, fate=Fate.REFUSED, why=str(problem)))
            continue
        memory = committed.memory
        files.append(
            replace(
                each,
                fate=Fate.IMPORTED,
                point=committed.manifest,
                revision=committed.facts.revision,
                new_bytes=committed.new_bytes,
                base_reason=committed.base_reason,
            )
        )
    return ImportReport(tuple(files))


@dataclass(frozen=True, slots=True)
class BackupPlace:
    """Whose points they become, and the lineage to begin in."""

    cluster: str
    lineage: str


_BAD_FILE = (
    errors.BACKUP_UNPACKABLE,
    errors.DECRYPTION_FAILED,
    errors.GPG_MISSING,
    errors.SOURCE_UNSOUND,
    errors.SOURCE_UNKNOWN,
    errors.SOURCE_UNREADABLE,
    errors.SOURCE_NOT_FOUND,
    errors.DIRECTORY_IN_USE,
    errors.FORMAT_INVALID,
)


def _import(
    repository: Repository,
    file: ImportFile,
    place: BackupPlace,
    memory: WriterMemory | None,
    writer: Writer,
    opening: Opening,
) -> CommittedPoint:
    progress = writer.progress
    with unpacked(file.path, opening, progress) as store:
        inspection, _ = examine(store, progress)
        proven = inspection.hash_kv
        if proven is None:
            raise errors.SOURCE_UNSOUND.error("the HashKV of the source cannot be computed", where=str(file.path))
        contents = StoreContents(store)
        progress.begin("computing the file", None)
        classification = classify(contents)
        kept = (element for _, element in classification.kept(contents))
        built = build_canonical(contents.entries(), kept, page_size=store.database.page_size)
        draft = BackupDraft(
            place.cluster,
            FileFacts(built.pages_sha256, built.size, built.page_size, built.hash),
            HashFacts(proven.hash, proven.revision, proven.compact_revision),
            {"kind": "import", "name": file.path.name, "time": file.time_source.value},
            lineage=place.lineage,
        )
        return back_up(repository, contents, classification, draft, memory, writer)


def _lineage(catalogue: Catalogue, cluster: str, time: datetime, entropy: Entropy) -> str:
    """The lineage of the cluster that ends last before `time`; a new one where all go on behind it."""
    ends = [
        lineage.head
        for lineage in catalogue.lineages
        if lineage.head is not None and lineage.head.cluster == cluster and lineage.head.time < time
    ]
    return max(ends, key=lambda head: head.time).lineage if ends else entropy(8).hex()
