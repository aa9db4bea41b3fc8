"""Watching: what each watcher is given, in which batches, and how it ends."""

from __future__ import annotations

from backstay.formats.mvcc import KeyValue
from backstay.formats.requests import Compaction, DeleteRange, LeaseGrant, LeaseRevoke, Operation, Put, Txn
from backstay.store import refusals
from backstay.store.engine import Engine
from backstay.store.watching import WatchBatch, WatchSpec
from backstay.values import Revision
from tests.unit.store.engine.engines import HandClock, engine, run

EVERYTHING = WatchSpec(b"\0", b"\0")


def shown(batch: WatchBatch) -> str:
    """A batch in short: `5: +a=1 -b`."""
    events = [f"-{each.item.key.decode()}" if each.is_deletion else _put(each.item) for each in batch.events]
    return f"{batch.revision}: {' '.join(events)}".strip()


def _put(item: KeyValue) -> str:
    return f"+{item.key.decode()}={item.value.decode()}"


def collected(store: Engine) -> list[str]:
    return [shown(batch) for _, batch in store.hub.collect()]


def test_a_live_watcher_gets_one_batch_for_each_revision_in_the_order_of_execution() -> None:
    store = engine()
    stream = store.hub.open_stream()
    assert store.watch(stream, EVERYTHING) == (0, 1, "")
    writes = tuple(Operation(put=Put(key, b"1")) for key in (b"b", b"a"))
    run(store, Put(b"c", b"1"), Txn((), writes), DeleteRange(b"a", b"c"), DeleteRange(b"none"))
    assert collected(store) == ["2: +c=1", "3: +b=1 +a=1", "4: -a -b"]
    assert collected(store) == []


def test_history_comes_in_batches_of_whole_revisions_and_joins_the_present_without_a_gap() -> None:
    store = engine()
    for number in range(1_500):
        store.put(b"key%d" % (number % 3), b"%d" % number)
    stream = store.hub.open_stream()
    store.watch(stream, WatchSpec(b"\0", b"\0", start_revision=2))
    assert store.hub.progress(stream) is None
    ((_, first),) = store.hub.collect()
    store.put(b"late", b"")
    ((_, second),) = store.hub.collect()
    third = store.hub.collect()
    store.put(b"live", b"")
    everything = [*first.events, *second.events, *(event for _, batch in third for event in batch.events)]
    everything += [event for _, batch in store.hub.collect() for event in batch.events]
    assert len(first.events) == 1_000 and first.revision == 1_501 and second.revision == 1_502
    assert [event.item.mod_revision for event in everything] == list(range(2, 1_504))
    assert store.hub.progress(stream) == 1_503


def test_filters_and_previous_values() -> None:
    store = engine()
    stream = store.hub.open_stream()
    store.watch(stream, WatchSpec(b"a", wants_puts=False, previous=True))
    store.watch(stream, WatchSpec(b"a", wants_deletes=False, previous=True))
    run(store, Put(b"a", b"1"), Put(b"a", b"2"), DeleteRange(b"a"))
    seen = [(watcher.watch_id, event.previous and event.previous.value) for watcher, batch in store.hub.collect()
            for event in batch.events]  # fmt: skip
    assert seen == [(1, None), (1, b"1"), (0, b"2")]


def test_a_watcher_of_the_future_waits_and_counts_as_behind() -> None:
    store = engine()
    stream = store.hub.open_stream()
    store.watch(stream, WatchSpec(b"a", start_revision=3))
    run(store, Put(b"a", b"1"))
    assert collected(store) == [] and store.hub.progress(stream) is None
    run(store, Put(b"a", b"2"))
    assert collected(store) == ["3: +a=2"] and store.hub.progress(stream) == 3


def test_what_cannot_be_watched_is_said_in_the_answer() -> None:
    store = engine()
    stream = store.hub.open_stream()
    assert store.watch(stream, WatchSpec(b"b", b"a")).refusal == "mvcc: watcher range is empty"
    assert store.watch(stream, WatchSpec(b"a", start_revision=-1)).refusal == refusals.COMPACTED.text
    assert store.watch(stream, WatchSpec(b"a", watch_id=-4)).watch_id == -4
    assert store.watch(stream, WatchSpec(b"a", watch_id=-4)).watch_id == -1
    assert store.watch(stream, WatchSpec(b"a")).watch_id == 0
    store.hub.cancel(stream, 0)
    assert store.watch(stream, WatchSpec(b"a")).watch_id == 1
    assert not store.hub.cancel(stream, 0)


def test_a_watcher_that_a_compaction_overtakes_ends_and_stops_progress() -> None:
    store = engine()
    run(store, Put(b"a", b"1"), Put(b"a", b"2"), Put(b"a", b"3"), Compaction(3))
    stream = store.hub.open_stream()
    store.watch(stream, WatchSpec(b"a", start_revision=2))
    ((_, batch),) = store.hub.collect()
    assert batch == WatchBatch(Revision(0), (), Revision(3))
    assert store.hub.progress(stream) is None
    assert store.hub.cancel(stream, 0)
    store.watch(stream, WatchSpec(b"a", start_revision=3, previous=True))
    ((_, batch),) = store.hub.collect()
    assert [event.previous and event.previous.value for event in batch.events] == [None, b"2"]


def test_a_slow_client_is_given_the_rest_from_history() -> None:
    store = engine()
    stream = store.hub.open_stream()
    store.watch(stream, EVERYTHING)
    run(store, Put(b"a", b"1"), Put(b"b", b"2"), Put(b"c", b"3"))
    store.hub.fall_behind(stream.watchers[0], 3)
    assert collected(store) == ["4: +b=2 +c=3"]


def test_a_revoked_lease_is_one_batch_of_deletions() -> None:
    store = engine()
    stream = store.hub.open_stream()
    run(store, LeaseGrant(60, 7), Put(b"b", lease=7), Put(b"a", lease=7))
    store.watch(stream, EVERYTHING)
    run(store, LeaseRevoke(7))
    assert collected(store) == ["4: -a -b"]


def test_notes_of_progress_go_to_quiet_watchers_only() -> None:
    clock = HandClock()
    store = engine(clock)
    stream = store.hub.open_stream()
    store.watch(stream, WatchSpec(b"a", progress_notify=True))
    store.watch(stream, WatchSpec(b"b", progress_notify=True))
    store.watch(stream, WatchSpec(b"c"))
    run(store, Put(b"a", b"1"))
    store.hub.collect()
    assert store.progress_notes() == []
    clock.seconds += 660
    assert [(watcher.watch_id, batch.revision) for watcher, batch in store.progress_notes()] == [(1, 2)]
    assert store.progress_notes() == []
    clock.seconds += 660
    assert [watcher.watch_id for watcher, _ in store.progress_notes()] == [0, 1]
