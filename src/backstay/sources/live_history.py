"""What a living etcd still remembers of a range: its state at the compact revision, then every change since, by a watch.

    compact revision            now
    |---- range at this one ----|---- events of a watch from the next revision on ----| stop

A watch tells nothing when nothing more happened, so etcd is asked how far it is. It answers only once it has caught up,
and releases before 3.4.31 and 3.5.13 answer too early: two answers in a row are waited for, with no event between them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from backstay.etcd.client import Client
from backstay.etcd.watch import Event, EventType, Watcher
from backstay.formats.mvcc import KeyValue, Record, RevisionKey
from backstay.values import NO_COMPACTION, Revision

_ASK_SECONDS = 0.15
"""Longer than the tenth of a second after which etcd looks again at watches that lag behind."""

_ANSWERS = 2
_PAGE_KEYS = 50


def records(
    client: Client, key: bytes, range_end: bytes, revision: Revision, compact_revision: Revision
) -> Iterator[Record]:
    """The records of the range up to `revision`, in order. `sub` counts within this range, as etcd does not tell it.

    Raises `REVISION_COMPACTED` when a compaction overtakes the reading.
    """
    first = Revision(1) if compact_revision == NO_COMPACTION else Revision(compact_revision + 1)
    if compact_revision != NO_COMPACTION:
        yield from _state(client, key, range_end, compact_revision)
    if first > revision:
        return
    answers = 0
    sub, last = 0, 0
    with (
        client.watch(key, range_end=range_end, start_revision=first, fragment=True) as watcher,
        _asking_how_far(watcher),
    ):
        for batch in watcher:
            if batch.is_progress:
                answers += batch.header.revision >= revision
                if answers == _ANSWERS:
                    return
                continue
            answers = 0
            for event in batch.events:
                main = int(event.item.mod_revision)
                if main > revision:
                    return
                sub, last = (sub + 1, main) if main == last else (0, main)
                yield _record(event, sub)


def follow(
    client: Client, key: bytes, range_end: bytes, after: Revision, seconds: float | None = None
) -> Iterator[Record]:
    """The records of the range behind `after`, as they come; until `seconds` are over, or for ever.

    Raises `REVISION_COMPACTED` when what comes next is compacted already.
    """
    sub, last = 0, 0
    with client.watch(key, range_end=range_end, start_revision=Revision(after + 1), fragment=True) as watcher:
        ending = threading.Timer(seconds, watcher.cancel) if seconds is not None else None
        if ending is not None:
            ending.daemon = True
            ending.start()
        try:
            for batch in watcher:
                for event in batch.events:
                    main = int(event.item.mod_revision)
                    sub, last = (sub + 1, main) if main == last else (0, main)
                    yield _record(event, sub)
        finally:
            if ending is not None:
                ending.cancel()
                ending.join()


def _state(client: Client, key: bytes, range_end: bytes, at: Revision) -> Iterator[Record]:
    """The records that a compaction at `at` has left alive, oldest first: numbers first, each value when its turn comes."""
    found = client.kv.range(key, range_end=range_end, revision=at, keys_only=True).items
    for item in sorted(found, key=lambda each: (each.mod_revision, each.key)):
        whole = client.kv.get(item.key, revision=at)
        if whole is not None:
            value = KeyValue(
                whole.key, whole.create_revision, whole.mod_revision, whole.version, whole.value, whole.lease
            )
            yield Record(RevisionKey(whole.mod_revision, 0), value)


def _record(event: Event, sub: int) -> Record:
    item = event.item
    if event.type is EventType.DELETE:
        return Record(RevisionKey(item.mod_revision, sub, True), KeyValue(item.key))
    value = KeyValue(item.key, item.create_revision, item.mod_revision, item.version, item.value, item.lease)
    return Record(RevisionKey(item.mod_revision, sub), value)


@contextmanager
def _asking_how_far(watcher: Watcher) -> Iterator[None]:
    """Ask etcd again and again how far `watcher` is, until the end of the block."""
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.wait(_ASK_SECONDS):
            watcher.request_progress()

    asking = threading.Thread(target=ask, name="backstay-history", daemon=True)
    asking.start()
    try:
        yield
    finally:
        is_over.set()
        asking.join()
