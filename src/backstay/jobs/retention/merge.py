"""Thinning: where the points between two others went, one merged run takes the place of the state runs that linked them.

    1  the rows: state runs that follow one another, behind whose last only a point ends that stays (`policy.retention.thinning`)
    2  each is merged, put, and read back (`repository.retention.rows`)
    3  the newest and the oldest point that would be read through them are read whole, every digest compared
    4  one commit names all rows; the runs that they replace are the sweep's from then on, after its grace

It needs an identity, for it reads what it merges. Killed before 4 it leaves objects that nobody names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from backstay.clock import Clock
from backstay.crypto.sealing import EpochKey, ObjectClass
from backstay.crypto.signing import SigningKey
from backstay.jobs.retention.apply import commit_change, require_writer
from backstay.policy.retention.thinning import merges
from backstay.repository.catalogue import Lineage, facts_of, read_catalogue
from backstay.repository.changes import Merge, Row
from backstay.repository.commit import put_slots, require_runs
from backstay.repository.manifest import Manifest, RunReference
from backstay.repository.reading import PointReader
from backstay.repository.repository import Entropy, Repository, new_epoch
from backstay.repository.retention.lease import Lease, maintaining
from backstay.repository.retention.rows import RowWriter, merge_row
from backstay.repository.standing import MergedRow, by_beginning, resolve
from backstay.telemetry import Progress

_CHAIN = (ObjectClass.BASE, ObjectClass.STATE, ObjectClass.MERGED)


@dataclass(frozen=True, slots=True)
class Merged:
    """How many rows were merged, of how many runs, and their bytes before and after."""

    rows: int = 0
    replaced: int = 0
    before_bytes: int = 0
    after_bytes: int = 0


@dataclass(frozen=True, slots=True)
class MergePlan:
    """The rows of each lineage."""

    rows: Mapping[str, tuple[tuple[RunReference, ...], ...]]

    @property
    def runs(self) -> tuple[RunReference, ...]:
        """All that would be replaced."""
        return tuple(run for rows in self.rows.values() for row in rows for run in row)


def plan_merge(lineages: Sequence[Lineage], cluster: str = "", largest: int | None = None) -> MergePlan:
    """The rows that can be merged in sound lineages, none of more than `largest` bytes. No identity is needed to say so."""
    found = {}
    for lineage in lineages:
        points = [each for each in lineage.standing.points if cluster in ("", each.cluster)]
        by_name = {run.name: run for point in points for run in point.runs}
        rows = merges(tuple(run.name for run in point.of_kind(*_CHAIN)) for point in points)
        pieces = [piece for row in rows for piece in _pieces([by_name[name] for name in row], largest)]
        if pieces:
            found[lineage.id] = tuple(pieces)
    return MergePlan(found)


def _pieces(row: Sequence[RunReference], largest: int | None) -> Iterator[tuple[RunReference, ...]]:
    """The row, cut where a merged run could be too large for the store."""
    piece: list[RunReference] = []
    for run in row:
        if piece and largest is not None and sum(each.size for each in piece) + run.size > largest:
            if len(piece) > 1:
                yield tuple(piece)
            piece = []
        piece.append(run)
    if len(piece) > 1:
        yield tuple(piece)


def merge(
    repository: Repository,
    key: SigningKey,
    *,
    clock: Clock,
    entropy: Entropy,
    spill: Path,
    progress: Progress,
    cluster: str = "",
    epoch: EpochKey | None = None,
) -> Merged:
    """Merge every row, all of a lineage in one commit. What is written is sealed with `epoch`, or with a new key.

    Raises `LEASE_HELD`, `LEASE_LOST`, `RETENTION_CHANGED`, `KEY_UNAVAILABLE`, `SIGNING_KEY_INVALID`, what reading raises, and
    the damage of the catalogue.
    """
    require_writer(repository, key)
    catalogue = read_catalogue(repository).require_sound()
    largest = repository.store.features().create_limit_bytes
    plan = plan_merge(catalogue.lineages, cluster, largest)
    done = Merged()
    if not plan.rows:
        return done
    with maintaining(repository.store, clock) as lease:
        # What was read before the lease was taken may be old by now.
        catalogue = read_catalogue(repository).require_sound()
        plan = plan_merge(catalogue.lineages, cluster, largest)
        progress.begin("merging", sum(run.size for run in plan.runs))
        writer = RowWriter(
            (epoch or new_epoch(clock.now(), entropy)) if repository.is_sealed else None, clock.now(), entropy, spill
        )
        if writer.epoch is not None:
            repository.hold_key(writer.epoch)
        for lineage in catalogue.lineages:
            if lineage.id in plan.rows:
                step = _merge_lineage(repository, lineage, plan.rows[lineage.id], key, writer, lease, clock, progress)
                done = Merged(
                    done.rows + step.rows,
                    done.replaced + step.replaced,
                    done.before_bytes + step.before_bytes,
                    done.after_bytes + step.after_bytes,
                )
    return done


def _merge_lineage(
    repository: Repository,
    lineage: Lineage,
    rows: Sequence[tuple[RunReference, ...]],
    key: SigningKey,
    writer: RowWriter,
    lease: Lease,
    clock: Clock,
    progress: Progress,
) -> Merged:
    standing = lineage.standing
    every = (*standing.points, *standing.expired)
    compacted: dict[int, int] = {}
    slots = put_slots(repository, writer.epoch) if writer.epoch is not None else ()
    merged: list[MergedRow] = []
    for runs in rows:
        lease.check()
        # Marked points count too: they may be recalled.
        for point in _resting_on(every, runs):
            if point.sequence not in compacted:
                # A point whose history has faded, and is still there, may have it back.
                whole = replace(point, is_state_only=point.sequence in standing.bare)
                compacted[point.sequence] = facts_of(repository, whole).compact_revision
        floor = min(compacted[point.sequence] for point in _resting_on(every, runs))
        run = merge_row(repository, lineage.id, runs, floor, writer)
        merged.append(MergedRow(Row(run.name, tuple(each.name for each in runs)), run, lineage.last + 1, writer.now))
        progress.advance(sum(each.size for each in runs))
    require_runs(repository.store, tuple(each.run for each in merged))
    _require_coherent(repository, standing.points, merged, progress)
    lease.check()
    commit_change(
        repository,
        Merge(tuple(each.row for each in merged)),
        key,
        lineage=lineage.id,
        cluster=lineage.manifests[-1].cluster,
        since=lineage.last,
        now=clock.now(),
        runs=tuple(each.run for each in merged),
        slots=slots,
    )
    before = [run for row in rows for run in row]
    return Merged(len(rows), len(before), sum(run.size for run in before), sum(each.run.size for each in merged))


def _resting_on(points: Sequence[Manifest], runs: Sequence[RunReference]) -> list[Manifest]:
    """The points whose chains hold all of `runs`, in a row."""
    row = MergedRow(Row("", tuple(run.name for run in runs)), runs[0], 0, points[0].time)
    beginning = by_beginning([row])
    return [each for each in points if resolve(each.runs, beginning) != each.runs]


def _require_coherent(
    repository: Repository, points: Sequence[Manifest], merged: Sequence[MergedRow], progress: Progress
) -> None:
    """Read the newest and the oldest point that rest on merged rows, to their last record. Raises `POINT_UNPROVEN`."""
    beginning = by_beginning(merged)
    resolved = [replace(each, runs=resolve(each.runs, beginning)) for each in points]
    changed = [after for before, after in zip(points, resolved, strict=True) if before.runs != after.runs]
    progress.begin("proving", None)
    for point in {each.sequence: each for each in (*changed[:1], *changed[-1:])}.values():
        reader = PointReader(repository, point)
        for records in (reader.everything(), reader.state()):
            for _ in records:
                pass
