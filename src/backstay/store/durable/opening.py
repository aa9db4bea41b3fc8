"""Opening a store: a fresh directory is founded, one of ours or of a real single-member etcd is taken over.

    lock DATA, db and every segment -> base -> log above its consistent_index -> torn tail cut off -> entries applied -> journal

A torn tail was never acknowledged; it is cut off and reported. Any other damage, a database newer than its log, or a member
of a bigger cluster is refused before anything is changed. In a cluster of one every whole entry counts, whatever the
recorded commit (etcd-files section 12).
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backstay import errors
from backstay.durable import translated
from backstay.errors import FormatError
from backstay.findings import Finding, Severity
from backstay.formats.bbolt import Database
from backstay.formats.directory import DATABASE, FIRST_SEGMENT, MEMBER, SNAP, WAL
from backstay.formats.raft import HardState
from backstay.formats.wal import SEGMENT_SIZE, Log, Metadata, parse_segment_name
from backstay.store.durable.disk import LocalStoreDisk, StoreDisk
from backstay.store.durable.founding import Founder, empty_buckets, found_store, write_database
from backstay.store.durable.journal import Done, Journal, JournalStart
from backstay.store.durable.locking import DirectoryLocks
from backstay.store.durable.replay import consistent_index, let_go, open_base, read_segments, replay, unmap
from backstay.store.state import StoreState, load_state
from backstay.values import hex_id


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """How a store is founded when the directory is fresh, and how its log is cut. Sizes are bytes."""

    founder: Founder = field(default_factory=Founder)
    segment_size: int = SEGMENT_SIZE


class DurableStore:
    """A store that owns its directory. `state` is the engine's to change; what it applied goes into `submit`."""

    def __init__(
        self,
        directory: Path,
        database: Database,
        state: StoreState,
        journal: Journal,
        metadata: Metadata,
        locks: DirectoryLocks,
        disk: StoreDisk,
        findings: list[Finding],
    ) -> None:
        self.directory = directory
        self.database = database
        """The base under `state`."""
        self.base_index = consistent_index(database)
        """The last entry that the base has."""
        self.state = state
        self.journal = journal
        self.metadata = metadata
        """The ids of member and cluster."""
        self.findings = findings
        """What opening noticed and repaired."""
        self.disk = disk
        self.locks = locks
        self.checkpointing = threading.Lock()
        """Held while a checkpoint or a snapshot file is made: one at a time."""

    @property
    def member_directory(self) -> Path:
        """Where `snap` and `wal` are."""
        return self.directory / MEMBER

    def submit(self, entries: Sequence[bytes], done: Done) -> None:
        """Journal requests that `state` has applied; `done` hears when they are durable. Raises `JOURNAL_STOPPED`."""
        self.state.consistent_index = self.journal.submit(entries, done)
        if entries:
            self.state.term = self.journal.term

    def close(self) -> None:
        """Write what was submitted and give the directory up."""
        self.journal.close()
        self.locks.close()
        unmap(self.database.buffer)


def open_store(directory: Path, *, disk: StoreDisk | None = None, options: StoreOptions | None = None) -> DurableStore:
    """Open the store in `directory`, founding it where there is none.

    Raises `DIRECTORY_IN_USE`, `DIRECTORY_SEVERAL_MEMBERS`, `LOG_INVALID` and `FormatError` (file and offset named),
    `DIRECTORY_INCONSISTENT`, and what writing raises.
    """
    disk, options = disk or LocalStoreDisk(), options or StoreOptions()
    with contextlib.ExitStack() as opened, translated(directory):
        locks = DirectoryLocks()
        opened.callback(locks.close)
        if directory.is_dir():
            locks.take(directory)
        if not (directory / MEMBER).exists():
            found_store(directory, options.founder, disk)
            locks.release(directory)
            locks.take(directory)
        _refuse_lost_log(directory)
        _rebuild_missing_database(directory / MEMBER, disk)
        path, log_place = directory / MEMBER / SNAP / DATABASE, directory / MEMBER / WAL
        locks.take(path)
        for name in sorted(log_place.iterdir()):
            if parse_segment_name(name.name) is not None:
                locks.take(name)
        # A process that was killed may have given a name and not waited for it: nothing is acknowledged on top of that.
        for place in (log_place, path.parent, directory / MEMBER, directory):
            disk.sync_directory(place)
        database = open_base(path)
        opened.callback(unmap, database.buffer)
        with _naming(path):
            known = consistent_index(database)
        log = read_segments(log_place, known)
        _refuse_damage(directory, database, log)
        with _naming(path):
            state = load_state(database)
        let_go(database.buffer)
        replay(state, log.entries, log_place)
        start = _journal_start(directory, state, log)
        _cut_torn_tail(log_place, log, disk)
        journal = Journal(log_place, start, disk, locks, segment_size=options.segment_size)
        found = [each for each in log.findings if each.severity is not Severity.ERROR]
        store = DurableStore(directory, database, state, journal, start.metadata, locks, disk, found)
        opened.pop_all()
        return store


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """What is damaged is damaged in the file `path`."""
    try:
        yield
    except FormatError as problem:
        where = f"{path}, offset {problem.offset}"
        raise FormatError(problem.what, offset=problem.offset, where=where, why=problem.why) from problem


def _refuse_lost_log(directory: Path) -> None:
    place = directory / MEMBER / WAL
    if not place.is_dir() or not any(parse_segment_name(each.name) for each in place.iterdir()):
        raise errors.LOG_INVALID.error(
            f"the log of `{directory}` is gone",
            where=str(place),
            why="there is no segment at all" if place.is_dir() else "there is no such directory",
            next_step="put it back; without it, restore the newest snapshot that verifies into a new directory",
        )


def _rebuild_missing_database(member: Path, disk: StoreDisk) -> None:
    """A log from entry 1 on holds everything, as long as no raft snapshot was taken: etcd rebuilds it too."""
    path = member / SNAP / DATABASE
    if path.exists():
        return
    if not (member / WAL / FIRST_SEGMENT).exists() or read_segments(member / WAL, 0).usable_snapshots[1:]:
        raise errors.DIRECTORY_INCONSISTENT.error(
            f"the database of `{member.parent}` is gone",
            where=str(path),
            why="the log does not reach back to its first entry",
            next_step="restore the newest snapshot that verifies into a new directory",
        )
    write_database(path, empty_buckets(), disk)


def _refuse_damage(directory: Path, database: Database, log: Log) -> None:
    """Raise unless log and database are whole and fit together."""
    for finding in log.findings:
        if finding.severity is Severity.ERROR:
            where = f"{directory / MEMBER / WAL / finding.subject}"
            if finding.offset is not None:
                where += f", offset {finding.offset}"
            raise errors.LOG_INVALID.error(
                f"the log of `{directory}` is damaged", where=where, why=finding.evidence, next_step=finding.remedy
            )
    known = consistent_index(database)
    why = ""
    if log.last_index < known:
        why = f"the database has entries up to {known}, the log ends at {log.last_index}"
    elif log.entries and log.entries[0].index != known + 1:
        why = f"the database has entries up to {known}, the log goes on with {log.entries[0].index}"
    if why:
        raise errors.DIRECTORY_INCONSISTENT.error(
            f"database and log of `{directory}` do not fit together", where=str(directory), why=why
        )


def _journal_start(directory: Path, state: StoreState, log: Log) -> JournalStart:
    assert log.metadata is not None and log.end is not None  # else there was an error finding
    members = state.cluster.members
    if not state.cluster.is_single:
        names = ", ".join(each.name or hex_id(each.id) for each in members.values())
        raise errors.DIRECTORY_SEVERAL_MEMBERS.error(
            f"`{directory}` belongs to a member of a cluster of {len(members)}",
            where=str(directory),
            why=f"its members are {names}; what one of them holds need not be what the cluster agreed on",
        )
    if members and log.metadata.node_id not in members:
        raise errors.DIRECTORY_INCONSISTENT.error(
            f"the log of `{directory}` belongs to another member than its database",
            where=str(directory),
            why=f"the log names {hex_id(log.metadata.node_id)}",
        )
    if log.hard_state is not None and log.hard_state.term >= state.term:
        hard_state = log.hard_state
    else:  # no state in the log (3.7 starts on that too): the entries say enough in a cluster of one
        hard_state = HardState(state.term, log.metadata.node_id, 0)
    # Every start is an election that this member wins, so the term grows as clients of a real etcd see it grow.
    hard_state = hard_state._replace(term=hard_state.term + 1, vote=log.metadata.node_id)
    return JournalStart(log.end, log.metadata, hard_state, log.last_index)


def _cut_torn_tail(place: Path, log: Log, disk: StoreDisk) -> None:
    if log.torn is None:
        return
    descriptor = disk.open(place / log.torn.segment)
    try:
        disk.truncate(descriptor, log.torn.offset)
        disk.sync(descriptor)
    finally:
        os.close(descriptor)
