"""One backup: the store is inspected, its canonical file computed, its records committed as a point, and the point remembered.

    inspect   structure, records, HashKV; a store that is not sound is refused
    compute   which records are kept, their digests, and the canonical file of them: built and hashed, not written (`computing`)
    commit    runs and manifest (`repository.writing`)
    remember  what the next backup goes on from

Called by `backstay backup` with a store on disk: a snapshot that was just saved, an older file, or a data directory.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from backstay import errors
from backstay.clock import Clock
from backstay.crypto.sealing import ObjectClass
from backstay.findings import Finding, Severity, declare
from backstay.formats.hashkv import CURRENT_RULE, HashKV
from backstay.jobs.backup.computing import Computing, compute
from backstay.jobs.backup.state import WriterState
from backstay.jobs.rotate.staging import staging
from backstay.repository import names
from backstay.repository.companions import CompanionsDraft, CompanionSet, StoredCompanions
from backstay.repository.continuing import BaseRule
from backstay.repository.manifest import FileFacts, HashFacts, Manifest, PointFacts
from backstay.repository.repository import Entropy, Repository
from backstay.repository.writing import BackupDraft, CommittedPoint, Writer, back_up
from backstay.snapshot.canonical import StoreContents
from backstay.snapshot.inspect import Inspection, Trailer, inspect
from backstay.snapshot.opened import OpenedStore
from backstay.snapshot.verify import Level, judge
from backstay.telemetry import Progress

SLOT_MISSING = declare(
    "slot-missing",
    Severity.WARNING,
    "A key service that is a recipient could not be asked, so it cannot open this backup; the other recipients can.",
    "make the service reachable: the next backup of the day asks again; `backstay recipient rewrap` does it for the past",
)

_HARMLESS = frozenset(("bbolt-freelist-damaged", "bbolt-page-lost"))
"""Damage of the list of free pages: records are read without it."""


@dataclass(frozen=True, slots=True)
class BackupWish:
    """What is to be backed up, under which name of a cluster. `source` says where it came from, for the record."""

    cluster: str
    source: Mapping[str, str]
    tags: tuple[str, ...] = ()
    rule: BaseRule = field(default_factory=BaseRule)
    companions: CompanionSet | None = None


@dataclass(frozen=True, slots=True)
class BackupReport:
    """The point that was made. Sizes are bytes; `base_reason` is empty when only new records were written."""

    manifest: Manifest
    facts: PointFacts
    new_bytes: int
    new_runs: frozenset[str]
    base_reason: str
    seconds: float
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class BackupPlan:
    """What a backup would do."""

    cluster: str
    revision: int
    compact_revision: int
    keys: int
    records: int
    new_revisions: int | None
    base_reason: str
    findings: tuple[Finding, ...]


def plan(store: OpenedStore, wish: BackupWish, state: WriterState, *, clock: Clock, progress: Progress) -> BackupPlan:
    """What `run` would do with this store; nothing is written. Raises `SOURCE_UNSOUND`, `STATE_UNUSABLE`."""
    inspection, found = examine(store, progress)
    memory = state.memory(wish.cluster)
    reason = "nothing is remembered of an earlier one"
    if memory is not None:
        reason = wish.rule.reason(memory, clock.now())
    return BackupPlan(
        wish.cluster,
        inspection.current_revision,
        inspection.compact_revision,
        inspection.records.live_key_count,
        inspection.records.record_count,
        None if memory is None else inspection.current_revision - memory.revision,
        reason,
        found,
    )


def run(
    repository: Repository,
    store: OpenedStore,
    wish: BackupWish,
    state: WriterState,
    *,
    clock: Clock,
    entropy: Entropy,
    spill: Path,
    progress: Progress,
    proven: HashKV | None = None,
    taken: datetime | None = None,
    computing: Computing | None = None,
) -> BackupReport:
    """Make a point of `store`; `proven` is its HashKV if it was saved and proven just now, and need not be again.

    `taken` is when the source was read, and becomes the time of the point; now where nobody says it. `computing` has what
    follows from the source for several repositories.

    Raises `SOURCE_UNSOUND`, `SIGNING_KEY_INVALID`, `STATE_UNUSABLE`, what `repository.writing.back_up` raises, and
    `FormatError` for a file that changed while it was read.
    """
    began = clock.monotonic()
    state.see_trust(repository)
    state.settle(repository)
    key = state.signing_key()
    writer = repository.trust.writer(key.public)
    if writer is None:
        raise errors.SIGNING_KEY_INVALID.error(
            "the repository does not trust the key of this host", where=str(state.directory), why=key.public
        )
    if writer.revoked is not None:
        raise errors.WRITER_REVOKED.error(
            f"the key of this host, {writer.label}, is revoked", where=str(state.directory), why=key.public
        )
    found: tuple[Finding, ...] = ()
    if proven is None:
        inspection, found = examine(store, progress)
        proven = inspection.hash_kv
    if proven is None:
        raise errors.SOURCE_UNSOUND.error("the HashKV of the source cannot be computed", where=str(store.path))
    hash_kv = HashFacts(proven.hash, proven.revision, proven.compact_revision)
    contents = StoreContents(store)
    progress.begin("computing the file", None)
    classification, built = computing.of(store) if computing is not None else compute(store)
    now = taken if taken is not None else clock.now()
    committed = back_up(
        repository,
        contents,
        classification,
        BackupDraft(
            wish.cluster,
            FileFacts(built.pages_sha256, built.size, built.page_size, built.hash),
            hash_kv,
            wish.source,
            wish.tags,
            None if wish.companions is None else CompanionsDraft(wish.companions, state.companions(wish.cluster)),
        ),
        state.memory(wish.cluster),
        Writer(key, state.epoch(repository, now, entropy), now, entropy, spill, progress, wish.rule),
    )
    state.see(committed.manifest)
    state.remember(committed.memory)
    for run in committed.manifest.of_kind(ObjectClass.COMPANIONS):
        if wish.companions is not None:
            stored = StoredCompanions(wish.companions.digest, committed.memory.base.name, run)
            state.remember_companions(wish.cluster, stored, entropy)
    return _report(committed, clock.monotonic() - began, (*found, *_missing_slots(repository, committed.manifest)))


def _missing_slots(repository: Repository, manifest: Manifest) -> list[Finding]:
    """What key services could not be asked for."""
    there = {names.slot_recipient(slot.name) for slot in manifest.slots}
    return [
        SLOT_MISSING.at(manifest.id, f"{each.label} ({each.public})")
        for each in repository.trust.recipients
        if manifest.slots and each.id not in there
    ]


def examine(store: OpenedStore, progress: Progress) -> tuple[Inspection, tuple[Finding, ...]]:
    """Inspect a store, and refuse one that must not be backed up. Raises `SOURCE_UNSOUND`."""
    inspection = inspect(store, with_hash_kv=CURRENT_RULE, progress=progress)
    level = Level.COHERENT
    found = tuple(
        each for check in judge(inspection, level, opening=store.findings) for each in check.findings
        if each.code not in _HARMLESS
    )  # fmt: skip
    wrong = [each for each in found if each.severity is Severity.ERROR]
    if inspection.trailer is Trailer.WRONG or wrong or inspection.nested_buckets or inspection.root_strays:
        first = str(wrong[0]) if wrong else "it holds what no etcd writes"
        raise errors.SOURCE_UNSOUND.error("the source is not sound", where=str(store.path), why=first)
    return inspection, found


def _report(committed: CommittedPoint, seconds: float, found: tuple[Finding, ...]) -> BackupReport:
    return BackupReport(
        committed.manifest,
        committed.facts,
        committed.new_bytes,
        committed.new_runs,
        committed.base_reason,
        seconds,
        found,
    )


@contextmanager
def scratch(parent: Path | None) -> Iterator[Path]:
    """A private directory for a snapshot on its way, in clear, and for temporary sealed bytes; gone afterwards.

    What a backup left there that was killed goes first.
    """
    with staging(parent or Path(tempfile.gettempdir())) as directory:
        yield directory
