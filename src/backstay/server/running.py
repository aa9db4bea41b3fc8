"""A store at work: the files, the engine, the handler, and what happens beside them.

    DurableStore --state--> Engine --> StoreHandler --> transport
         ^                                  |
         '---- submit(entries) ---- journal of the transport

The runner is the journal that a transport writes to, because it counts what goes through: the size for the quota, and when
the log has grown long enough for a checkpoint. Everything but checkpoints, snapshots and hashes happens on the store's thread.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import BinaryIO, NamedTuple

from backstay.clock import Clock
from backstay.errors import BackstayError, FormatError
from backstay.formats import requests
from backstay.formats.directory import DATABASE, SNAP
from backstay.server.checkpointing import Checkpointing
from backstay.server.compacting import AutoCompaction
from backstay.server.handler import ServedMember, Sizes, StoreHandler
from backstay.server.handler.hosting import Snapshot
from backstay.server.password_handover import has_passwords_in_log_alone, hash_clear_passwords
from backstay.store import refusals
from backstay.store.apply.permissions import ROOT, Identity
from backstay.store.durable import DurableStore, StoreOptions, checkpoint, open_store
from backstay.store.durable.disk import StoreDisk
from backstay.store.durable.journal import Done
from backstay.store.engine import Engine, EngineOptions
from backstay.store.engine.engine import NOBODY
from backstay.store.refusals import Refused
from backstay.store.state import StoreState
from backstay.store.tokens import PasswordHashes, TokenProvider
from backstay.values import ClusterId, MemberId, Revision

DEFAULT_SNAPSHOT_COUNT = 10_000

_WORKERS = 2
_WAITING_WORK = 1_000
"""Logins and hashes: at a twentieth of a second each, more would wait for minutes."""
_READ_BYTES = 1 << 20

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunningOptions:
    """How a store is served. Sizes are bytes, times seconds. `quota_bytes` as in `EngineOptions`."""

    store: StoreOptions = field(default_factory=StoreOptions)
    client_urls: tuple[str, ...] = ("http://localhost:2379",)
    max_request_bytes: int = 1_572_864
    max_operations: int = 128
    quota_bytes: int = 0
    election_timeout: float = 1.0
    progress_interval: float = 600.0
    snapshot_count: int = DEFAULT_SNAPSHOT_COUNT
    """Log entries after which a checkpoint is made."""


class Numbers(NamedTuple):
    """What there is to measure, at this moment. Sizes are bytes."""

    revision: int
    compact_revision: int
    consistent_index: int
    keys: int
    records_above_base: int
    leases: int
    watchers: int
    watch_streams: int
    slow_watchers: int
    database_size: int
    database_size_in_use: int
    quota: int
    is_read_only: bool


class StoreRunner:
    """A store that is served. Made by `open_runner` and `view_runner`."""

    def __init__(
        self,
        state: StoreState,
        store: DurableStore | None,
        options: RunningOptions,
        engine_options: EngineOptions,
        member: ServedMember,
        *,
        clock: Clock,
        random: Random,
        file: Path,
        contents: Callable[[], Snapshot] | None = None,
        tokens: TokenProvider | None = None,
        passwords: PasswordHashes | None = None,
        compaction: AutoCompaction | None = None,
    ) -> None:
        self.store = store
        """The files; None when a backup is only looked at."""
        self.engine = Engine(state, clock, random, engine_options, tokens=tokens, passwords=passwords)
        term = store.journal.term if store is not None else state.term
        self.handler = StoreHandler(self.engine, self, member, term)
        self._clock = clock
        self._file = file
        self._contents = contents
        self._compaction = compaction
        self._places = threading.BoundedSemaphore(_WAITING_WORK)
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="worker")
        self._checkpointing: Checkpointing | None = None
        if store is not None:
            self._checkpointing = Checkpointing(store, clock, options.snapshot_count, self.engine.quota)
        self._base_size = file.stat().st_size
        self.engine.size = self.sizes.total

    @property
    def identity(self) -> tuple[ClusterId, MemberId, int]:
        """What headers say: cluster, member, term."""
        return self.handler.context.answerer

    @property
    def numbers(self) -> Numbers:
        """For metrics. Ask on the store's thread."""
        state, hub, sizes = self.engine.state, self.engine.hub, self.sizes
        return Numbers(
            revision=state.revision,
            compact_revision=state.compact_revision,
            consistent_index=state.consistent_index,
            keys=state.index.count(b"", None),
            records_above_base=state.record_count,
            leases=len(state.leases.granted),
            watchers=hub.watcher_count,
            watch_streams=len(hub.streams),
            slow_watchers=hub.slow_count,
            database_size=sizes.total,
            database_size_in_use=sizes.in_use,
            quota=self.engine.quota,
            is_read_only=self.store is None,
        )

    # --- the journal of the transport ---

    def submit(self, entries: Sequence[bytes], done: Done) -> None:
        """Journal what was applied. Raises `JOURNAL_STOPPED`."""
        if self.store is None:  # nothing can have been applied
            done(None)
            return
        self.store.submit(entries, done)
        assert self._checkpointing is not None
        self._checkpointing.wrote(len(entries), sum(map(len, entries)))
        self.engine.size = self._base_size + self._checkpointing.bytes_above_base

    # --- what the handler asks for: `Hosting` ---

    @property
    def sizes(self) -> Sizes:
        """The base, and what the next one will hold beside it."""
        above = self._checkpointing.bytes_above_base if self._checkpointing is not None else 0
        return Sizes(self._base_size + above, self._base_size + above)

    def elsewhere(self, work: Callable[[], None]) -> None:
        """Run `work` on another thread. Raises `Refused` when as much waits there already as anybody should wait for."""
        if not self._places.acquire(blocking=False):
            raise Refused(refusals.TOO_MANY_REQUESTS)
        self._workers.submit(self._work, work)

    def _work(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:
            _log.exception("work beside the store failed")
        finally:
            self._places.release()

    def defragment(self, done: Callable[[BackstayError | None], None]) -> None:
        """Make a checkpoint now."""
        if self._checkpointing is None:
            raise Refused(refusals.READ_ONLY)
        self._checkpointing.ask(done)
        self.handler.context.post(self._start_checkpoint)

    def snapshot(self) -> Callable[[], Snapshot]:
        """The file of the store as it is now."""
        checkpointing = self._checkpointing
        if checkpointing is None:
            return self._contents or (lambda: _read(self._file.open("rb")))
        return lambda: _read(checkpointing.make_snapshot())

    def tick(self) -> None:
        """Look whether a compaction or a checkpoint is due."""
        now = self._clock.monotonic()
        if self._compaction is not None:
            at = self._compaction.due(now, self.engine.state.revision)
            if at is not None:
                self._compact(at)
                self._compaction.compacted(now, at)
        if self._checkpointing is not None and self._checkpointing.is_due:
            # Between two lists: what is applied is submitted then, so state and log agree.
            self.handler.context.post(self._start_checkpoint)

    def _compact(self, at: Revision) -> None:
        enabled = self.engine.state.access.enabled
        identity = Identity(ROOT, self.engine.state.access.revision) if enabled else NOBODY
        try:
            self.handler.context.execute(requests.Compaction(at), identity)
        except Refused as refused:  # somebody else was faster
            _log.info("no automatic compaction at %d: %s", at, refused)

    # --- checkpoints ---

    def _start_checkpoint(self) -> None:
        assert self._checkpointing is not None
        self._checkpointing.start(lambda: self.handler.context.post(self._adopt))

    def _adopt(self) -> None:
        assert self._checkpointing is not None
        self._checkpointing.finish()
        self._base_size = self._file.stat().st_size
        self.engine.size = self.sizes.total

    def close(self) -> None:
        """Stop what runs beside the store, write what was submitted, give the directory up."""
        if self._checkpointing is not None:
            self._checkpointing.close()
        self._workers.shutdown(wait=True, cancel_futures=True)
        if self.store is not None:
            self._move_passwords(self.store)
            self.store.close()

    def _move_passwords(self, store: DurableStore) -> None:
        """Passwords go into the base file, where 3.4 can read them too; without that, users are safe and locked out there."""
        try:
            if has_passwords_in_log_alone(store):
                checkpoint(store)
        except (BackstayError, FormatError) as problem:
            _log.warning("the log keeps passwords that etcd 3.4 cannot read: %s", problem)


def open_runner(
    directory: Path,
    options: RunningOptions,
    *,
    clock: Clock,
    random: Random,
    disk: StoreDisk | None = None,
    tokens: TokenProvider | None = None,
    passwords: PasswordHashes | None = None,
    compaction: AutoCompaction | None = None,
) -> StoreRunner:
    """Open the store in `directory` to serve it, founding it where there is none. Raises what `open_store` raises."""
    store = open_store(directory, disk=disk, options=options.store)
    try:
        if passwords is not None:
            hash_clear_passwords(store, passwords)
        identifier = MemberId(store.metadata.node_id)
        known = store.state.cluster.members[identifier]
        member = ServedMember(options.store.founder.name, options.client_urls, known.peer_urls)
        engine_options = _engine_options(options, identifier, ClusterId(store.metadata.cluster_id), read_only=False)
        file = store.member_directory / SNAP / DATABASE
        return StoreRunner(
            store.state,
            store,
            options,
            engine_options,
            member,
            clock=clock,
            random=random,
            file=file,
            tokens=tokens,
            passwords=passwords,
            compaction=compaction,
        )
    except BaseException:
        store.close()
        raise


def view_runner(
    state: StoreState,
    file: Path,
    options: RunningOptions,
    *,
    clock: Clock,
    random: Random,
    contents: Callable[[], Snapshot] | None = None,
    tokens: TokenProvider | None = None,
    passwords: PasswordHashes | None = None,
) -> StoreRunner:
    """Serve a state that was read from `file`, read-only. Whoever read it closes it afterwards.

    `contents` is what a client's snapshot is made of, where that is not the file as it is.
    """
    founder = options.store.founder
    member = ServedMember(founder.name, options.client_urls, founder.peer_urls)
    engine_options = _engine_options(options, founder.member.id, founder.cluster_id, read_only=True)
    return StoreRunner(
        state,
        None,
        options,
        engine_options,
        member,
        clock=clock,
        random=random,
        file=file,
        contents=contents,
        tokens=tokens,
        passwords=passwords,
    )


def _engine_options(options: RunningOptions, member: MemberId, cluster: ClusterId, *, read_only: bool) -> EngineOptions:
    return EngineOptions(
        member,
        cluster,
        max_request_bytes=options.max_request_bytes,
        max_operations=options.max_operations,
        quota_bytes=options.quota_bytes,
        election_timeout=options.election_timeout,
        progress_interval=options.progress_interval,
        read_only=read_only,
    )


def _read(file: BinaryIO) -> Snapshot:
    size = file.seek(0, 2)
    file.seek(0)

    def pieces() -> Iterator[bytes]:
        with file:
            while piece := file.read(_READ_BYTES):
                yield piece

    return Snapshot(size, pieces())
