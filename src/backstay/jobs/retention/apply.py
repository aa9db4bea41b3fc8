"""A plan applied: its points are marked, others lose their history, by a signed commit of each per lineage. Nothing is deleted,
and both can be taken back.

Called with a plan that was made a moment ago, from what is there now: `retention apply` compares its hash with the one that
somebody read, a scheduled run applies its own. A backup that is committed meanwhile is no matter; other maintenance is,
for it may have changed what the plan was made from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from backstay import errors
from backstay.crypto.signing import SigningKey
from backstay.jobs.retention.plan import Plan, policy_text
from backstay.repository.catalogue import Catalogue
from backstay.repository.changes import LONGEST_REASON, Change, Expiry, Fade, Recall, kind_of
from backstay.repository.commit import OvertakenError, commit
from backstay.repository.manifest import BACKUP, Manifest, RunReference, SlotReference
from backstay.repository.repository import Repository


@dataclass(frozen=True, slots=True)
class Applied:
    """The points that were marked or brought back, by their ids, the commits that did it, and the points that faded."""

    points: tuple[str, ...]
    manifests: tuple[Manifest, ...]
    faded: tuple[str, ...] = ()


def apply(repository: Repository, plan: Plan, key: SigningKey, *, now: datetime) -> Applied:
    """Mark what `plan` drops, and let the history go that it no longer wants. No identity is needed.

    Raises `RETENTION_REFUSED` while guards refuse the plan, `RETENTION_CHANGED` where maintenance came in between,
    `SIGNING_KEY_INVALID`, `COMMIT_LOST`.
    """
    if plan.refused:
        raise errors.RETENTION_REFUSED.error(
            "the plan was not applied",
            where=repository.store.location,
            why=", ".join(each.value for each in plan.refused),
        )
    require_writer(repository, key)
    reason = policy_text(plan.policy)[:LONGEST_REASON]
    drop, fading = plan.decision.drop, plan.fading
    manifests: list[Manifest] = []
    for lineage in sorted({each.lineage for each in (*drop, *fading)}):
        since = plan.heads[lineage]
        for kind, points, promised in ((Expiry, drop, plan.policy.window), (Fade, fading, plan.policy.all_within)):
            own = [each for each in points if each.lineage == lineage]
            if own:
                numbers = tuple(sorted(each.sequence for each in own))
                change = kind(numbers, plan.hash, reason, int(promised.total_seconds()))
                made = commit_change(
                    repository, change, key, lineage=lineage, cluster=own[0].cluster, since=since, now=now
                )
                manifests.append(made)
                since = made.sequence
    return Applied(tuple(each.id for each in drop), tuple(manifests), tuple(each.id for each in fading))


def undelete(
    repository: Repository,
    catalogue: Catalogue,
    points: Sequence[Manifest],
    reason: str,
    key: SigningKey,
    *,
    now: datetime,
) -> Applied:
    """Take the marks of `points` back, and give them their history again where no sweep has let it go.

    Raises `POINT_NOT_EXPIRED` for one that is neither marked nor faded, and what `apply` raises.
    """
    require_writer(repository, key)
    changed = {each.id for each in recallable(catalogue)}
    for each in points:
        if each.id not in changed:
            raise errors.POINT_NOT_EXPIRED.error(f"the point {each.id} is not marked", where=repository.store.location)
    manifests = []
    for lineage in catalogue.lineages:
        own = [each for each in points if each.lineage == lineage.id]
        if own:
            change = Recall(tuple(sorted(each.sequence for each in own)), reason[:LONGEST_REASON])
            manifests.append(
                commit_change(
                    repository, change, key, lineage=lineage.id, cluster=own[0].cluster, since=lineage.last, now=now
                )
            )
    return Applied(tuple(each.id for each in points), tuple(manifests))


def recallable(catalogue: Catalogue) -> tuple[Manifest, ...]:
    """The points that are marked, and those whose history has faded and is still there."""
    bare = {f"{lineage.id}-{sequence}" for lineage in catalogue.lineages for sequence in lineage.standing.bare}
    faded = (each for each in catalogue.points if each.is_state_only and each.id not in bare)
    return (*catalogue.expired, *faded)


def commit_change(
    repository: Repository,
    change: Change,
    key: SigningKey,
    *,
    lineage: str,
    cluster: str,
    since: int,
    now: datetime,
    runs: tuple[RunReference, ...] = (),
    slots: tuple[SlotReference, ...] = (),
    only_after_backups: bool = True,
) -> Manifest:
    """Commit a change of a lineage that was read up to `since`.

    Raises `RETENTION_CHANGED` where something else than backups was committed behind that, or, without `only_after_backups`,
    anything at all.
    """

    def meanwhile(manifest: Manifest) -> None:
        if manifest.kind != BACKUP or not only_after_backups:
            raise OvertakenError(f"`{manifest.where}` of the kind `{manifest.kind}` was committed meanwhile")

    draft = Manifest(
        lineage=lineage,
        sequence=0,
        previous="",
        parent=None,
        kind=kind_of(change),
        cluster=cluster,
        time=now,
        trust=repository.trust.number,
        runs=runs,
        slots=slots,
        sealed=b"",
        change=change,
    )
    try:
        return commit(repository, draft, key, since=since, meanwhile=meanwhile)
    except OvertakenError as problem:
        raise errors.RETENTION_CHANGED.error(
            "the repository changed since it was read", where=repository.store.location, why=str(problem)
        ) from problem


def require_writer(repository: Repository, key: SigningKey) -> None:
    """Raise `SIGNING_KEY_INVALID` unless the repository believes what is signed with `key`."""
    writer = repository.trust.writer(key.public)
    if writer is None or writer.revoked is not None:
        raise errors.SIGNING_KEY_INVALID.error(
            "this host may not write to the repository", where=repository.store.location, why=key.public
        )
