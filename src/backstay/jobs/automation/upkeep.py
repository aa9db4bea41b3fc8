"""Retention as runs apply it: an agent marks what may go, a maintainer merges links and sweeps what was marked long enough ago.

The guards stay: what looks like a mistake is not done, and is a finding until a person has looked at it. Only that much would go
at once is no objection here, as after a pause of runs it always does: then the oldest go, a fifth at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from backstay import errors
from backstay.clock import Clock
from backstay.crypto.sealing import EpochKey
from backstay.crypto.signing import SigningKey
from backstay.findings import Finding, Severity, declare
from backstay.jobs.retention import merge as merging
from backstay.jobs.retention import sweep as sweeping
from backstay.jobs.retention.apply import apply
from backstay.jobs.retention.plan import make_plan
from backstay.policy.retention.policy import Policy
from backstay.repository.catalogue import Catalogue, facts_of
from backstay.repository.facts import Fact
from backstay.repository.manifest import Manifest, PointFacts
from backstay.repository.repository import Entropy, Repository
from backstay.repository.retention.holds import read_holds
from backstay.repository.retention.pins import pinned_points
from backstay.telemetry import Progress

RETENTION_WAITS = declare(
    "retention-waits",
    Severity.WARNING,
    "Old points were not marked, because that looked like a mistake or an attack.",
    "look at `backstay retention plan REPO`; if it is right, apply it by hand with --allow",
)
HEAD_LEVEL = "intact"
"""An agent has proven the source of the newest point, and has read back what it stored; it cannot open what is sealed."""
_BUSY = (errors.LEASE_HELD, errors.RETENTION_CHANGED)
"""Somebody else is at it: the next run comes soon enough."""


@dataclass(frozen=True, slots=True)
class Done:
    """How much was done, and what stood in the way."""

    count: int = 0
    freed_bytes: int = 0
    findings: tuple[Finding, ...] = ()


def mark(
    repository: Repository,
    catalogue: Catalogue,
    facts: Sequence[Fact],
    policy: Policy,
    key: SigningKey,
    *,
    cluster: str,
    now: datetime,
    copied: Collection[str] | None = None,
) -> Done:
    """Mark the points of `cluster` that `policy` no longer keeps, and let the history of old ones go.

    Where `copied` is given, only of these points.
    """

    def readable(manifest: Manifest) -> PointFacts | None:
        # Of today's points the writer still has the key; of others the number of keys is not known.
        try:
            return facts_of(repository, manifest)
        except errors.BackstayError as problem:
            if problem.kind is not errors.KEY_UNAVAILABLE:
                raise
            return None

    plan = make_plan(
        repository,
        catalogue,
        facts,
        read_holds(repository),
        policy,
        now=now,
        readable=readable,
        cluster=cluster,
        pinned=pinned_points(repository.store, now),
        head_level=HEAD_LEVEL,
        gradual=True,
        copied=copied,
    )
    if plan.refused:
        waits = f"{len(plan.decision.drop) + len(plan.fading)} points: {', '.join(each.value for each in plan.refused)}"
        return Done(findings=(RETENTION_WAITS.at(repository.store.location, waits),))
    if not plan.decision.drop and not plan.fading:
        return Done()
    try:
        return Done(len(apply(repository, plan, key, now=now).points))
    except errors.BackstayError as problem:
        if problem.kind not in _BUSY:
            raise
        return Done()


def merge(
    repository: Repository,
    key: SigningKey,
    *,
    cluster: str,
    clock: Clock,
    entropy: Entropy,
    spill: Path,
    progress: Progress,
    epoch: EpochKey | None = None,
) -> Done:
    """Replace links between kept points by merged runs."""
    try:
        merged = merging.merge(
            repository,
            key,
            clock=clock,
            entropy=entropy,
            spill=spill,
            progress=progress,
            cluster=cluster,
            epoch=epoch,
        )
    except errors.BackstayError as problem:
        if problem.kind not in _BUSY:
            raise
        return Done()
    return Done(merged.replaced)


def sweep(
    repository: Repository, policy: Policy, key: SigningKey, *, cluster: str, clock: Clock, progress: Progress
) -> Done:
    """Delete what was marked long enough ago, and what `policy` does not want either: whoever has an agent's key can mark."""
    try:
        swept = sweeping.sweep(repository, key, clock=clock, progress=progress, policy=policy, cluster=cluster)
    except errors.BackstayError as problem:
        if problem.kind not in _BUSY:
            raise
        return Done()
    return Done(swept.removed, swept.freed_bytes)
