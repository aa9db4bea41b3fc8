"""Which point is meant by what is written behind `--at`.

    latest                    the newest
    5d1c9f3a77e2b014-12       an id; its beginning is enough where only one fits
    120431                    a revision; needs an identity, for revisions are not public
    2026-11-25T00:10          a time in UTC, as exactly as it is written: all of that minute
    before-delete:KEY         the newest in which the key still exists, where it does not any more

What is not held exactly is refused, and the nearest points are named.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from backstay import errors
from backstay.repository.manifest import Manifest, PointFacts

LATEST = "latest"
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d(\.\d{1,6})?)?)?Z?")
_BEFORE_DELETE = re.compile(r"before-delete[: ](.+)", re.DOTALL)
_ID = re.compile(r"[0-9a-f]{4,16}(-[0-9]+)?")


def choose(
    points: Sequence[Manifest],
    wanted: str,
    facts_of: Callable[[Manifest], PointFacts],
    holds: Callable[[Manifest, bytes], bool],
) -> Manifest:
    """The one point that `wanted` means; `points` are oldest first, `holds` says whether a key exists at a point.

    Raises `POINT_NOT_FOUND`, `USAGE`.
    """
    if not points:
        raise errors.POINT_NOT_FOUND.error(
            "the repository holds no backup", next_step="make one with `backstay backup`"
        )
    if wanted == LATEST:
        return points[-1]
    if found := _BEFORE_DELETE.fullmatch(wanted):
        return _before_delete(points, found[1], holds)
    if found := _TIME.fullmatch(wanted):
        return _at_time(points, wanted, found)
    if wanted.isdecimal() and len(wanted) < 20:
        return _at_revision(points, int(wanted), facts_of)
    if _ID.fullmatch(wanted):
        return _with_id(points, wanted)
    raise errors.USAGE.error(
        f"`{wanted}` is no point", next_step="write `latest`, an id of `backstay list`, a revision, or 2026-11-25T00:10"
    )


def _before_delete(points: Sequence[Manifest], key: str, holds: Callable[[Manifest, bytes], bool]) -> Manifest:
    sought = key.encode("utf-8", "surrogateescape")
    for number, point in enumerate(reversed(points)):
        if holds(point, sought):
            if number == 0:
                raise errors.POINT_NOT_FOUND.error(
                    f"`{key}` was not deleted", why="the newest backup holds it", next_step="use `--at latest`"
                )
            return point
    raise errors.POINT_NOT_FOUND.error(f"no backup holds `{key}`")


def _with_id(points: Sequence[Manifest], wanted: str) -> Manifest:
    lineage, _, number = wanted.partition("-")
    fitting = [each for each in points if each.lineage.startswith(lineage) and number in ("", str(each.sequence))]
    if len({each.lineage for each in fitting}) == 1:
        return fitting[-1]
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


def _at_revision(points: Sequence[Manifest], revision: int, facts_of: Callable[[Manifest], PointFacts]) -> Manifest:
    known = [(facts_of(each).revision, each) for each in points]
    fitting = [each for held, each in known if held == revision]
    if fitting:
        return fitting[-1]
    before = max((pair for pair in known if pair[0] < revision), key=lambda pair: pair[0], default=None)
    after = min((pair for pair in known if pair[0] > revision), key=lambda pair: pair[0], default=None)
    near = [f"{each.id} at revision {held}" for held, each in filter(None, (before, after))]
    raise errors.POINT_NOT_FOUND.error(f"there is no backup of revision {revision}", why=f"nearest: {', '.join(near)}")


def _not_found(what: str, near: Sequence[Manifest]) -> errors.BackstayError:
    nearest = ", ".join(f"{each.id} of {each.time:%Y-%m-%dT%H:%M:%S}Z" for each in near)
    return errors.POINT_NOT_FOUND.error(what, why=f"nearest: {nearest}")
