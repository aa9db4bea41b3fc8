"""What nobody needs any more of one lineage: points past their grace, runs that no other point rests upon, old manifests.

    going       marked points whose grace is over, neither held nor in use
    fading      points whose history goes, likewise: they stay, and give back their own revision alone
    runs        what only they named, what merged runs replaced long enough ago, and what no manifest ever named (orphans)
    floor       the first manifest that is still needed; the ones below it may be removed

All doubt is for keeping: a point counts with the runs it names and with those that took their place; an age is counted from
the later of the signed time and the storage's; what a revoked writer named stays as evidence. Nothing is removed here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from backstay.blobs.contract import Blob
from backstay.crypto.sealing import ObjectClass
from backstay.repository import names
from backstay.repository.catalogue import Lineage, floor_of
from backstay.repository.changes import Floor
from backstay.repository.manifest import Manifest
from backstay.repository.standing import MergedRow, by_beginning, resolve, without_history

GRACE = timedelta(hours=24)
ORPHAN_AGE = timedelta(hours=96)
"""How long an upload may take, and more."""
MANIFEST_AGE = timedelta(days=7)
FOREIGN_AGE = timedelta(days=30)
"""How old runs must be of a lineage that has no manifest."""
_WORTH_A_FLOOR = 100


@dataclass(frozen=True, slots=True)
class LineageSweep:
    """What may go of a lineage that was read up to number `last`. `waiting` are marked points that stay for now, with why.

    `fading` are points that stay and lose what no sweep has said yet of their history.
    """

    lineage: str
    cluster: str
    last: int
    going: tuple[Manifest, ...]
    runs: tuple[Blob, ...]
    undeclared: tuple[str, ...]
    floor: Floor | None
    is_floor_new: bool
    manifests: tuple[str, ...]
    waiting: tuple[tuple[str, str], ...]
    fading: tuple[Manifest, ...] = ()

    @property
    def needs_commit(self) -> bool:
        """Whether something goes that no sweep has said yet."""
        return bool(self.going or self.undeclared or self.is_floor_new)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What else is known: the store's listings by name, the ids of points that are held or in use, and why others wait.

    `doubted` points are not to go, those with `doubted_history` are not to lose it, whatever marks say.
    """

    now: datetime
    grace: timedelta
    stored: Mapping[str, Blob]
    held: Collection[str]
    pinned: Collection[str]
    doubted: Mapping[str, str] = field(default_factory=dict)
    doubted_history: Collection[str] = ()

    def age(self, manifest: Manifest) -> timedelta:
        """How old a manifest is at least; nothing for one that is not listed."""
        blob = self.stored.get(manifest.where)
        return timedelta(0) if blob is None else self.now - max(manifest.time, blob.modified)


def plan_lineage(lineage: Lineage, around: Circumstances) -> LineageSweep:
    """What may go of `lineage`, which is sound."""
    standing = lineage.standing
    by_number = {each.sequence: each for each in (*lineage.manifests, *lineage.disbelieved)}
    going: list[tuple[Manifest, str]] = []
    waiting: list[tuple[Manifest, str]] = []
    for point in standing.expired:
        why = _why_it_waits(point, standing.marks[point.sequence], around)
        (waiting if why else going).append((point, why))
    staying = (*standing.points, *(point for point, _ in waiting))
    losing = [each for each in staying if each.is_state_only and _may_fade(each, standing.fades[each.sequence], around)]
    needed = _needed(lineage, staying, losing, by_number, around)
    named = {run.name for each in by_number.values() for run in each.runs} | standing.declared
    own = [blob for name, blob in around.stored.items() if name.startswith(f"{names.RUNS}{lineage.id}/")]
    runs = tuple(
        blob
        for blob in own
        if blob.name not in needed and (blob.name in named or around.now - blob.modified >= ORPHAN_AGE)
    )
    undeclared = {blob.name for blob in runs} - standing.declared
    fading = tuple(each for each in losing if undeclared & set(_history(by_number[each.sequence])))
    wanted = {each.sequence for each in staying} | {row.sequence for row in standing.rows if row.run.name in needed}
    # The commit that named a run first says what opens it; without it nobody would notice a slot that is damaged.
    wanted |= set(_first_named(needed, by_number).values())
    before = floor_of(lineage.manifests)
    floor, is_new = _raised(before, min(wanted, default=lineage.last), by_number, around)
    above = 0 if floor is None else floor.sequence
    numbers = ((name, names.manifest_place(name)) for name in around.stored if name.startswith(_manifests(lineage)))
    below = sorted(name for name, place in numbers if place is not None and place[1] < above)
    return LineageSweep(
        lineage.id,
        next((each.cluster for each in reversed(lineage.manifests)), ""),
        lineage.last,
        tuple(point for point, _ in going),
        runs,
        tuple(sorted(undeclared)),
        floor,
        is_new,
        tuple(below),
        tuple((point.id, why) for point, why in waiting),
        fading,
    )


def _manifests(lineage: Lineage) -> str:
    return f"{names.MANIFESTS}{lineage.id}/"


def _why_it_waits(point: Manifest, mark: Manifest, around: Circumstances) -> str:
    if point.id in around.held:
        return "held"
    if point.id in around.pinned:
        return "in use"
    if point.id in around.doubted:
        return around.doubted[point.id]
    if around.age(mark) < around.grace:
        return f"marked at {mark.time:%Y-%m-%d %H:%M}"
    return ""


def _may_fade(point: Manifest, fade: Manifest, around: Circumstances) -> bool:
    """Whether a point that is state-only can lose the runs of its history now."""
    kept = (around.held, around.pinned, around.doubted_history)
    return around.age(fade) >= around.grace and not any(point.id in each for each in kept)


def _first_named(needed: Collection[str], by_number: Mapping[int, Manifest]) -> dict[str, int]:
    """The manifest that brought each of the runs that are needed."""
    found: dict[str, int] = {}
    for sequence in sorted(by_number):
        for run in by_number[sequence].runs:
            if run.name in needed:
                found.setdefault(run.name, sequence)
    return found


def _history(point: Manifest) -> Iterable[str]:
    return (run.name for run in point.of_kind(ObjectClass.HISTORY))


def _needed(
    lineage: Lineage,
    staying: Collection[Manifest],
    losing: Collection[Manifest],
    by_number: Mapping[int, Manifest],
    around: Circumstances,
) -> set[str]:
    """The runs that must stay; of the points that are `losing` their history without it."""
    bare = {each.sequence for each in losing}

    def is_settled(row: MergedRow) -> bool:
        blob = around.stored.get(row.run.name)
        return blob is not None and blob.size == row.run.size and around.age(by_number[row.sequence]) >= around.grace

    settled = by_beginning(row for row in lineage.standing.rows if is_settled(row))
    needed = {run.name for each in lineage.disbelieved for run in each.runs}
    for point in staying:
        raw = by_number[point.sequence].runs
        if point.sequence in bare:
            raw = without_history(by_number[point.sequence]).runs
        needed |= {run.name for run in point.runs} | {run.name for run in resolve(raw, settled)}
        if point.id in around.pinned:
            needed |= {run.name for run in raw}
    return needed


def _raised(
    before: Floor | None, wanted: int, by_number: Mapping[int, Manifest], around: Circumstances
) -> tuple[Floor | None, bool]:
    """The floor at `wanted` or, where manifests are young, below it; and whether it is another one than `before`.

    A commit for a floor alone is worth it only where many manifests go by it, or all that can.
    """
    start = before.sequence if before is not None else min(by_number)
    at = start
    while at < wanted and at + 1 in by_number and around.age(by_number[at]) >= MANIFEST_AGE:
        at += 1
    if at == start or (at < wanted and at - start < _WORTH_A_FLOOR):
        return before, False
    return Floor(at, by_number[at].sha256), True
