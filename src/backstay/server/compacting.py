"""Automatic compaction, by etcd's rules: which revision to compact at, and when. It only decides; `running` acts.

periodic   keep the history of the last `period`; periods above an hour are compacted hourly; the revision is noted
           ten times in each interval
revision   every five minutes, keep the last `revisions` revisions
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from backstay.values import Revision

HOUR = 3600.0
REVISION_INTERVAL = 300.0
_SAMPLES_PER_INTERVAL = 10


class AutoCompaction(Protocol):
    """One mode."""

    def due(self, now: float, current: Revision) -> Revision | None:
        """The revision to compact at, if it is time. Asked every tick; `now` is seconds of a monotonic clock."""
        ...

    def compacted(self, now: float, at: Revision) -> None:
        """The compaction that was due has happened, or was not needed any more."""
        ...


class PeriodicCompaction:
    """By time; `period` is seconds."""

    def __init__(self, period: float, now: float) -> None:
        self._interval = min(period, HOUR)
        self._pause = self._interval / _SAMPLES_PER_INTERVAL
        self._notes: deque[Revision] = deque(maxlen=int(period / self._pause) + 1)
        self._next_note = now
        self._wait = period  # the first time a whole period must have passed
        self._last_success = now
        self._last_revision = Revision(0)

    def due(self, now: float, current: Revision) -> Revision | None:
        if now < self._next_note:
            return None
        self._next_note = now + self._pause
        oldest = self._notes[0] if self._notes else None
        self._notes.append(current)
        if oldest is None or now - self._last_success < self._wait or oldest == self._last_revision:
            return None
        self._wait = self._interval
        return oldest

    def compacted(self, now: float, at: Revision) -> None:
        self._last_success, self._last_revision = now, at


class RevisionCompaction:
    """By count; `revisions` is how many are kept."""

    def __init__(self, revisions: int, now: float) -> None:
        self._revisions = revisions
        self._next_look = now + REVISION_INTERVAL
        self._last_revision = Revision(0)

    def due(self, now: float, current: Revision) -> Revision | None:
        if now < self._next_look:
            return None
        self._next_look = now + REVISION_INTERVAL
        wanted = Revision(current - self._revisions)
        return wanted if wanted > 0 and wanted != self._last_revision else None

    def compacted(self, now: float, at: Revision) -> None:
        self._last_revision = at
