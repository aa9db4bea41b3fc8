"""Locks as runs set them: on what a new point needs, longer on what has to stay. A lock that fails is a finding, no lost point."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from backstay import errors
from backstay.findings import Finding, Severity, declare
from backstay.jobs.retention.locking import Locked, extend_locks, lock_point
from backstay.policy.retention.policy import Policy
from backstay.repository.manifest import Manifest
from backstay.repository.repository import Repository

NOT_LOCKED = declare(
    "objects-not-locked",
    Severity.WARNING,
    "The configuration wants objects to be locked against deletion, and they are not.",
    "see docs/guide/storages.md for what each storage can; set a retention at the bucket, or leave `lock` out",
)


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
