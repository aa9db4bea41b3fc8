"""One client's stream of watchers: ids, and where each watcher stands."""

from __future__ import annotations

from dataclasses import dataclass, field

from backstay.formats.mvcc import RevisionKey
from backstay.store.ranges import KeyRange
from backstay.store.watching.events import WatchSpec


@dataclass(slots=True, eq=False)
class Watcher:
    """One watcher. `next_revision` is the lowest that it has not been given."""

    stream: WatchStream
    watch_id: int
    spec: WatchSpec
    within: KeyRange
    next_revision: int
    is_ended: bool = False
    """Overtaken by a compaction; the id stays taken until the client gives it up."""
    is_quiet: bool = True
    """No events since the last round of progress notes."""
    backlog: list[tuple[RevisionKey, bytes]] = field(default_factory=list)
    """History still to be delivered, newest first so that it can be popped."""
    backlog_end: int = 0
    """The revision up to which `backlog` reaches."""

    def wants(self, key: bytes, *, is_deletion: bool) -> bool:
        """Whether a change of `key` belongs to this watcher."""
        start, end = self.within
        inside = start <= key and (end is None or key < end)
        return inside and (self.spec.wants_deletes if is_deletion else self.spec.wants_puts)


@dataclass(slots=True, eq=False)
class WatchStream:
    """The watchers of one stream by id. Ids count up from 0 and are not used again."""

    watchers: dict[int, Watcher] = field(default_factory=dict)
    next_id: int = 0
    is_stalled: bool = False
    """Its client is too slow: nothing is read from history for it until the server says that it has caught up."""
    next_notes: float = 0.0
    """When the next round of progress notes is due, on the engine's clock."""

    def free_id(self) -> int:
        """The next number that is not in use."""
        while self.next_id in self.watchers:
            self.next_id += 1
        self.next_id += 1
        return self.next_id - 1
