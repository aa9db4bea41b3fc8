"""The sweep: what nobody needs any more is first said in a signed commit, then deleted.

    1  take the lease; read every manifest, hold and pin; list what is there
    2  per lineage: what may go (`closure`); commit it. Whatever was committed meanwhile is read first, and may change it
    3  look for pins once more; delete in batches, the lease checked before each; then manifests below the floor
    4  documents that speak of nothing any more, key slots of epochs that nothing needs (`leftovers`)

Marks are not believed blindly: an agent's key, which anybody who takes its host has, can mark everything, and must not be able to
let the maintainer delete everything. So a sweep that knows the policy takes only what the policy does not want either, and one
that does not know it refuses to take more than a fifth of all points.

Killed anywhere, it has deleted nothing that a point needs, and the next sweep goes on: what was said and is still there goes
first. What the storage keeps under lock stays, is counted, and is no error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from backstay import errors
from backstay.clock import Clock
from backstay.crypto.signing import SigningKey
from backstay.jobs.retention.apply import commit_change, require_writer
from backstay.jobs.retention.closure import FOREIGN_AGE, GRACE, Circumstances, LineageSweep, plan_lineage
from backstay.jobs.retention.leftovers import find_leftovers
from backstay.policy.retention.decide import Decision, Kept, decide, fading_points
from backstay.policy.retention.guards import LARGEST_SHARE
from backstay.policy.retention.points import Point
from backstay.policy.retention.policy import Policy
from backstay.repository import names
from backstay.repository.catalogue import Catalogue, read_catalogue
from backstay.repository.changes import Sweep
from backstay.repository.manifest import Manifest
from backstay.repository.repository import Repository
from backstay.repository.retention.holds import read_holds
from backstay.repository.retention.lease import Lease, maintaining
from backstay.repository.retention.pins import pinned_points, remove_stale_pins
from backstay.telemetry import Progress, SilentProgress

BATCH = 100
_ATTEMPTS = 5
_LOCKED = (errors.BLOB_LOCKED, errors.STORAGE_DENIED)


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """What a sweep would do now. `orphans` are runs of lineages that have no manifest."""

    lineages: tuple[LineageSweep, ...]
    orphans: tuple[str, ...]
    leftovers: tuple[str, ...]
    points: int
    """How many points there are, marked ones too."""

    @property
    def freed_bytes(self) -> int:
        """Bytes of the runs."""
        return sum(blob.size for each in self.lineages for blob in each.runs)


@dataclass(frozen=True, slots=True)
class Swept:
    """What was done. `points` are ids that are no more; `locked` are objects that the storage did not let go."""

    points: tuple[str, ...] = ()
    removed: int = 0
    freed_bytes: int = 0
    locked: tuple[str, ...] = ()
    manifests: int = 0
    """How many old manifests were removed; they are among the `removed`."""


def plan_sweep(
    repository: Repository,
    *,
    now: datetime,
    grace: timedelta = GRACE,
    policy: Policy | None = None,
    cluster: str = "",
) -> SweepPlan:
    """What `sweep` would do. Raises the damage of the catalogue: who does not see everything must not say what can go."""
    catalogue = read_catalogue(repository).require_sound()
    around = _circumstances(repository, now, grace)
    if policy is not None:
        decision = _decision(catalogue, policy, cluster, now, around)
        around = replace(
            around, doubted=_doubted(catalogue, decision), doubted_history=_with_history(catalogue, decision)
        )
    lineages = tuple(plan_lineage(each, around) for each in catalogue.lineages if each.last)
    return SweepPlan(
        lineages,
        tuple(_orphans(catalogue, around)),
        find_leftovers(repository, catalogue, lineages, around.stored, now),
        len(catalogue.points) + len(catalogue.expired),
    )


def sweep(
    repository: Repository,
    key: SigningKey | None,
    *,
    clock: Clock,
    grace: timedelta = GRACE,
    progress: Progress | None = None,
    policy: Policy | None = None,
    cluster: str = "",
    allow_many: bool = False,
) -> Swept:
    """Delete what was marked `grace` ago and what nothing names. No identity is needed.

    With a `policy` only points of `cluster` (empty for all) go, and of them only what the policy would drop too. Without one
    more than a fifth of all points is refused with `RETENTION_REFUSED`, unless that is allowed.
    Without a `key` nothing is decided here: only what earlier sweeps said is deleted, as fits a copy. Raises `LEASE_HELD`,
    `LEASE_LOST`, `SIGNING_KEY_INVALID`, `RETENTION_CHANGED`, and the damage of the catalogue.
    """
    if key is not None:
        require_writer(repository, key)
    watch = progress if progress is not None else SilentProgress()
    with maintaining(repository.store, clock) as lease:
        for attempt in range(1, _ATTEMPTS + 1):
            plan = plan_sweep(repository, now=clock.now(), grace=grace, policy=policy, cluster=cluster)
            if key is None:
                break
            if policy is None and not allow_many:
                _refuse_many(repository, plan)
            try:
                _commit(repository, plan, key, lease, clock)
                break
            except errors.BackstayError as problem:
                if problem.kind is not errors.RETENTION_CHANGED or attempt == _ATTEMPTS:
                    raise
        return _Deleting(repository, lease, clock, watch, only_declared=key is None).run(plan)


def _commit(repository: Repository, plan: SweepPlan, key: SigningKey, lease: Lease, clock: Clock) -> None:
    for each in plan.lineages:
        if each.needs_commit:
            lease.check()
            change = Sweep(tuple(point.sequence for point in each.going), each.undeclared, each.floor)
            commit_change(
                repository,
                change,
                key,
                lineage=each.lineage,
                cluster=each.cluster,
                since=each.last,
                now=clock.now(),
                only_after_backups=False,
            )


class _Deleting:
    """The part behind the commits."""

    def __init__(
        self, repository: Repository, lease: Lease, clock: Clock, progress: Progress, *, only_declared: bool
    ) -> None:
        self._repository, self._lease, self._clock, self._progress = repository, lease, clock, progress
        self._only_declared = only_declared
        self._done = Swept()

    def run(self, plan: SweepPlan) -> Swept:
        spared = self._spared()
        self._progress.begin("deleting", plan.freed_bytes)
        for each in plan.lineages:
            undeclared = set(each.undeclared) if self._only_declared else set()
            runs = [blob for blob in each.runs if blob.name not in spared and blob.name not in undeclared]
            self._delete([(blob.name, blob.size) for blob in runs])
            # Oldest first, and none behind one that stays: what is left is a chain without a gap.
            if not (self._only_declared and each.is_floor_new):
                before = self._done.removed
                self._delete([(name, 0) for name in each.manifests], stop_at_locked=True)
                self._done = replace(self._done, manifests=self._done.manifests + self._done.removed - before)
        if not self._only_declared:
            self._delete([(name, 0) for name in (*plan.orphans, *plan.leftovers)])
            remove_stale_pins(self._repository.store, self._clock.now())
            points = tuple(point.id for each in plan.lineages for point in each.going)
            self._done = replace(self._done, points=points)
        return self._done

    def _spared(self) -> set[str]:
        """The runs of points that somebody began to read between the plan and the commit: the next sweep sees to them."""
        pinned = pinned_points(self._repository.store, self._clock.now())
        if not pinned:
            return set()
        lineages = read_catalogue(self._repository).lineages
        every = [point for lineage in lineages for point in (*lineage.manifests, *lineage.standing.expired)]
        return {run.name for point in every if point.id in pinned for run in point.runs}

    def _delete(self, objects: Sequence[tuple[str, int]], *, stop_at_locked: bool = False) -> None:
        for number, (name, size) in enumerate(objects):
            if number % BATCH == 0:
                self._lease.check()
            try:
                self._repository.store.delete(name)
            except errors.BackstayError as problem:
                if problem.kind not in _LOCKED:
                    raise
                self._done = replace(self._done, locked=(*self._done.locked, name))
                if stop_at_locked:
                    return
                continue
            self._progress.advance(size)
            self._done = replace(self._done, removed=self._done.removed + 1, freed_bytes=self._done.freed_bytes + size)


def _decision(catalogue: Catalogue, policy: Policy, cluster: str, now: datetime, around: Circumstances) -> Decision:
    """What the policy says about all that is there, marked or not."""
    every = sorted((*catalogue.points, *catalogue.expired), key=lambda each: (each.lineage, each.sequence))
    points = [_point(each) for each in every if cluster in ("", each.cluster)]
    return decide(points, now, policy, Kept(pinned=around.pinned))


def _doubted(catalogue: Catalogue, decision: Decision) -> dict[str, str]:
    """Marked points that are not to go, and why: the policy wants them."""
    wanted = decision.reasons
    return {
        each.id: f"the policy keeps it: {wanted[each.id][0]}" if each.id in wanted else "it is of another cluster"
        for each in catalogue.expired
        if wanted.get(each.id, ("",))
    }


def _with_history(catalogue: Catalogue, decision: Decision) -> set[str]:
    """Points whose history is not to go, whatever a fade says: the policy wants it, or was not asked about them."""
    faded = {each.id for each in fading_points(decision)}
    return {each.id for each in (*catalogue.points, *catalogue.expired) if each.id not in faded}


def _point(manifest: Manifest) -> Point:
    parent = "" if manifest.parent is None else manifest.parent.lineage
    return Point(manifest.lineage, manifest.sequence, manifest.cluster, manifest.time, parent=parent)


def _refuse_many(repository: Repository, plan: SweepPlan) -> None:
    going = sum(len(each.going) for each in plan.lineages)
    fading = sum(len(each.fading) for each in plan.lineages)
    if fading > LARGEST_SHARE * plan.points:
        raise errors.RETENTION_REFUSED.error(
            f"{fading} of {plan.points} points would lose their history",
            where=repository.store.location,
            why="more than a fifth at once",
            next_step="look at `backstay retention plan`; say --allow-many if it is right",
        )
    if going > LARGEST_SHARE * plan.points:
        raise errors.RETENTION_REFUSED.error(
            f"{going} of {plan.points} points would be gone for good",
            where=repository.store.location,
            why="more than a fifth at once",
            next_step="look at `backstay list --expired`; say --allow-many if it is right",
        )


def _circumstances(repository: Repository, now: datetime, grace: timedelta) -> Circumstances:
    store = repository.store
    held = {point for hold in read_holds(repository) if hold.is_active(now) for point in hold.points}
    stored = {blob.name: blob for prefix in (names.RUNS, names.MANIFESTS, names.KEYS) for blob in store.list(prefix)}
    return Circumstances(now, grace, stored, held, pinned_points(store, now))


def _orphans(catalogue: Catalogue, around: Circumstances) -> Iterator[str]:
    """Old runs of lineages without a manifest: no commit can say that they go, so they must be very old."""
    known = {each.id for each in catalogue.lineages if each.last}
    for name, blob in around.stored.items():
        if name.startswith(names.RUNS) and around.now - blob.modified >= FOREIGN_AGE:
            parts = name.split("/")
            if len(parts) > 2 and parts[1] not in known:
                yield name
