"""Locks against deletion: set when a point was made, made longer where a point has to stay longer than was thought.

The date of an object follows from its class and the policy (`policy.retention.locks`). Locks protect from whoever gets hold of
credentials that may delete; where a storage cannot lock (docs/decisions/0051) nothing is done, and the report says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from backstay import errors
from backstay.blobs.contract import Answer, BlobStore
from backstay.policy.retention.locks import lock_until
from backstay.policy.retention.policy import Policy
from backstay.repository import names
from backstay.repository.manifest import Manifest, RunReference
from backstay.repository.repository import Repository

LEAST_LEFT = 0.25
"""Which part of its time a lock must still have; below, it is set anew."""

NOT_BEFORE = timedelta(seconds=60)
"""How old an object must be before its lock is made longer: some storages set their own only after a while."""


@dataclass(frozen=True, slots=True)
class Locked:
    """How many objects were locked, or locked for longer. `is_supported` is false where the storage cannot."""

    count: int = 0
    is_supported: bool = True


def lock_point(repository: Repository, point: Manifest, policy: Policy) -> Locked:
    """Lock everything that a new point needs, the manifest and the public documents too."""
    documents = (names.DESCRIPTION, *(names.trust(each) for each in range(1, repository.trust.number + 1)))
    wanted = {**_dates([point], policy), **dict.fromkeys(documents, lock_until("manifest", point.time, policy))}
    return _lock(repository.store, wanted)


def extend_locks(repository: Repository, points: Iterable[Manifest], policy: Policy, *, now: datetime) -> Locked:
    """Make the locks of `points`, which stay, longer where less than a quarter of their time is left.

    An object that a new point rests upon is locked as long as that point asks, however old it is.
    """
    store = repository.store
    if store.features().locks is Answer.NO:
        return Locked(is_supported=False)
    due: dict[str, datetime] = {}
    for name, until in _dates(points, policy).items():
        if until <= now:
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


def _dates(points: Iterable[Manifest], policy: Policy) -> dict[str, datetime]:
    """Until when each object that `points` need is to be locked: the latest that one of them asks."""
    found: dict[str, datetime] = {}
    for point in points:
        for each in point.objects:
            kind = each.kind.label if isinstance(each, RunReference) else "slot"
            until = lock_until(kind, point.time, policy)
            found[each.name] = max(until, found.get(each.name, until))
        found[point.where] = lock_until("manifest", point.time, policy)
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
