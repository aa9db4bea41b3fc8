"""Locks against deletion: set when a point was made, made longer where a point has to stay longer than was thought.

The date of an object follows from its class and the policy (`policy.retention.locks`). Locks protect from whoever gets hold of
credentials that may delete; where a storage cannot lock (docs/decisions/0051) nothing is done, and the report says so. `lock` and
`extend` are for runs and backups: that a lock fails is a finding there, and never a lost point.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from backstay import errors
from backstay.blobs.contract import Answer, BlobStore
from backstay.findings import Finding, Severity, declare
from backstay.policy.retention.locks import lock_until
from backstay.policy.retention.policy import Policy
from backstay.repository import names
from backstay.repository.manifest import Manifest, RunReference
from backstay.repository.repository import Repository

NOT_LOCKED = declare(
    "objects-not-locked",
    Severity.WARNING,
    "The configuration wants objects to be locked against deletion, and they are not.",
    "see docs/guide/storages.md for what each storage can; set a retention at the bucket, or leave `lock` out",
)

LEAST_LEFT = 0.25
"""Which part of its time a lock must still have; below, it is set anew."""

NOT_BEFORE = timedelta(seconds=60)
"""How old an object must be before its lock is made longer: some storages set their own only after a while."""


@dataclass(frozen=True, slots=True)
class Locked:
    """How many objects were locked, or locked for longer. `is_supported` is false where the storage cannot."""

    count: int = 0
    is_supported: bool = True


class _Span(NamedTuple):
    """The first point that needs an object, until when its own lock goes, and until when some point needs it."""

    start: datetime
    given: datetime
    until: datetime


def lock_point(
    repository: Repository, point: Manifest, policy: Policy, new_runs: Collection[str] | None = None
) -> Locked:
    """Lock what a new point needs, the manifest and the public documents too; of runs only `new_runs`, if they are given.

    What it shares with points before it is locked already, and longer by `extend_locks` when its time comes.
    """
    documents = (names.DESCRIPTION, *(names.trust(each) for each in range(1, repository.trust.number + 1)))
    wanted = dict.fromkeys(documents, lock_until("manifest", point.time, policy))
    for name, span in _spans([point], policy).items():
        if new_runs is None or name in new_runs or not name.startswith(names.RUNS):
            wanted[name] = span.until
    return _lock(repository.store, wanted)


def extend_locks(repository: Repository, points: Iterable[Manifest], policy: Policy, *, now: datetime) -> Locked:
    """Make the locks of `points`, which stay, longer where less than a quarter of their time is left.

    An object that a new point rests upon is locked as long as that point asks, however old it is. An object is asked about only
    once its own first lock, of which the manifests tell, has used up as much: most never are.
    """
    store = repository.store
    if store.features().locks is Answer.NO:
        return Locked(is_supported=False)
    due: dict[str, datetime] = {}
    for name, (start, given, until) in _spans(points, policy).items():
        if until <= now or given - now >= LEAST_LEFT * (until - start):
            continue
        try:
            blob, before = store.stat(name), store.locked_until(name)
        except errors.BackstayError as problem:
            if problem.kind is errors.LOCK_UNSUPPORTED:
                return Locked(is_supported=False)
            if problem.kind is errors.BLOB_NOT_FOUND:
                continue
            raise
        if now - blob.modified < NOT_BEFORE or (before is not None and before >= until):
            continue
        if before is None or before - now < LEAST_LEFT * (until - blob.modified):
            due[name] = until
    return _lock(store, due)


def _spans(points: Iterable[Manifest], policy: Policy) -> dict[str, _Span]:
    """How long each object that `points` need is to be locked."""
    found: dict[str, _Span] = {}
    for point in points:
        objects = [(each.name, each.kind.label if isinstance(each, RunReference) else "slot") for each in point.objects]
        for name, kind in (*objects, (point.where, "manifest")):
            until = lock_until(kind, point.time, policy)
            known = found.get(name, _Span(point.time, until, until))
            first = min(known, _Span(point.time, until, until))
            found[name] = _Span(first.start, first.given, max(known.until, until))
    return found


def _lock(store: BlobStore, wanted: Mapping[str, datetime]) -> Locked:
    count = 0
    for name, until in sorted(wanted.items()):
        try:
            store.lock(name, until)
        except errors.BackstayError as problem:
            if problem.kind is errors.LOCK_UNSUPPORTED:
                return Locked(count, is_supported=False)
            raise
        count += 1
    return Locked(count)


def lock(repository: Repository, point: Manifest, new_runs: Collection[str], policy: Policy) -> tuple[Finding, ...]:
    """Lock what a new point brought."""
    return _finding(repository, lambda: lock_point(repository, point, policy, new_runs))


def extend(repository: Repository, points: Sequence[Manifest], policy: Policy, *, now: datetime) -> tuple[Finding, ...]:
    """Lock what `points`, which stay, need for longer where that runs out."""
    return _finding(repository, lambda: extend_locks(repository, points, policy, now=now))


def _finding(repository: Repository, step: Callable[[], Locked]) -> tuple[Finding, ...]:
    try:
        done = step()
    except errors.BackstayError as problem:
        return (NOT_LOCKED.at(repository.store.location, str(problem)),)
    return () if done.is_supported else (NOT_LOCKED.at(repository.store.location, "this storage cannot lock objects"),)
