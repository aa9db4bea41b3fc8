"""A plan of retention: which points of a repository may go, why the others stay, and which objects that would free.

A plan changes nothing. Its hash names what would go, by which policy, from which repository: who reads a plan, and later
says its hash, can be held to exactly what he read. A new backup in between leaves the hash as it was unless it changes
which points or objects may go.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from backstay.blobs.contract import Blob
from backstay.crypto.sealing import ObjectClass
from backstay.policy.retention.decide import Decision, Kept, decide, fading_points, only_oldest
from backstay.policy.retention.guards import LARGEST_SHARE, Guard, Reach, guards_of, refusing
from backstay.policy.retention.points import Point
from backstay.policy.retention.policy import Policy
from backstay.policy.retention.thinning import merges
from backstay.repository import names
from backstay.repository.catalogue import Catalogue
from backstay.repository.changes import Expiry, Fade
from backstay.repository.facts import Fact, newest_by_point, rank
from backstay.repository.manifest import Manifest, PointFacts, RunReference
from backstay.repository.repository import Repository
from backstay.repository.retention.holds import Hold
from backstay.repository.standing import without_history

HEAD_LEVEL = "coherent"
"""What the newest point must have reached before older ones go."""

FADING_TOGETHER = timedelta(days=1)
"""How long the history of points waits in scheduled plans, so that a day of them fades in one commit."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`frees` are the runs that no point needs which stays. `refused` are the guards that nobody allowed.

    `fading` are points that stay and lose their history: they are older than the window in which every revision is kept.

    `links` are state runs that stay only because kept points lie behind them; `merges` runs could take their place. `heads` are
    the newest sequences of the lineages that were looked at.
    """

    repository: str
    policy: Policy
    decision: Decision
    frees: tuple[RunReference, ...]
    links: tuple[RunReference, ...]
    merges: int
    guards: tuple[Guard, ...]
    refused: tuple[Guard, ...]
    heads: Mapping[str, int] = field(default_factory=dict)
    fading: tuple[Point, ...] = ()

    @property
    def freed_bytes(self) -> int:
        """Bytes of all that would be freed."""
        return sum(run.size for run in self.frees)

    @property
    def link_bytes(self) -> int:
        """Bytes of the links."""
        return sum(run.size for run in self.links)

    @property
    def hash(self) -> str:
        """64 hex digits."""
        content = {
            "repository": self.repository,
            "policy": policy_text(self.policy),
            "drop": sorted(each.id for each in self.decision.drop),
            "fade": sorted(each.id for each in self.fading),
            "frees": sorted(run.name for run in self.frees),
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def make_plan(
    repository: Repository,
    catalogue: Catalogue,
    facts: Sequence[Fact],
    holds: Sequence[Hold],
    policy: Policy,
    *,
    now: datetime,
    readable: Callable[[Manifest], PointFacts | None],
    cluster: str = "",
    allowed: Collection[Guard] = (),
    promised: Policy | None = None,
    pinned: Collection[str] = (),
    copied: Collection[str] | None = None,
    head_level: str = HEAD_LEVEL,
    gradual: bool = False,
) -> Plan:
    """The plan at `now`, for all clusters or for one. `readable` gives what a point holds where an identity opens it.

    `promised` is the policy before, by default what the newest expiry and the newest fade say; `pinned` points are in use; `copied`
    are those that another repository holds, None where that is not asked; `head_level` is what the newest point must have reached.
    Where it is `gradual` and nothing else is objected to than how much would go, a fifth of all points goes, the oldest; and
    history fades once there is a day of it, so that not every run has to commit something.

    Raises the first damage of the catalogue: who does not see everything must not say what can go.
    """
    manifests = catalogue.require_sound().points
    stored = {blob.name: blob for blob in repository.store.list(names.MANIFESTS)}
    verified = newest_by_point(facts)
    levels = {name: rank(point.level) for name, (_, point) in verified.items()}
    heads = _two_newest(manifests)
    points = [
        _point(each, stored.get(each.where), levels.get(each.id, -1), readable(each) if each in heads else None)
        for each in manifests
        if cluster in ("", each.cluster)
    ]
    held = {point for hold in holds if hold.is_active(now) for point in hold.points}
    decision = decide(points, now, policy, Kept(held, pinned, copied))
    before = Reach(promised.window, promised.all_within) if promised else promised_before(catalogue, cluster)
    fading = _fading(manifests, decision, copied, FADING_TOGETHER if gradual else timedelta(0), policy)

    def judged(decision: Decision) -> tuple[Guard, ...]:
        promise = Reach(policy.window, policy.all_within)
        return guards_of(decision, now, promise=promise, before=before, verified_enough=rank(head_level), fading=fading)

    guards = judged(decision)
    if gradual and refusing(guards, allowed) == (Guard.MANY_POINTS,):
        decision = only_oldest(decision, int(LARGEST_SHARE * len(decision.points)))
        guards = judged(decision)
    merging = merges(tuple(run.name for run in _chain(each)) for each in _kept(manifests, decision))
    linking = {name for each in merging for name in each}
    links = {run.name: run for each in manifests for run in _chain(each) if run.name in linking}
    return Plan(
        repository.id,
        policy,
        decision,
        _freed(manifests, decision, fading),
        tuple(links[name] for name in sorted(links)),
        len(merging),
        guards,
        refusing(guards, allowed),
        {each.id: each.last for each in catalogue.lineages},
        fading,
    )


def promised_before(catalogue: Catalogue, cluster: str = "") -> Reach:
    """What the policies of the newest expiry and of the newest fade promised; nothing where there never was one."""

    def newest(kind: type[Expiry | Fade]) -> timedelta:
        marks = [
            (each.time, each.change.window)
            for lineage in catalogue.lineages
            for each in lineage.manifests
            if isinstance(each.change, kind) and cluster in ("", each.cluster)
        ]
        return timedelta(seconds=max(marks)[1]) if marks else timedelta(0)

    return Reach(newest(Expiry), newest(Fade))


def policy_text(policy: Policy) -> str:
    """A policy in one line, the same for the same one."""
    return (
        f"rules {','.join(map(str, policy.rules))}; all within {policy.all_within}; points {policy.minimum_points}; "
        f"span {policy.minimum_span}; lineages {policy.lineage_grace}; zone {policy.zone}"
    )


def _point(manifest: Manifest, stored: Blob | None, level: int, facts: PointFacts | None) -> Point:
    return Point(
        manifest.lineage,
        manifest.sequence,
        manifest.cluster,
        manifest.time,
        None if stored is None else stored.modified,
        level,
        None if facts is None else facts.keys,
        "" if manifest.parent is None else manifest.parent.lineage,
    )


def _two_newest(manifests: Sequence[Manifest]) -> list[Manifest]:
    """The last two points of every cluster: only of them the number of keys matters, and each costs an unsealing."""
    clusters: dict[str, list[Manifest]] = {}
    for each in manifests:
        clusters.setdefault(each.cluster, []).append(each)
    return [each for own in clusters.values() for each in own[-2:]]


def _kept(manifests: Sequence[Manifest], decision: Decision) -> tuple[Manifest, ...]:
    """The points that stay, those about which nothing was decided included."""
    gone = {each.id for each in decision.drop}
    return tuple(each for each in manifests if each.id not in gone)


def _chain(manifest: Manifest) -> tuple[RunReference, ...]:
    return manifest.of_kind(ObjectClass.BASE, ObjectClass.STATE, ObjectClass.MERGED)


def _fading(
    manifests: Sequence[Manifest],
    decision: Decision,
    copied: Collection[str] | None,
    together: timedelta,
    policy: Policy,
) -> tuple[Point, ...]:
    """The points whose history is to go; none while the oldest of them is not `together` older than it must be."""
    having = {each.id: each for each in manifests if each.of_kind(ObjectClass.HISTORY)}
    found = [each for each in fading_points(decision) if each.id in having]
    if copied is not None:
        found = [each for each in found if each.id in copied]
    newest = {each.cluster: decision.times[each.id] for each in decision.points}
    waited = {
        each.cluster: newest[each.cluster] - policy.all_within - decision.times[each.id] for each in reversed(found)
    }
    return tuple(each for each in found if waited[each.cluster] >= together)


def _freed(manifests: Sequence[Manifest], decision: Decision, fading: Sequence[Point]) -> tuple[RunReference, ...]:
    bare = {each.id for each in fading}
    kept = (without_history(each) if each.id in bare else each for each in _kept(manifests, decision))
    needed = {run.name for each in kept for run in each.runs}
    freed = {run.name: run for each in manifests for run in each.runs if run.name not in needed}
    return tuple(freed[name] for name in sorted(freed))
