"""Checkpoints: the log moved into a new base file, so that it can be shortened; also what defragments and compacts.

Every intermediate state opens, in backstay and in every etcd since 3.4 (etcd-files section 11.3):

    1  a child builds db.tmp.checkpoint: everything up to entry N       leftover for every reader
    2  db.tmp.checkpoint becomes db                                     the log still reaches back before N: plain start
    3  TERM-N.snap, for releases up to 3.6                              an orphan: nobody looks for it yet
    4  snapshot record {N, term} in the log                             etcd starts at N, the log goes on from there (P1)
    5  old segments go, oldest first; older .snap files go              what is left begins at or before N

The state that ruins a directory is G, a database newer than its log. It cannot occur: N is durable in the log before the
child starts, and the log is never cut behind it. Run it on a thread of its own; `adopt` then belongs to the store's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from backstay import errors
from backstay.durable import translated, write_durable
from backstay.formats import raft_snapshot
from backstay.formats.bbolt import Database
from backstay.formats.directory import DATABASE, SNAP, WAL
from backstay.formats.membership import ConfState
from backstay.formats.raft_snapshot import RaftSnapshot, RaftSnapshotName, V2Store
from backstay.formats.wal import SnapshotRecord
from backstay.store.base import Base
from backstay.store.durable.disk import StoreDisk
from backstay.store.durable.opening import DurableStore
from backstay.store.durable.replay import let_go, open_base
from backstay.store.state import StoreState
from backstay.values import Revision

TEMPORARY_DATABASE = "db.tmp.checkpoint"
TEMPORARY_SNAPSHOT = "db.tmp.snapshot"
"""How such files are called, up to a suffix that no other has: a child that was left alone must not meet the next one's file.
etcd removes files of these names in `snap` at its start."""

_SNAP_MODE = 0o644

Builder = Callable[[Path, int, Path, StoreDisk], None]
"""Builds (member directory, index, target); tests build in their own process."""


@dataclass(frozen=True, slots=True)
class CheckpointPlan:
    """What a checkpoint covers, taken on the store's thread between two batches."""

    index: int
    term: int
    revision: Revision
    compact_revision: Revision
    conf_state: ConfState
    v2_store: V2Store


class BuiltBase(NamedTuple):
    """The new base file, mapped, and the way to its records."""

    database: Database
    base: Base


def plan_checkpoint(state: StoreState) -> CheckpointPlan:
    """A checkpoint of `state` as it is now. Call it on the store's thread; the rest may happen on another."""
    cluster = state.cluster
    return CheckpointPlan(
        index=state.consistent_index,
        term=state.term,
        revision=state.revision,
        compact_revision=state.compact_revision,
        conf_state=cluster.conf_state or ConfState(voters=tuple(sorted(cluster.voters))),
        v2_store=V2Store(tuple(cluster.members.values()), tuple(cluster.removed), cluster.version),
    )


class ChildBuilder:
    """Builds databases in a process of its own, never a fork; `stop` ends one that is at work, and all later ones."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._is_stopped = False

    def __call__(self, member: Path, index: int, target: Path, disk: StoreDisk) -> None:
        """Build one. Raises `CHECKPOINT_FAILED` with what the child said."""
        command = [
            sys.executable,
            "-m",
            "backstay.store.durable.checkpoint_child",
            str(member),
            str(index),
            str(target),
        ]
        with self._lock:
            if self._is_stopped:
                raise _failed(target, "it was stopped")
            # The child ends with this process, however that ends: it holds the other end of its standard input.
            child = self._child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
        with child:
            assert child.stderr is not None
            complaint = child.stderr.read()
        with self._lock:
            self._child = None
        if child.returncode:
            said = complaint.decode(errors="replace").strip().splitlines()
            raise _failed(target, said[-1] if said else f"status {child.returncode}")

    def stop(self) -> None:
        """End the child, if there is one."""
        with self._lock:
            self._is_stopped = True
            if self._child is not None:
                self._child.terminate()


def _failed(target: Path, why: str) -> errors.BackstayError:
    return errors.CHECKPOINT_FAILED.error("no new base could be built", where=str(target), why=why)


def build_in_child(member: Path, index: int, target: Path, disk: StoreDisk) -> None:
    """Build a database in a process of its own. Raises `CHECKPOINT_FAILED` with what the child said."""
    ChildBuilder()(member, index, target, disk)


def run_checkpoint(store: DurableStore, plan: CheckpointPlan, *, build: Builder = build_in_child) -> BuiltBase:
    """Carry out `plan`. May run beside the store's thread; the store serves from its old base until `adopt`.

    Raises `CHECKPOINT_FAILED`, `JOURNAL_STOPPED`, and what writing raises; the directory opens whatever happens.
    """
    snap, log = store.member_directory / SNAP, store.member_directory / WAL
    disk, final, temporary = store.disk, snap / DATABASE, _fresh(snap, TEMPORARY_DATABASE)
    with store.checkpointing, translated(snap):
        store.journal.append([])  # everything up to plan.index is durable
        _remove_left_over(snap, TEMPORARY_DATABASE)
        build(store.member_directory, plan.index, temporary, disk)
        store.locks.take(temporary)
        disk.replace(temporary, final)
        store.locks.moved(temporary, final)
        disk.sync_directory(snap)
        name = RaftSnapshotName(plan.term, plan.index)
        if not (snap / str(name)).exists():
            content = RaftSnapshot(plan.term, plan.index, plan.conf_state, raft_snapshot.encode_v2_store(plan.v2_store))
            write_durable(disk, snap / str(name), raft_snapshot.encode_file(content), mode=_SNAP_MODE)
        # Also when the file was there: a kill between the two may have kept the record from the log.
        store.journal.note_snapshot(SnapshotRecord(plan.index, plan.term, plan.conf_state))
        _drop_old_segments(store, log, plan.index)
        _drop_old_snapshots(disk, snap, name)
        database = open_base(final)
        base = Base(database)
        let_go(database.buffer)
        return BuiltBase(database, base)


def adopt(store: DurableStore, plan: CheckpointPlan, built: BuiltBase) -> None:
    """Let the store read from the base that `run_checkpoint` has written. Call it on the store's thread, between batches."""
    store.database, store.base_index = built.database, plan.index
    # The old mapping goes with its last reader: a hash may still be computed from it on another thread.
    store.state.adopt_base(built.base, plan.revision, plan.compact_revision)


def checkpoint(store: DurableStore, *, build: Builder = build_in_child) -> None:
    """All three steps on one thread: what defragment does."""
    plan = plan_checkpoint(store.state)
    adopt(store, plan, run_checkpoint(store, plan, build=build))


@contextmanager
def snapshot_file(store: DurableStore, *, build: Builder = build_in_child) -> Iterator[Path]:
    """A database file that holds the store as it is, for Maintenance.Snapshot; it is gone when the block ends.

    May be called on any thread: what is submitted meanwhile may be in it or not.
    """
    snap = store.member_directory / SNAP
    target = _fresh(snap, TEMPORARY_SNAPSHOT)
    with store.checkpointing:
        index = store.journal.append([])
        _remove_left_over(snap, TEMPORARY_SNAPSHOT)
        try:
            build(store.member_directory, index, target, store.disk)
            yield target
        finally:
            target.unlink(missing_ok=True)


def _fresh(snap: Path, name: str) -> Path:
    return snap / f"{name}.{os.urandom(4).hex()}"


def _remove_left_over(snap: Path, name: str) -> None:
    """Remove what was left by one that was cut off."""
    for path in snap.glob(f"{name}*"):
        path.unlink(missing_ok=True)


def _drop_old_segments(store: DurableStore, log: Path, index: int) -> None:
    """Remove the segments before the last one that begins at or before `index`: readers start there."""
    names = store.journal.segments()
    needed = max((name for name in names if name.first_index <= index), default=names[0])
    old = [name for name in names if name < needed]
    for name in old:
        store.disk.remove(log / str(name))
        store.locks.release(log / str(name))
    if old:
        store.disk.sync_directory(log)


def _drop_old_snapshots(disk: StoreDisk, snap: Path, newest: RaftSnapshotName) -> None:
    old = [
        path
        for path in snap.iterdir()
        if (name := raft_snapshot.parse_name(path.name)) is not None and name.index < newest.index
    ]
    for path in sorted(old):
        disk.remove(path)
    if old:
        disk.sync_directory(snap)
