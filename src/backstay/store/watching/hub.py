"""Who watches what. The engine publishes each revision's records here; the server collects what is to be sent.

    synced       has everything up to now; is given each revision as it happens, one batch per revision
    catching up  reads history, at most 1,000 revisions per batch, and is synced once nothing is left
    ended        asked for history that a compaction took

A revision is never split over two batches, nor given twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from backstay.formats.mvcc import KeyValue, Record, RevisionKey
from backstay.store import refusals
from backstay.store.state import StoreState
from backstay.store.watching.audience import Audience
from backstay.store.watching.events import Created, WatchBatch, WatchEvent, WatchSpec
from backstay.store.watching.streams import Watcher, WatchStream
from backstay.values import Revision

REVISIONS_PER_BATCH = 1_000
EMPTY_RANGE = "mvcc: watcher range is empty"
DUPLICATE_ID = "mvcc: duplicate watch ID provided on the WatchStream"

Delivery = tuple[Watcher, WatchBatch]


class WatchHub:
    """All watchers of a store."""

    def __init__(self, state: StoreState) -> None:
        self._state = state
        self._streams: set[WatchStream] = set()
        self._audience = Audience()
        self._behind: dict[Watcher, None] = {}
        self._ready: list[Delivery] = []

    def open_stream(self) -> WatchStream:
        """A stream without watchers."""
        stream = WatchStream()
        self._streams.add(stream)
        return stream

    def close_stream(self, stream: WatchStream) -> None:
        """The client is gone; what was ready for it is dropped."""
        for watch_id in list(stream.watchers):
            self.cancel(stream, watch_id)
        self._streams.discard(stream)

    def create(self, stream: WatchStream, spec: WatchSpec) -> Created:
        """Begin to watch. Permission has been checked; the answer goes out before anything else of this watcher."""
        current = self._state.revision
        within = spec.within
        if within.is_empty:
            return Created(-1, current, EMPTY_RANGE)
        if spec.start_revision < 0:
            return Created(-1, current, refusals.COMPACTED.text)
        if spec.watch_id and spec.watch_id in stream.watchers:
            return Created(-1, current, DUPLICATE_ID)
        watch_id = spec.watch_id or stream.free_id()
        watcher = Watcher(stream, watch_id, spec, within, spec.start_revision or current + 1)
        stream.watchers[watch_id] = watcher
        if watcher.next_revision > current:
            self._audience.add(watcher)
        else:
            self._behind[watcher] = None
        return Created(watch_id, current)

    def cancel(self, stream: WatchStream, watch_id: int) -> bool:
        """End a watcher; False when the stream has none of that id, which gets no answer."""
        watcher = stream.watchers.pop(watch_id, None)
        if watcher is None:
            return False
        self._audience.remove(watcher)
        self._behind.pop(watcher, None)
        self._ready = [each for each in self._ready if each[0] is not watcher]
        return True

    def fall_behind(self, watcher: Watcher, next_revision: int) -> None:
        """The client takes too long: what it has not been sent, from `next_revision` on, is read from history again."""
        self._audience.remove(watcher)
        self._ready = [each for each in self._ready if each[0] is not watcher]
        watcher.next_revision = next_revision
        watcher.backlog.clear()
        self._behind[watcher] = None

    def progress(self, stream: WatchStream) -> Revision | None:
        """The revision up to which every watcher of the stream has been given everything; None: ask again later.

        Whatever `collect` has not handed out yet must go out first.
        """
        if not stream.watchers or not all(map(self._is_caught_up, stream.watchers.values())):
            return None
        return self._state.revision

    def publish(self, records: Sequence[Record]) -> None:
        """The records of one new revision, in order, after the state has them."""
        if not records or not self._audience:
            return
        chosen: dict[Watcher, list[WatchEvent]] = {}
        main = Revision(records[0].revision.main)
        for revision, item in records:
            shown: dict[
                bool, WatchEvent
            ] = {}  # the two ways in which a change is seen: with what was before, and without
            for watcher in self._audience.of(item.key):
                if watcher.next_revision <= main and watcher.wants(item.key, is_deletion=revision.tombstone):
                    previous = watcher.spec.previous
                    if previous not in shown:
                        shown[previous] = self._event(revision, item, previous=previous)
                    chosen.setdefault(watcher, []).append(shown[previous])
        batches: dict[tuple[int, ...], WatchBatch] = {}  # watchers that see the same share one batch
        for watcher, events in chosen.items():
            watcher.is_quiet = False
            watcher.next_revision = main + 1
            same = tuple(map(id, events))
            batch = batches.get(same)
            if batch is None:
                batch = batches[same] = WatchBatch(main, tuple(events))
            self._ready.append((watcher, batch))

    def forget_backlogs(self) -> None:
        """History was dropped from memory: what the watchers that catch up had looked up may be gone."""
        for watcher in self._behind:
            watcher.backlog.clear()

    def collect(self) -> list[Delivery]:
        """What is to be sent now, in order; a watcher that catches up gets one batch each time."""
        ready, self._ready = self._ready, []
        if self._behind:
            for watcher in list(self._behind):
                if not watcher.stream.is_stalled:
                    ready += self._catch_up(watcher)
        return ready

    @property
    def has_more(self) -> bool:
        """Whether `collect` would find something at once."""
        return bool(self._ready) or any(not watcher.stream.is_stalled for watcher in self._behind)

    @property
    def streams(self) -> Collection[WatchStream]:
        """Every open stream."""
        return self._streams

    @property
    def watcher_count(self) -> int:
        """Watchers of all streams."""
        return sum(len(stream.watchers) for stream in self._streams)

    @property
    def slow_count(self) -> int:
        """Watchers that have not been given everything."""
        return len(self._behind)

    def progress_notes(self, stream: WatchStream) -> list[Delivery]:
        """Notes to the watchers of a stream that asked for them, are caught up and had no events since the last round.

        Whatever `collect` has not handed out yet must go out first.
        """
        notes = []
        for watcher in stream.watchers.values():
            if watcher.spec.progress_notify and watcher.is_quiet and self._is_caught_up(watcher):
                notes.append((watcher, WatchBatch(self._state.revision)))
            watcher.is_quiet = True
        return notes

    def _is_caught_up(self, watcher: Watcher) -> bool:
        awaits_future = watcher.spec.start_revision > self._state.revision
        return not watcher.is_ended and watcher not in self._behind and not awaits_future

    def _catch_up(self, watcher: Watcher) -> Iterable[Delivery]:
        current, compacted = self._state.revision, self._state.compact_revision
        if watcher.next_revision < compacted:
            self._behind.pop(watcher)
            watcher.is_ended = True
            watcher.backlog.clear()
            return [(watcher, WatchBatch(Revision(0), (), compacted))]
        if not watcher.backlog:
            watcher.backlog = self._state.index.between(watcher.within, watcher.next_revision, current)
            watcher.backlog.reverse()
            watcher.backlog_end = current
        events = self._read_backlog(watcher)
        if not watcher.backlog:
            watcher.next_revision = watcher.backlog_end + 1
            if watcher.backlog_end == current:
                self._behind.pop(watcher)
                self._audience.add(watcher)
        if not events:
            return ()
        watcher.is_quiet = False
        return [(watcher, WatchBatch(current, tuple(events)))]

    def _read_backlog(self, watcher: Watcher) -> list[WatchEvent]:
        events: list[WatchEvent] = []
        revisions = 0
        backlog = watcher.backlog
        while backlog and revisions < REVISIONS_PER_BATCH:
            main = backlog[-1][0].main
            before = len(events)
            while backlog and backlog[-1][0].main == main:
                revision, key = backlog.pop()
                if watcher.wants(key, is_deletion=revision.tombstone):
                    item = KeyValue(key) if revision.tombstone else self._state.record(revision)
                    events.append(self._event(revision, item, previous=watcher.spec.previous))
            revisions += len(events) > before
            watcher.next_revision = main + 1
        return events

    def _event(self, revision: RevisionKey, item: KeyValue, *, previous: bool) -> WatchEvent:
        main = revision.main
        shown = KeyValue(item.key, mod_revision=main) if revision.tombstone else item
        before = None
        is_creation = not revision.tombstone and item.create_revision == main
        if previous and not is_creation and main - 1 >= self._state.compact_revision:
            before = self._state.read(item.key, Revision(main - 1))
        return WatchEvent(revision.tombstone, shown, before)
