"""Making a point: the records that are new since the last one, sorted into runs; then slots, runs, sizes, manifest.

Called by the backup job, which has proved the source sound and says what its file is. With the writer's memory of its
last point, only newer records are written; without it, or when the source is not the continuation of that point
(`continuing` finds out what the repository says to that), a base is. Nothing that is in the repository is read but public
documents: the writer needs no identity.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from backstay import errors
from backstay.crypto.sealing import SALT_SIZE, EpochKey, ObjectClass
from backstay.crypto.signing import SigningKey
from backstay.repository import names
from backstay.repository.catalogue import head_number
from backstay.repository.changes import Sweep
from backstay.repository.commit import (
    OvertakenError,
    commit,
    put_slots,
    read_following,
    require_runs,
)
from backstay.repository.companions import CompanionsDraft
from backstay.repository.continuing import BaseRule, caught_up, lost_run, newest_lineage
from backstay.repository.manifest import (
    BACKUP,
    FileFacts,
    HashFacts,
    Manifest,
    Parent,
    PointFacts,
    RunReference,
    seal_facts,
)
from backstay.repository.memory import HistoryDiffersError, RangedRun, WriterMemory, vanished_since
from backstay.repository.records import Entry, StoredRecord, record_of
from backstay.repository.repository import Entropy, Repository
from backstay.repository.run.writer import RunFacts, WrittenRun, write_entries, write_records
from backstay.repository.sorting import RecordSorter, by_key
from backstay.repository.source import NEWEST, PUT, Classification, RecordSource
from backstay.telemetry import Progress

_ADVANCE_BYTES = 1 << 20
_TIMES_ANEW = 5


@dataclass(frozen=True, slots=True)
class BackupDraft:
    """What the caller knows about the point to be made."""

    cluster: str
    file: FileFacts
    hash_kv: HashFacts
    source: Mapping[str, str]
    tags: tuple[str, ...] = ()
    companions: CompanionsDraft | None = None
    lineage: str = ""
    """Where to go on when nothing is remembered; the newest lineage of the cluster if it is empty."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes, with what key, where temporary sealed bytes may lie. `epoch` is None for a plaintext repository."""

    key: SigningKey
    epoch: EpochKey | None
    now: datetime
    entropy: Entropy
    spill: Path
    progress: Progress
    rule: BaseRule = field(default_factory=BaseRule)


@dataclass(frozen=True, slots=True)
class CommittedPoint:
    """A point that is in the repository, and what the writer is to remember."""

    manifest: Manifest
    facts: PointFacts
    memory: WriterMemory
    new_bytes: int
    new_runs: frozenset[str]
    base_reason: str
    """Why a base was made; empty when only new records were written."""


def back_up(
    repository: Repository,
    source: RecordSource,
    classification: Classification,
    draft: BackupDraft,
    memory: WriterMemory | None,
    writer: Writer,
) -> CommittedPoint:
    """Make a point of `source`.

    Raises `REPOSITORY_ROLLED_BACK`, `COMMIT_LOST`, `OBJECT_MISSING`, `OBJECT_DAMAGED` for what the store did to runs, and
    the store's own errors; then the point does not exist, or, if only the answer was lost, is whole.
    """
    if writer.epoch is not None:
        repository.hold_key(writer.epoch)
    for _ in range(_TIMES_ANEW):
        try:
            return _back_up(repository, source, classification, draft, memory, writer)
        except OvertakenError as problem:
            why = str(problem)
    raise errors.COMMIT_LOST.error(
        "the chain of manifests could not be gone on with",
        where=repository.store.location,
        why=why,
        next_step="try again; where no maintenance is at work, look with `backstay check` for what lies behind the gap",
    )


def _back_up(
    repository: Repository,
    source: RecordSource,
    classification: Classification,
    draft: BackupDraft,
    memory: WriterMemory | None,
    writer: Writer,
) -> CommittedPoint:
    reason, parent, swept = "nothing is remembered of an earlier one", None, ""
    lineage = draft.lineage if memory is None else memory.lineage
    if not lineage:
        lineage = newest_lineage(repository, draft.cluster, writer.entropy)
    if memory is not None:
        memory, swept = caught_up(repository, memory)
        reason = writer.rule.reason(memory, writer.now) or swept or lost_run(repository, memory)
    since = head_number(repository, lineage) if memory is None or swept else memory.sequence
    if memory is not None:
        kind = _Base if reason else _Delta
        try:
            with kind(repository, source, classification, memory, writer) as making:
                return making.commit(draft, Place(lineage, since), reason)
        except HistoryDiffersError as problem:
            reason = f"the history is another one: {problem}"
            parent, lineage, since = Parent(memory.lineage, memory.sequence), writer.entropy(8).hex(), 0
    with _Base(repository, source, classification, None, writer) as base:
        return base.commit(draft, Place(lineage, since, parent), reason)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a point goes: `since` is the newest sequence of the lineage that is known."""

    lineage: str
    since: int
    parent: Parent | None = None


def _refuse_swept(runs: frozenset[str], manifest: Manifest) -> None:
    """Raise `OvertakenError` where `manifest` sweeps any of `runs`."""
    if isinstance(manifest.change, Sweep) and (gone := runs.intersection(manifest.change.deleted)):
        raise OvertakenError(f"{len(gone)} runs that the point rests upon were swept")


class _Pass:
    """The runs of one point, and its commit."""

    def __init__(
        self,
        repository: Repository,
        source: RecordSource,
        classification: Classification,
        memory: WriterMemory | None,
        writer: Writer,
    ) -> None:
        self._repository, self._source, self._classification = repository, source, classification
        self._memory, self._writer = memory, writer
        self._new: dict[str, int] = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> _Pass:
        return self

    def __exit__(self, *problem: object) -> None:
        self._stack.close()

    def commit(self, draft: BackupDraft, place: Place, reason: str) -> CommittedPoint:
        """Write the runs and commit."""
        raise NotImplementedError

    def _vanished(self) -> tuple[tuple[int, int], ...]:
        """What is gone since the remembered point; raises `HistoryDiffersError` if the source does not continue it."""
        memory, source = self._memory, self._source
        if memory is None:
            return ()
        if source.revision < memory.revision:
            raise HistoryDiffersError(f"the revision went back from {memory.revision} to {source.revision}")
        index = self._classification.index
        return vanished_since(memory.index, memory.revision, index, source.compact_revision)

    def _sorter(self) -> RecordSorter:
        return self._stack.enter_context(RecordSorter(by_key, self._writer.spill, self._writer.entropy))

    def _records(self, start: int = 0) -> Iterator[tuple[int, StoredRecord]]:
        """(flags, record) of every record that is kept, from revision `start` on."""
        pending = 0
        self._writer.progress.begin("sorting", None)
        for flags, element in self._classification.kept(self._source, start):
            pending += len(element[1])
            if pending > _ADVANCE_BYTES:
                self._writer.progress.advance(pending)
                pending = 0
            yield flags, record_of(*element)

    def _put(self, kind: ObjectClass, lineage: str, written: WrittenRun) -> RunReference:
        writer = self._writer
        with written:
            name = names.run(lineage, kind, writer.now, written.salt, written.sha256)
            writer.progress.begin(f"storing {kind.label}", written.size)
            self._repository.store.put(name, written.content)
            writer.progress.advance(written.size)
            self._new[name] = written.size
            return RunReference(kind, name, written.size)

    def _run(self, records: RecordSorter, facts: RunFacts) -> RunReference:
        written = write_records(
            records,
            facts,
            repository=self._repository.id,
            epoch=self._writer.epoch,
            salt=self._writer.entropy(SALT_SIZE),
            spill=self._writer.spill,
        )
        return self._put(facts.kind, facts.lineage, written)

    def _finish(
        self,
        draft: BackupDraft,
        place: Place,
        reason: str,
        base: RunReference,
        based_at: datetime,
        chain: tuple[RunReference, ...],
        histories: tuple[RangedRun, ...],
    ) -> CommittedPoint:
        """Entries, sizes, manifest."""
        writer, source, repository = self._writer, self._source, self._repository
        lineage = place.lineage
        written = write_entries(
            (Entry(*each) for each in source.entries()),
            RunFacts(ObjectClass.ENTRIES, lineage, 0, source.revision),
            repository=repository.id,
            epoch=writer.epoch,
            salt=writer.entropy(SALT_SIZE),
            spill=writer.spill,
        )
        entries_digest = written.plain_sha256
        entries = self._put(ObjectClass.ENTRIES, lineage, written)
        # Histories that end at or below the compact revision hold nothing that this or any later point needs.
        histories = tuple(each for each in histories if each.end > source.compact_revision)
        companions = self._companions(draft.companions, lineage, base.name)
        runs = (base, *chain, *(each.run for each in histories), entries, *companions)
        try:
            require_runs(repository.store, runs)
        except errors.BackstayError as problem:
            # Gone because a sweep said so: that is for a base to mend. Gone otherwise: the store's fault, to be told.
            if problem.kind is errors.OBJECT_MISSING:
                for each in read_following(repository, lineage, place.since):
                    _refuse_swept(frozenset(run.name for run in runs), each)
            raise
        facts = PointFacts(
            revision=source.revision,
            compact_revision=source.compact_revision,
            keeps_tombstones=self._classification.keeps_tombstones,
            normalised=self._classification.normalised,
            keys=self._classification.keys,
            records=self._classification.records,
            state_digest=self._classification.state_digest,
            records_digest=self._classification.records_digest,
            entries_digest=entries_digest,
            file=draft.file,
            hash_kv=draft.hash_kv,
            source=draft.source,
            tags=draft.tags,
        )
        manifest = commit(
            repository,
            Manifest(
                lineage=lineage,
                sequence=0,
                previous="",
                parent=place.parent,
                kind=BACKUP,
                cluster=draft.cluster,
                time=writer.now,
                trust=repository.trust.number,
                runs=runs,
                slots=self._slots,
                sealed=seal_facts(facts, repository.id, writer.epoch, writer.entropy(SALT_SIZE)),
            ),
            writer.key,
            since=place.since,
            meanwhile=partial(_refuse_swept, frozenset(run.name for run in runs)),
        )
        memory = WriterMemory(
            repository.id,
            draft.cluster,
            lineage,
            manifest.sequence,
            manifest.sha256,
            source.revision,
            source.compact_revision,
            facts.state_digest,
            based_at,
            base,
            chain,
            histories,
            self._classification.index,
        )
        return CommittedPoint(manifest, facts, memory, sum(self._new.values()), frozenset(self._new), reason)

    def _companions(self, draft: CompanionsDraft | None, lineage: str, base: str) -> tuple[RunReference, ...]:
        """The run of the companions, an old one if nothing has changed; none where none are wanted."""
        if draft is None:
            return ()
        old = draft.reusable(base)
        if old is not None and any(each.size == old.size for each in self._repository.store.list(old.name)):
            return (old,)
        writer = self._writer
        written = write_entries(
            draft.wanted.entries(),
            RunFacts(ObjectClass.COMPANIONS, lineage, 0, self._source.revision),
            repository=self._repository.id,
            epoch=writer.epoch,
            salt=writer.entropy(SALT_SIZE),
            spill=writer.spill,
        )
        return (self._put(ObjectClass.COMPANIONS, lineage, written),)

    def _put_slots(self) -> None:
        # Before the runs: a run whose key nobody has would be worth nothing.
        self._slots = put_slots(self._repository, self._writer.epoch) if self._writer.epoch is not None else ()


class _Base(_Pass):
    """Everything anew; what is remembered is only compared."""

    def commit(self, draft: BackupDraft, place: Place, reason: str) -> CommittedPoint:
        lineage = place.lineage
        revision = self._source.revision
        self._vanished()
        newest, others = self._sorter(), self._sorter()
        for flags, record in self._records():
            is_state = flags & NEWEST and (flags & PUT or record.main == revision)
            (newest if is_state else others).add(record)
        self._put_slots()
        facts = RunFacts(ObjectClass.BASE, lineage, 0, revision, "", self._classification.state_digest)
        base = self._run(newest, facts)
        histories: tuple[RangedRun, ...] = ()
        if others.count:
            run = self._run(others, RunFacts(ObjectClass.HISTORY, lineage, 0, revision))
            histories = (RangedRun(run, 0, revision),)
        return self._finish(draft, place, reason, base, self._writer.now, (), histories)


class _Delta(_Pass):
    """What is new since the remembered point."""

    def commit(self, draft: BackupDraft, place: Place, reason: str) -> CommittedPoint:
        lineage = place.lineage
        memory, revision = self._memory, self._source.revision
        assert memory is not None
        before, vanished = memory.revision, self._vanished()
        newest, others = self._sorter(), self._sorter()
        for flags, record in self._records(before + 1):
            (newest if flags & NEWEST else others).add(record)
        self._put_slots()
        chain, histories = memory.chain, memory.histories
        if newest.count or vanished:
            after = self._classification.state_digest
            facts = RunFacts(ObjectClass.STATE, lineage, before, revision, memory.state_digest, after, vanished)
            chain += (self._run(newest, facts),)
        if others.count:
            run = self._run(others, RunFacts(ObjectClass.HISTORY, lineage, before, revision))
            histories += (RangedRun(run, before, revision),)
        return self._finish(draft, place, reason, memory.base, memory.based_at, chain, histories)
