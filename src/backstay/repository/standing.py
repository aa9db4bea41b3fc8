"""What the maintenance commits of a lineage say about its points: which stay, which are marked, which are no more.

    1 backup   2 backup   3 backup   4 expiry of 2   5 merge (s2 s3 -> m)   6 sweep of 2, deleting s2 and s3

After 4 the points are 1 and 3, and 2 can be recalled; from 5 on 3 is read through m; after 6 nothing refers to s2 and s3.
The later word counts. A merged run is put in the place of its row wherever the whole row stands in a chain, whichever
of the two manifests came first; a point whose chain holds only a part of it goes on naming what it named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from backstay.repository.changes import Expiry, Merge, Recall, Row, Sweep
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

    `declared` are all runs that some sweep says nobody may refer to.
    """

    points: tuple[Manifest, ...]
    expired: tuple[Manifest, ...]
    marks: Mapping[int, Manifest]
    swept: frozenset[int]
    declared: frozenset[str]
    rows: tuple[MergedRow, ...]


def standing_of(manifests: Sequence[Manifest]) -> Standing:
    """What `manifests`, which follow one another, say."""
    marks: dict[int, Manifest] = {}
    swept: set[int] = set()
    declared: set[str] = set()
    for each in manifests:
        match each.change:
            case Expiry(points):
                marks |= dict.fromkeys(points, each)
            case Recall(points):
                for sequence in points:
                    marks.pop(sequence, None)
            case Sweep(points, deleted):
                swept |= set(points)
                declared |= set(deleted)
    rows = rows_of(manifests)
    backups = [each for each in manifests if each.kind == BACKUP and each.sequence not in swept]
    slots = {run.name: each.slots for each in manifests if isinstance(each.change, Merge) for run in each.runs}
    beginning = by_beginning(rows)
    resolved = [_read_through(each, beginning, slots) for each in backups] if rows else backups
    return Standing(
        tuple(each for each in resolved if each.sequence not in marks),
        tuple(each for each in resolved if each.sequence in marks),
        {sequence: mark for sequence, mark in marks.items() if sequence not in swept},
        frozenset(swept),
        frozenset(declared),
        rows,
    )


def _read_through(
    point: Manifest, beginning: Mapping[str, Sequence[MergedRow]], slots: Mapping[str, tuple[SlotReference, ...]]
) -> Manifest:
    """The point with merged runs, and with the slots that open them beside its own."""
    runs = resolve(point.runs, beginning)
    more = (slot for run in runs for slot in slots.get(run.name, ()))
    return replace(point, runs=runs, slots=tuple(dict.fromkeys((*point.slots, *more))))


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
