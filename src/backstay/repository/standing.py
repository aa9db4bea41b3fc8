"""What the maintenance commits of a lineage say about its points: which stay, which are marked, which are no more.

    1 backup   2 backup   3 backup   4 expiry of 2   5 merge (s2 s3 -> m)   6 sweep of 2, deleting s2 and s3

After 4 the points are 1 and 3, and 2 can be recalled; from 5 on 3 is read through m; after 6 nothing refers to s2 and s3.
A fade takes the runs of history from points; a sweep that lets one of these runs go makes that final.
The later word counts. A merged run is put in the place of its row wherever the whole row stands in a chain, whichever
of the two manifests came first; a point whose chain holds only a part of it goes on naming what it named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from backstay.crypto.sealing import ObjectClass
from backstay.repository.changes import Expiry, Fade, Merge, Recall, Row, Sweep
from backstay.repository.manifest import BACKUP, Manifest, RunReference, SlotReference


@dataclass(frozen=True, slots=True)
class MergedRow:
    """A row, its run, and the manifest that committed it."""

    row: Row
    run: RunReference
    sequence: int
    time: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """Points with merged runs in the place of what they replace; `marks` is the expiry of each that is `expired`.

    `fades` is the commit that took the history of each that is state-only, `bare` are those of them that cannot have it back.
    `declared` are all runs that some sweep says nobody may refer to.
    """

    points: tuple[Manifest, ...]
    expired: tuple[Manifest, ...]
    marks: Mapping[int, Manifest]
    swept: frozenset[int]
    declared: frozenset[str]
    rows: tuple[MergedRow, ...]
    fades: Mapping[int, Manifest]
    bare: frozenset[int]


def standing_of(manifests: Sequence[Manifest]) -> Standing:
    """What `manifests`, which follow one another, say."""
    marks: dict[int, Manifest] = {}
    swept: set[int] = set()
    declared: dict[str, Manifest] = {}
    fades: dict[int, Manifest] = {}
    for each in manifests:
        match each.change:
            case Expiry(points):
                marks |= dict.fromkeys(points, each)
            case Fade(points):
                fades |= dict.fromkeys(points, each)
            case Recall(points):
                for sequence in points:
                    marks.pop(sequence, None)
                    fades.pop(sequence, None)
            case Sweep(points, deleted):
                swept |= set(points)
                declared = dict.fromkeys(deleted, each) | declared
    rows = rows_of(manifests)
    backups = [each for each in manifests if each.kind == BACKUP and each.sequence not in swept]
    beginning, opened_by = by_beginning(rows), slots_by_run(manifests)
    resolved = [_read_through(each, beginning, opened_by) for each in backups]
    bare = {each.sequence: sweep for each in backups if (sweep := _bared_by(each, declared)) is not None}
    # The fade counts from when it was said, also where a sweep has made it final: an interrupted one is finished at once.
    fades = bare | {each.sequence: fades[each.sequence] for each in backups if each.sequence in fades}
    resolved = [without_history(each) if each.sequence in fades else each for each in resolved]
    return Standing(
        tuple(each for each in resolved if each.sequence not in marks),
        tuple(each for each in resolved if each.sequence in marks),
        {sequence: mark for sequence, mark in marks.items() if sequence not in swept},
        frozenset(swept),
        frozenset(declared),
        rows,
        fades,
        frozenset(bare),
    )


def _bared_by(point: Manifest, declared: Mapping[str, Manifest]) -> Manifest | None:
    """The sweep that let a run of the point's history go."""
    return next((declared[run.name] for run in point.of_kind(ObjectClass.HISTORY) if run.name in declared), None)


def without_history(point: Manifest) -> Manifest:
    """The point as one that is state-only."""
    runs = tuple(run for run in point.runs if run.kind is not ObjectClass.HISTORY)
    return replace(point, runs=runs, is_state_only=True)


def _read_through(
    point: Manifest, beginning: Mapping[str, Sequence[MergedRow]], opened_by: Mapping[str, tuple[SlotReference, ...]]
) -> Manifest:
    """The point with merged runs, and with the slots that open all of its runs beside its own."""
    runs = resolve(point.runs, beginning) if beginning else point.runs
    more = dict.fromkeys(opened_by.get(run.name, ()) for run in runs)
    slots = tuple(dict.fromkeys((*point.slots, *(slot for each in more for slot in each))))
    if runs == point.runs and slots == point.slots:
        return point
    return replace(point, runs=runs, slots=slots)


def slots_by_run(manifests: Iterable[Manifest]) -> Mapping[str, tuple[SlotReference, ...]]:
    """The slots of the epoch that each run is sealed with: those of the commit that named it first."""
    found: dict[str, tuple[SlotReference, ...]] = {}
    for each in manifests:
        for run in each.runs:
            found.setdefault(run.name, each.slots)
    return found


def rows_of(manifests: Iterable[Manifest]) -> tuple[MergedRow, ...]:
    """The rows that were merged, in the order of their commits."""
    return tuple(
        MergedRow(row, run, each.sequence, each.time)
        for each in manifests
        if isinstance(each.change, Merge)
        for row, run in zip(each.change.rows, each.runs, strict=True)
    )


def by_beginning(rows: Iterable[MergedRow]) -> Mapping[str, Sequence[MergedRow]]:
    """Rows by the first run that they replace."""
    found: dict[str, list[MergedRow]] = {}
    for each in rows:
        found.setdefault(each.row.replaces[0], []).append(each)
    return found


def resolve(runs: Sequence[RunReference], beginning: Mapping[str, Sequence[MergedRow]]) -> tuple[RunReference, ...]:
    """`runs` with every whole row in it replaced by its merged run, and rows of merged runs likewise."""
    left, at = list(runs), 0
    while at < len(left):
        for each in beginning.get(left[at].name, ()):
            end = at + len(each.row.replaces)
            if tuple(run.name for run in left[at:end]) == each.row.replaces:
                left[at:end] = [each.run]
                break
        else:
            at += 1
    return tuple(left)
