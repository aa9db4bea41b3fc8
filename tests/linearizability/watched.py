"""Judging what a watcher was given: etcd's guarantees (ordered, unique, reliable, atomic, resumable, bookmarkable)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.linearizability.replay import Event, is_within


class Response(NamedTuple):
    """One response: without events it is progress up to `revision`. `connection` counts the streams made so far."""

    connection: int
    revision: int
    events: tuple[Event, ...] = ()


@dataclass(slots=True)
class Watched:
    """What was asked for, and everything that came, over all connections; each resumed behind what had come."""

    key: bytes
    range_end: bytes
    start_revision: int
    previous: bool = False
    responses: list[Response] = field(default_factory=list)

    @property
    def next_revision(self) -> int:
        """Where to resume."""
        for response in reversed(self.responses):
            if response.events:
                return revision_of(response.events[-1]) + 1
        return self.start_revision

    def expected(self, events: Iterable[Event]) -> list[Event]:
        """Those of `events` that this watcher must see, in the form in which it must see them."""
        chosen = []
        for is_deletion, item, before in events:
            assert isinstance(item[0], bytes)
            if is_within(item[0], self.key, self.range_end):
                chosen.append((is_deletion, item, before if self.previous else None))
        return chosen


def revision_of(event: Event) -> int:
    """The revision that an event belongs to."""
    assert isinstance(event[1][2], int)
    return event[1][2]


def problems_of_watch(watched: Watched, events: Mapping[int, Sequence[Event]], up_to: int) -> list[str]:
    """What is wrong with a watcher that was there until everything up to revision `up_to` must have come."""
    problems = []
    following = watched.start_revision
    for response in watched.responses:
        last = revision_of(response.events[-1]) if response.events else response.revision
        if response.events and last < following:
            problems.append(f"revision {last} came again, or behind {following - 1}: {response}")
            continue
        wanted = watched.expected(each for n in range(following, last + 1) for each in events.get(n, ()))
        if list(response.events) != wanted:
            problems.append(f"between {following} and {last} there is {wanted}, and not: {response}")
        if response.events and response.revision < last:
            problems.append(f"the header is older than the events: {response}")
        following = max(following, last + 1)
    missing = watched.expected(each for n in range(following, up_to + 1) for each in events.get(n, ()))
    if missing:
        problems.append(f"never came, up to {up_to}: {missing}")
    return problems
