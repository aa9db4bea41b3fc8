"""Which point is meant by what is written behind `--at`, and which revision of its history.

    latest                    the newest
    before-upgrade            a tag; the newest point that has it
    5d1c9f3a77e2b014-12       an id; its beginning is enough where only one fits
    120431                    a revision: a point's own, or one that the history of a point still holds; needs an identity
    5d1c9f3a@120431           a revision of this point, or of this lineage
    2026-11-25T00:10          a time in UTC, as exactly as it is written: all of that minute
    before-delete:KEY         where the key still exists, although it does not any more: the revision before its deletion
                              where history holds that, else the last point that holds it

What is not held exactly is refused, and the nearest points are named. Where points are of several clusters only an id says
enough: nobody is given another cluster's state because its backup happened to be the newer one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from backstay import errors
from backstay.crypto.sealing import ObjectClass
from backstay.repository.catalogue import facts_of
from backstay.repository.manifest import Manifest, PointFacts, RunReference
from backstay.repository.reading import PointReader
from backstay.repository.records import StoredRecord
from backstay.repository.repository import Repository
from backstay.repository.tags import read_tags

LATEST = "latest"
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d(\.\d{1,6})?)?)?Z?")
_BEFORE_DELETE = re.compile(r"before-delete[: ](.+)", re.DOTALL)
_ID = re.compile(r"[0-9a-f]{4,16}(-[0-9]+)?")
_REVISION_OF = re.compile(r"([0-9a-f]{4,16}(?:-[0-9]+)?)@([0-9]{1,19})")
_OF_ANY = re.compile(rf"{LATEST}|[0-9]{{1,19}}|{_TIME.pattern}|{_BEFORE_DELETE.pattern}", re.DOTALL)
"""What is no tag and no id: anything that says which state, and not whose."""
_SHOWN = 3
_MOST_NAMED = 10


class Chosen(NamedTuple):
    """A point, and the revision of its history that is meant; None for the point as it stands."""

    point: Manifest
    revision: int | None = None


def choose(repository: Repository, points: Sequence[Manifest], wanted: str, *, within_history: bool = True) -> Chosen:
    """What `wanted` means among `points`, which are oldest first; only points themselves unless `within_history`.

    Raises `POINT_NOT_FOUND`, `USAGE`, and `KEY_UNAVAILABLE` where an identity is needed.
    """
    if not points:
        raise errors.POINT_NOT_FOUND.error(
            "the repository holds no backup", next_step="make one with `backstay backup`"
        )
    if found := _REVISION_OF.fullmatch(wanted):
        return _at_revision(repository, _with_id(points, found[1]), int(found[2]), within_history)
    if not _OF_ANY.fullmatch(wanted):
        return _named(repository, points, wanted)
    points = _of_one_cluster(points)
    if wanted == LATEST:
        return Chosen(points[-1])
    if found := _BEFORE_DELETE.fullmatch(wanted):
        return _before_delete(repository, points, found[1], within_history)
    if found := _TIME.fullmatch(wanted):
        return Chosen(_at_time(points, wanted, found))
    return _at_revision(repository, points, int(wanted), within_history)


def choose_point(repository: Repository, points: Sequence[Manifest], wanted: str) -> Manifest:
    """The one point that `wanted` means, where no revision of its history can be meant. Raises as `choose` does."""
    return choose(repository, points, wanted, within_history=False).point


def _named(repository: Repository, points: Sequence[Manifest], wanted: str) -> Chosen:
    """The point that has a tag or an id."""
    tagged = _tagged(repository, points, wanted) if wanted else []
    if tagged:
        return Chosen(_of_one_cluster(tagged)[-1])
    if _ID.fullmatch(wanted):
        return Chosen(_with_id(points, wanted)[-1])
    raise errors.USAGE.error(
        f"`{wanted}` is no point",
        next_step="write `latest`, a tag, an id of `backstay list`, a revision, or 2026-11-25T00:10",
    )


def _of_one_cluster(points: Sequence[Manifest]) -> Sequence[Manifest]:
    """Themselves. Raises `USAGE` where they are of several clusters."""
    clusters = sorted({each.cluster for each in points})
    if len(clusters) > 1:
        raise errors.USAGE.error(
            f"the repository holds backups of {len(clusters)} clusters",
            why=", ".join(clusters[:_MOST_NAMED]),
            next_step="name one with --cluster, or a point by its id",
        )
    return points


def _tagged(repository: Repository, points: Sequence[Manifest], wanted: str) -> list[Manifest]:
    """The points with a tag, oldest first: one that was given later, or one that they were made with."""
    given = {point for tag in read_tags(repository) if tag.text == wanted for point in tag.points}
    return [each for each in points if each.id in given or wanted in _own_tags(repository, each)]


def _own_tags(repository: Repository, point: Manifest) -> Sequence[str]:
    try:
        return facts_of(repository, point).tags
    except errors.BackstayError as problem:
        if problem.kind is not errors.KEY_UNAVAILABLE:
            raise
        return ()


def _before_delete(repository: Repository, points: Sequence[Manifest], key: str, within_history: bool) -> Chosen:
    sought = key.encode("utf-8", "surrogateescape")
    history = _KeyHistory(repository, sought)
    for number, point in enumerate(reversed(points)):
        reader = PointReader(repository, point)
        if history.exists(reader):
            if number == 0:
                raise errors.POINT_NOT_FOUND.error(
                    f"`{key}` was not deleted", why="the newest backup holds it", next_step="use `--at latest`"
                )
            return Chosen(point)
        before = history.last_existed(reader) if within_history else None
        if before is not None:
            own = [each for each in points if each.lineage == point.lineage]
            return _at_revision(repository, own[: own.index(point) + 1], before, within_history)
    raise errors.POINT_NOT_FOUND.error(f"no backup holds `{key}`")


class _KeyHistory:
    """The records of one key, run by run: points share most of their runs, and each is read once."""

    def __init__(self, repository: Repository, key: bytes) -> None:
        self._repository, self._key = repository, key
        self._read: dict[str, _RunRecords] = {}

    def exists(self, point: PointReader) -> bool:
        """Whether the key exists at the point's own revision."""
        records, vanished = self._of(point, point.manifest.of_kind(*_CHAIN))
        return bool(records) and not records[-1].tombstone and records[-1][1:3] not in vanished

    def last_existed(self, point: PointReader) -> int | None:
        """The newest revision at which the point's history still has the key; None where it has none."""
        compact = point.facts.compact_revision
        records, vanished = self._of(point, point.manifest.of_kind(*_CHAIN, ObjectClass.HISTORY))
        for before, record in zip(reversed(records[:-1]), reversed(records[1:]), strict=True):
            existed = not before.tombstone and before[1:3] not in vanished and before.main < record.main
            if record.tombstone and existed and record.main > compact:
                return record.main - 1
        return None

    def _of(self, point: PointReader, runs: Sequence[RunReference]) -> tuple[list[StoredRecord], set[tuple[int, int]]]:
        """The key's records in some runs, oldest first, and what these runs say has vanished."""
        for run in runs:
            if run.name not in self._read:
                reader = point.run(run)
                self._read[run.name] = _RunRecords(tuple(reader.of_key(self._key)), reader.footer.vanished)
        found = [self._read[run.name] for run in runs]
        records = sorted({record[1:3]: record for each in found for record in each.records}.values(), key=_by_revision)
        return records, {gone for each in found for gone in each.vanished}


class _RunRecords(NamedTuple):
    records: tuple[StoredRecord, ...]
    vanished: tuple[tuple[int, int], ...]


def _by_revision(record: StoredRecord) -> tuple[int, int]:
    return record.main, record.sub


_CHAIN = (ObjectClass.BASE, ObjectClass.STATE, ObjectClass.MERGED)


def _with_id(points: Sequence[Manifest], wanted: str) -> list[Manifest]:
    """The points of one lineage that an id, or the beginning of one, means."""
    lineage, _, number = wanted.partition("-")
    fitting = [each for each in points if each.lineage.startswith(lineage) and number in ("", str(each.sequence))]
    if len({each.lineage for each in fitting}) == 1:
        return fitting
    raise _not_found(f"`{wanted}` means several" if fitting else f"no backup is `{wanted}`", (fitting or points)[-3:])


def _at_time(points: Sequence[Manifest], wanted: str, found: re.Match[str]) -> Manifest:
    day, minute, second, fraction = found.groups()
    try:
        begin = datetime.fromisoformat(f"{day}T{minute or '00:00'}{second or ''}").replace(tzinfo=UTC)
    except ValueError as problem:
        raise errors.USAGE.error(f"`{wanted}` is no time", why=str(problem)) from problem
    if fraction:
        width = timedelta(microseconds=10 ** (6 - (len(fraction) - 1)))
    elif second:
        width = timedelta(seconds=1)
    else:
        width = timedelta(minutes=1) if minute else timedelta(days=1)
    fitting = [each for each in points if begin <= each.time < begin + width]
    if fitting:
        return fitting[-1]
    before = [each for each in points if each.time < begin][-1:]
    after = [each for each in points if each.time >= begin][:1]
    raise _not_found(f"there is no backup of {wanted}", [*before, *after])


def _at_revision(repository: Repository, points: Sequence[Manifest], revision: int, within_history: bool) -> Chosen:
    """The point that is of this revision, or the first one whose history holds it."""
    known = [(facts_of(repository, each), each) for each in points]
    histories = _histories(known)
    exact = [each for facts, each in known if facts.revision == revision]
    within = [each for facts, each in known if max(1, facts.compact_revision) <= revision < facts.revision]
    if exact:
        _refuse_several([*within, *exact], revision, histories)
        return Chosen(exact[-1])
    if within and within_history:
        _refuse_several(within, revision, histories)
        return Chosen(within[0], revision)
    held = [(facts.revision, each) for facts, each in known]
    before = max((pair for pair in held if pair[0] < revision), key=lambda pair: pair[0], default=None)
    after = min((pair for pair in held if pair[0] > revision), key=lambda pair: pair[0], default=None)
    near = [f"{each.id} at revision {number}" for number, each in filter(None, (before, after))]
    raise errors.POINT_NOT_FOUND.error(f"there is no backup of revision {revision}", why=f"nearest: {', '.join(near)}")


def _histories(known: Sequence[tuple[PointFacts, Manifest]]) -> Mapping[str, tuple[str, int]]:
    """Which history each point is of, by its id.

    A writer that has lost what it remembers goes on in the newest lineage, also where the cluster was restored meanwhile. What
    follows is another history if its revision is lower, or the same with another state, or the cluster has another id.
    """
    found: dict[str, tuple[str, int]] = {}
    before: dict[str, tuple[PointFacts, int]] = {}
    for facts, each in sorted(known, key=lambda pair: (pair[1].lineage, pair[1].sequence)):
        number = 0
        if each.lineage in before:
            earlier, number = before[each.lineage]
            ids = {facts.source.get("cluster"), earlier.source.get("cluster")} - {None}
            same = facts.revision == earlier.revision and facts.state_digest != earlier.state_digest
            number += facts.revision < earlier.revision or same or len(ids) > 1
        before[each.lineage] = facts, number
        found[each.id] = each.lineage, number
    return found


def _refuse_several(points: Sequence[Manifest], revision: int, histories: Mapping[str, tuple[str, int]]) -> None:
    """Raise `POINT_NOT_FOUND` where two histories have this revision: they may hold different things."""
    last = {histories[each.id]: each for each in points}
    if len(last) > 1:
        several = ", ".join(f"{each.id} of {each.cluster}" for each in list(last.values())[-_SHOWN:])
        raise errors.POINT_NOT_FOUND.error(
            f"revision {revision} means several histories",
            why=several,
            next_step=f"name one, such as {points[-1].id}@{revision}, or a cluster",
        )


def _not_found(what: str, near: Sequence[Manifest]) -> errors.BackstayError:
    nearest = ", ".join(f"{each.id} of {each.time:%Y-%m-%dT%H:%M:%S}Z" for each in near)
    return errors.POINT_NOT_FOUND.error(what, why=f"nearest: {nearest}")
