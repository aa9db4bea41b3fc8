"""The journal: entries appended to etcd's write-ahead log, acknowledged in order once they are on stable storage.

The engine applies first and submits what it applied; whatever arrives while one sync runs is the next group (one write, one
sync). After a write or sync that failed nothing is known about the disk any more, and the state in memory is ahead of it:
the journal is dead then, tells everybody so, and the process must end. It never tries the same bytes again.

    ... entry n, entry n+1, ..., state {term, vote, commit: the last of them}        one group

A segment is preallocated, so a sync writes no file length. The group that crosses its size is still written; then the next
segment is made under a temporary name that etcd ignores, with the running checksum, the metadata and the state at its head,
and takes its place complete. Closed segments are cut to what was used.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from backstay import errors
from backstay.durable import target_error
from backstay.errors import BackstayError
from backstay.formats.directory import FILE_MODE
from backstay.formats.raft import Entry, EntryType, HardState
from backstay.formats.wal import SEGMENT_SIZE, LogEncoder, LogEnd, Metadata, SegmentName, SnapshotRecord
from backstay.formats.wal.layout import parse_segment_name
from backstay.store.durable.disk import StoreDisk
from backstay.store.durable.locking import DirectoryLocks
from backstay.store.membership_entry import MembershipEntry

SPARE_NAME = "0.tmp"
"""How etcd calls a segment that is being prepared; every reader ignores it."""

Done = Callable[[BackstayError | None], None]
"""Called on the journal's thread: with None once everything before it is durable, else with why nothing will be. Must not
raise, and must not wait for the journal."""


@dataclass(frozen=True, slots=True)
class JournalStart:
    """Where a journal goes on: the end of the log, whose it is, its raft state, its last entry."""

    end: LogEnd
    metadata: Metadata
    hard_state: HardState
    last_index: int


@dataclass(slots=True)
class _Waiting:
    """One submission: entries and notices to write, and whom to tell."""

    entries: list[Entry]
    snapshot: SnapshotRecord | None
    done: Done


class Journal:
    """Appends to the log in `directory`. `submit` from one thread; the syncs happen on a thread of its own."""

    def __init__(
        self,
        directory: Path,
        start: JournalStart,
        disk: StoreDisk,
        locks: DirectoryLocks,
        *,
        segment_size: int = SEGMENT_SIZE,
    ) -> None:
        self.last_index = start.last_index
        """The index of the newest entry that was submitted."""
        self.term = start.hard_state.term
        self._directory = directory
        self._disk = disk
        self._locks = locks
        self._segment_size = segment_size
        self._metadata = start.metadata
        self._state = start.hard_state
        self._encoder = LogEncoder(start.end.checksum)
        name = parse_segment_name(start.end.segment)
        assert name is not None  # the log was read from it
        self._segment = name
        self._offset = start.end.offset
        self._durable_index = start.last_index
        self._condition = threading.Condition()
        self._waiting: list[_Waiting] = []
        self._closing = False
        self._failure: BackstayError | None = None
        self._descriptor = disk.open(directory / start.end.segment)
        try:
            disk.allocate(self._descriptor, segment_size)
            disk.sync(self._descriptor)
        except BaseException:
            os.close(self._descriptor)
            raise
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    @property
    def failure(self) -> BackstayError | None:
        """Why the journal is dead, None while it lives."""
        return self._failure

    def submit(self, entries: Sequence[bytes], done: Done) -> int:
        """Append requests (encoded, in order) and `MembershipEntry`s; returns the index of the last.

        Raises `JOURNAL_STOPPED` when dead.
        """
        with self._condition:
            self._refuse_when_dead()
            made = []
            for data in entries:
                self.last_index += 1
                kind = EntryType.CONF_CHANGE if type(data) is MembershipEntry else EntryType.NORMAL
                made.append(Entry(self.term, self.last_index, kind, data))
            self._waiting.append(_Waiting(made, None, done))
            self._condition.notify_all()
            return self.last_index

    def append(self, entries: Sequence[bytes]) -> int:
        """Like `submit`, but returns when everything up to the last entry is durable."""
        return self._wait_for(lambda done: self.submit(entries, done))

    def note_snapshot(self, snapshot: SnapshotRecord) -> None:
        """Write the notice of a raft snapshot; returns when it is durable."""

        def queue(done: Done) -> int:
            with self._condition:
                self._refuse_when_dead()
                self._waiting.append(_Waiting([], snapshot, done))
                self._condition.notify_all()
                return self.last_index

        self._wait_for(queue)

    def segments(self) -> list[SegmentName]:
        """The segments of the log that are there, in order."""
        names = (parse_segment_name(each.name) for each in self._directory.iterdir())
        return sorted(name for name in names if name is not None)

    def close(self) -> None:
        """Write what was submitted, stop the thread, close the segment. The locks stay with who took them."""
        with self._condition:
            if self._closing:
                return
            self._closing = True
            self._condition.notify_all()
        self._thread.join()
        os.close(self._descriptor)

    def _wait_for(self, queue: Callable[[Done], int]) -> int:
        over = threading.Event()
        outcome: list[BackstayError | None] = []

        def done(failure: BackstayError | None) -> None:
            outcome.append(failure)
            over.set()

        last = queue(done)
        over.wait()
        if (failure := outcome[0]) is not None:
            raise failure
        return last

    def _refuse_when_dead(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._closing:
            raise _stopped(str(self._directory), "it was closed")

    # --- on the journal's thread ---

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._waiting and not self._closing:
                    self._condition.wait()
                if not self._waiting:
                    return
                group, self._waiting = self._waiting, []
            try:
                self._write(group)
            except OSError as problem:
                self._die(group, problem)
                return
            try:
                for each in group:
                    each.done(None)
                if self._offset >= self._segment_size:
                    self._rotate()
            except (OSError, BackstayError) as problem:
                self._die([], problem)
                return
            except BaseException:  # a callback that raised: nobody may wait for a thread that has ended
                self._die([], _stopped(str(self._directory), "a callback failed"))
                raise

    def _write(self, group: list[_Waiting]) -> None:
        frames: list[bytes] = []
        last = self._durable_index
        for each in group:
            for entry in each.entries:
                frames.append(self._encoder.entry(entry))
                last = entry.index
            if each.snapshot is not None:
                frames.append(self._encoder.snapshot(each.snapshot))
        if last != self._state.commit:
            self._state = HardState(self.term, self._state.vote, last)
            frames.append(self._encoder.state(self._state))
        if frames:
            data = b"".join(frames)
            self._disk.write_at(self._descriptor, data, self._offset)
            self._disk.sync_data(self._descriptor)
            self._offset += len(data)
        self._durable_index = last

    def _rotate(self) -> None:
        name = SegmentName(self._segment.sequence + 1, self._durable_index + 1)
        spare, final = self._directory / SPARE_NAME, self._directory / str(name)
        spare.unlink(missing_ok=True)  # left by a rotation that was cut off
        descriptor = self._disk.create(spare, FILE_MODE)
        try:
            self._locks.take(spare)
            frames = (
                self._encoder.crc(),
                self._encoder.metadata(self._metadata.node_id, self._metadata.cluster_id),
                self._encoder.state(self._state),
            )
            head = b"".join(frames)
            self._disk.allocate(descriptor, self._segment_size)
            self._disk.write_at(descriptor, head, 0)
            self._disk.sync(descriptor)
            # Before the new segment is there: a zero tail is for the last one only to have.
            self._disk.truncate(self._descriptor, self._offset)
            self._disk.sync(self._descriptor)
            self._disk.publish(spare, final)
            self._disk.sync_directory(self._directory)
        except BaseException:
            os.close(descriptor)
            raise
        self._locks.moved(spare, final)
        os.close(self._descriptor)
        self._descriptor, self._segment, self._offset = descriptor, name, len(head)

    def _die(self, group: list[_Waiting], problem: OSError | BackstayError) -> None:
        said = target_error(problem, self._directory / str(self._segment)) if isinstance(problem, OSError) else problem
        with self._condition:
            self._failure = _stopped(said.where, said.why or said.what)
            group = group + self._waiting
            self._waiting = []
        for each in group:
            with contextlib.suppress(BackstayError):  # a callback must not keep the others from hearing of it
                each.done(self._failure)


def _stopped(where: str, why: str) -> BackstayError:
    return errors.JOURNAL_STOPPED.error("the journal cannot be written any more", where=where, why=why)
