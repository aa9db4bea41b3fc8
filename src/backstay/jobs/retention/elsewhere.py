"""Which points of one repository others hold too: what may go from here because it is safe there.

A copy of a repository has its points under their ids. The repositories that a run serves are each its own, with its own ids; what
makes two points one is that they were made of one reading of the cluster, and that is their time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta

from backstay import errors
from backstay.repository.catalogue import read_catalogue
from backstay.repository.facts import newest_by_point, rank, read_facts
from backstay.repository.manifest import Manifest
from backstay.repository.repository import Repository
from backstay.snapshot.verify import Level

Opened = Callable[[], AbstractContextManager[Repository]]
ENOUGH = str(Level.INTACT)


def held_by(points: Iterable[Manifest], other: Repository) -> frozenset[str]:
    """The ids of `points` that `other` holds, verified there to `intact` or better."""
    verified = newest_by_point(read_facts(other))
    held = [
        each
        for each in read_catalogue(other).require_sound().points
        if each.id in verified and rank(verified[each.id][1].level) >= rank(ENOUGH)
    ]
    ids, readings = {each.id for each in held}, {(each.cluster, each.time) for each in held}
    return frozenset(each.id for each in points if each.id in ids or (each.cluster, each.time) in readings)


def held_elsewhere(points: Sequence[Manifest], others: Iterable[Opened], *, promised: timedelta) -> frozenset[str]:
    """Those of `points` that one of `others` holds, and those older than what is `promised` at all, which nobody needs to hold.

    A place that does not answer holds nothing.
    """
    newest = max((each.time for each in points), default=None)
    found = {each.id for each in points if newest is not None and newest - each.time > promised}
    for opened in others:
        try:
            with opened() as repository:
                found |= held_by(points, repository)
        except errors.BackstayError:
            continue
    return frozenset(found)
