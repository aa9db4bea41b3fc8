"""The directories of a restore: written under a temporary name, read back, proven, and only then given their name.

    DIR/                             0700
      member/                        0700
        snap/                        0700    db (0600): the rebuilt database; TERM-N.snap (0600): the raft snapshot
        wal/                         0700    0000000000000000-0000000000000000.wal (0600): the new log

The log: checksum, metadata, snapshot {0, 0}, one configuration change for each of the N members, hard state, snapshot {N, 1}.
The last record matters: the keys are in the database and in no entry. Without it a member that joins later would be sent the
entries from 1 on, which have no keys, instead of the database, and nobody would notice. No preallocation.

The command line calls `restore` with a plan; everything durable goes through the `Disk` it is given. All directories of
one call appear together where they share a parent, and nothing is left behind when anything fails.
"""

from __future__ import annotations

import contextlib
import mmap
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backstay import errors
from backstay.durable import (
    Disk,
    DurableFile,
    durable_directory,
    durable_file,
    refuse_occupied,
    translated,
    write_durable,
)
from backstay.errors import BackstayError, FormatError
from backstay.findings import Severity
from backstay.formats import raft, raft_snapshot
from backstay.formats.bbolt import build, layout, open_database
from backstay.formats.crc32c import extend
from backstay.formats.hashkv import CURRENT_RULE
from backstay.formats.membership import Member
from backstay.formats.raft import ConfChange, ConfChangeType, Entry, EntryType, HardState
from backstay.formats.raft_snapshot import RaftSnapshot, RaftSnapshotName, V2Store
from backstay.formats.wal import LogEncoder, Segment, SegmentName, SnapshotRecord, read_log
from backstay.snapshot.inspect import inspect_database
from backstay.snapshot.opened import OpenedStore
from backstay.snapshot.restore.members import NewCluster
from backstay.snapshot.restore.plan import RestorePlan, Target
from backstay.snapshot.restore.records import LOG_TERM, Item, restored_buckets
from backstay.telemetry import Progress

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600
LOG_NAME = str(SegmentName(0, 0))

_COPY_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """What a restore has made, as it was read back; sizes are bytes.

    `hash`, `hash_revision` and `compact_revision` are the HashKV of a started member, until its first write or until the
    first lease ends.
    """

    hash: int
    hash_revision: int
    compact_revision: int
    database_size: int
    record_count: int
    live_key_count: int


def restore(
    store: OpenedStore,
    plan: RestorePlan,
    cluster: NewCluster,
    targets: tuple[Target, ...],
    *,
    disk: Disk,
    progress: Progress,
    parent: Path | None = None,
) -> RestoreResult:
    """Carry out `plan`: write the directories of `targets`.

    With `parent` (for several members) the directories lie in it and it appears as a whole. Raises `TARGET_EXISTS`,
    `TARGET_FULL`, `TARGET_UNWRITABLE`, `INPUT_OUTPUT`, and `RESTORE_UNPROVEN` when what was written does not read back.
    """
    members = [(cluster.member(target.name), target) for target in targets]
    refuse_occupied_targets(targets, parent)
    if parent is not None:
        with durable_directory(disk, parent, mode=DIRECTORY_MODE) as place:
            first, proven = None, None
            for member, target in members:
                own = place / target.directory.name
                disk.make_directory(own, DIRECTORY_MODE)
                filling = _Filling(disk, store, plan, cluster, progress)
                proven = filling.fill(own, own / "member" / "wal", member, copy_of=first) or proven
                disk.sync_directory(own)
                first = first or own / "member" / "snap" / "db"
    else:
        ((member, target),) = members
        proven = _restore_one(_Filling(disk, store, plan, cluster, progress), member, target, disk)
    assert proven is not None
    return proven


def refuse_occupied_targets(targets: tuple[Target, ...], parent: Path | None) -> None:
    """Raise `TARGET_EXISTS`, in etcd's words, unless everything that shall appear is absent or an empty directory."""
    places = [(parent, "directory")] if parent is not None else []
    for target in targets:
        places.append((target.directory, "data-dir"))
        if target.wal_directory is not None:
            places.append((target.wal_directory, "wal-dir"))
            _refuse_log_among_data(target.directory, target.wal_directory)
    for place, flag in places:
        assert place is not None
        try:
            refuse_occupied(place)
        except (BackstayError, OSError) as problem:
            what = f'{flag} "{place}" ' + ("exists" if flag == "wal-dir" else "not empty or could not be read")
            raise errors.TARGET_EXISTS.error(what, where=str(place), why=str(problem)) from problem


def _refuse_log_among_data(directory: Path, log_directory: Path) -> None:
    """etcd wants the log's directory to itself."""
    data, log = directory.absolute(), log_directory.absolute()
    if log in (data, data / "member", data / "member" / "snap"):
        raise errors.TARGET_EXISTS.error(
            f'expected "{log_directory}" to be empty, but the database goes there',
            where=str(log_directory),
            next_step="give --wal-dir a directory of its own, or leave it out",
        )


def _restore_one(filling: _Filling, member: Member, target: Target, disk: Disk) -> RestoreResult | None:
    """One data directory, its log inside or elsewhere."""
    log_place = target.wal_directory
    if log_place is not None and not log_place.absolute().is_relative_to(target.directory.absolute()):
        return _restore_two(filling, member, target.directory, log_place, disk)
    inside = Path("member", "wal")
    if log_place is not None:
        inside = log_place.absolute().relative_to(target.directory.absolute())
    with durable_directory(disk, target.directory, mode=DIRECTORY_MODE) as place:
        return filling.fill(place, place / inside, member)


def _restore_two(
    filling: _Filling, member: Member, directory: Path, log_directory: Path, disk: Disk
) -> RestoreResult | None:
    """The data directory and its log elsewhere: two names, which cannot appear at once.

    The log comes first, because etcd takes a database without a log for a new cluster (etcd-files section 8.4). A failure
    between the two removes the log again; a kill leaves it, and the next restore refuses to touch it.
    """
    of_data = of_log = None
    try:
        with durable_directory(disk, directory, mode=DIRECTORY_MODE) as place:
            of_data = _identity(place)
            proven = filling.fill(place, None, member)
            with durable_directory(disk, log_directory, mode=DIRECTORY_MODE) as log:
                of_log = _identity(log)
                filling.write_log(log, member)
        return proven
    except BaseException:
        if of_log is not None and _identity(log_directory) == of_log and _identity(directory) != of_data:
            shutil.rmtree(log_directory, ignore_errors=True)
        raise


def _identity(path: Path) -> tuple[int, int] | None:
    """Which directory this is, whatever its name; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


class _Filling:
    """Fills one member's directory under its temporary name."""

    def __init__(
        self, disk: Disk, store: OpenedStore, plan: RestorePlan, cluster: NewCluster, progress: Progress
    ) -> None:
        self._disk = disk
        self._store = store
        self._plan = plan
        self._cluster = cluster
        self._progress = progress

    def fill(
        self, place: Path, log_place: Path | None, member: Member, *, copy_of: Path | None = None
    ) -> RestoreResult | None:
        """Write database and log below `place`; None where the database is a copy of one that is proven already."""
        member_directory = place / "member"
        snap = member_directory / "snap"
        self._make(member_directory)
        self._make(snap)
        proven = None
        if copy_of is None:
            proven = self._write_database(snap / "db")
        else:
            self._copy_database(copy_of, snap / "db")
        self._write_raft_snapshot(snap)
        if log_place is not None:
            missing = [
                each for each in (log_place, *log_place.parents) if each.is_relative_to(place) and not each.exists()
            ]
            for each in reversed(missing):
                self._make(each)
            self.write_log(log_place, member)
            for each in missing[1:]:
                self._disk.sync_directory(each)
        self._disk.sync_directory(member_directory)
        return proven

    def _write_raft_snapshot(self, place: Path) -> None:
        """The file that etcd up to 3.6 starts from."""
        members = self._cluster.members
        store = raft_snapshot.encode_v2_store(V2Store(members))
        content = raft_snapshot.encode_file(RaftSnapshot(LOG_TERM, len(members), self._cluster.conf_state, store))
        write_durable(self._disk, place / str(RaftSnapshotName(LOG_TERM, len(members))), content, mode=FILE_MODE)

    def write_log(self, place: Path, member: Member) -> None:
        """Write the new log of `member` into the directory `place`, and read it back."""
        path = place / LOG_NAME
        wanted = new_log(member, self._cluster)
        with durable_file(self._disk, path, mode=FILE_MODE) as file:
            file.write([wanted])
            with _mapped(file) as written:
                _prove_log(written[:], wanted, path)

    def _make(self, path: Path) -> None:
        with translated(path):
            self._disk.make_directory(path, DIRECTORY_MODE)

    def _write_database(self, path: Path) -> RestoreResult:
        self._progress.begin("writing", self._store.database.data_size)
        digest = _ElementDigest()
        with durable_file(self._disk, path, mode=FILE_MODE) as file:
            # The metas come last: until then this is no database, whatever else of it survives a crash.
            file.write([bytes(2 * layout.DEFAULT_PAGE_SIZE)])

            def take(pages: list[bytes]) -> None:
                file.write(pages)
                self._progress.advance(sum(map(len, pages)))

            built = build(digest.fed(restored_buckets(self._store, self._plan, self._cluster)), take)
            file.write_at(built.meta_pages, 0)
            # Flushing takes as long as reading back, and neither disturbs the other.
            with _flushing(file):
                return self._prove(file, path, digest.checksum, built.size)

    def _prove(self, file: DurableFile, path: Path, checksum: int, size: int) -> RestoreResult:
        """Read the new database back. Raises `RESTORE_UNPROVEN` unless it is what was to be written."""
        self._progress.begin("proving", size)
        plan = self._plan
        try:
            with _mapped(file) as buffer:
                database = open_database(buffer)
                inspection = inspect_database(database, with_hash_kv=CURRENT_RULE)
                faults = [str(each) for each in inspection.findings if each.severity is Severity.ERROR]
                if inspection.hash != checksum or len(buffer) != size:
                    faults.append("its content is not what was written")
                if inspection.current_revision != plan.revision_after:
                    faults.append(f"its revision is {inspection.current_revision}, not {plan.revision_after}")
                if inspection.compact_revision != plan.compact_revision_after:
                    faults.append(f"it is compacted at {inspection.compact_revision}")
                if faults:
                    raise errors.RESTORE_UNPROVEN.error(
                        "the new database does not read back as written", where=str(path), why="\n".join(faults[:5])
                    )
                answer = inspection.hash_kv
                assert answer is not None  # there is one unless there are findings
        except FormatError as problem:
            raise errors.RESTORE_UNPROVEN.error(
                "the new database does not read back", where=str(path), why=str(problem)
            ) from problem
        self._progress.advance(size)
        return RestoreResult(
            hash=answer.hash,
            hash_revision=answer.revision,
            compact_revision=answer.compact_revision,
            database_size=size,
            record_count=inspection.records.record_count,
            live_key_count=inspection.records.live_key_count,
        )

    def _copy_database(self, source: Path, path: Path) -> None:
        """The databases of all members are the same bytes; each gets a file of its own, compared after it is written."""
        with source.open("rb") as original, durable_file(self._disk, path, mode=FILE_MODE) as file:
            self._progress.begin("copying", source.stat().st_size)
            while chunk := original.read(_COPY_BYTES):
                file.write([chunk])
                self._progress.advance(len(chunk))
            original.seek(0)
            with _mapped(file) as written:
                position = 0
                while chunk := original.read(_COPY_BYTES):
                    if written[position : position + len(chunk)] != chunk:
                        raise errors.RESTORE_UNPROVEN.error(
                            "the copy for another member differs from the first", where=str(path)
                        )
                    position += len(chunk)


class _ElementDigest:
    """etcd's HASH of everything that is handed to the builder, in its order, to compare with what reads back."""

    def __init__(self) -> None:
        self.checksum = 0

    def fed(self, buckets: Iterator[tuple[bytes, object]]) -> Iterator[tuple[bytes, Iterator[Item]]]:
        """The same buckets, counted into `checksum` while they pass."""
        for name, items in buckets:
            self.checksum = extend(self.checksum, name)
            yield name, self._items(items)  # type: ignore[arg-type]

    def _items(self, items: Iterator[Item]) -> Iterator[Item]:
        checksum = self.checksum
        for item in items:
            checksum = extend(checksum, item[0] + item[1])
            yield item
        self.checksum = checksum


def new_log(member: Member, cluster: NewCluster) -> bytes:
    """The whole log of `member` in a cluster that is being founded."""
    log = LogEncoder()
    frames = [log.crc(), log.metadata(member.id, cluster.id), log.snapshot(SnapshotRecord(0, 0))]
    for index, each in enumerate(cluster.members, start=1):
        change = raft.encode_conf_change(ConfChange(ConfChangeType.ADD_NODE, each.id, each))
        frames.append(log.entry(Entry(LOG_TERM, index, EntryType.CONF_CHANGE, change)))
    # All members vote for the same one in term 1, as after an election that has just been won.
    frames.append(log.state(HardState(LOG_TERM, cluster.members[0].id, len(cluster.members))))
    frames.append(log.snapshot(SnapshotRecord(len(cluster.members), LOG_TERM, cluster.conf_state)))
    return b"".join(frames)


def _prove_log(written: bytes, wanted: bytes, path: Path) -> None:
    log = read_log([Segment(LOG_NAME, written)])
    if written != wanted or log.findings or log.torn:
        raise errors.RESTORE_UNPROVEN.error("the new log does not read back as written", where=str(path))


@contextlib.contextmanager
def _flushing(file: DurableFile) -> Iterator[None]:
    """Flush `file` on a thread of its own while the block runs; raises what the flush met."""
    failures: list[BaseException] = []

    def flush() -> None:
        try:
            file.sync()
        except BaseException as problem:
            failures.append(problem)

    thread = threading.Thread(target=flush, name="flush", daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    if failures:
        raise failures[0]


@contextlib.contextmanager
def _mapped(file: DurableFile) -> Iterator[mmap.mmap]:
    with mmap.mmap(file.descriptor, 0, access=mmap.ACCESS_READ) as buffer:
        yield buffer
