"""Batches of events as the messages that carry them. Made anew for each hand-out: what many watchers see is encoded once.

0a HEADER  10 watch_id  [20 01 28 compact_revision: the end]  [38 01: a fragment]  5a EVENT  5a EVENT ...
EVENT      [08 01: a deletion]  12 KEYVALUE  [1a KEYVALUE: what was before]
"""

from __future__ import annotations

from collections.abc import Iterator

from backstay.formats import mvcc
from backstay.formats.protowire import bytes_field, int_field, varint
from backstay.server.handler.context import MESSAGE_ALLOWANCE, HandlerContext
from backstay.store.watching import WatchBatch, Watcher, WatchEvent

_CANCELLED = b"\x20\x01"
_FRAGMENT = b"\x38\x01"


class WatchMessages:
    """The messages of one hand-out."""

    def __init__(self, context: HandlerContext) -> None:
        self._context = context
        self._headers: dict[int, bytes] = {}
        self._events: dict[int, bytes] = {}
        """Encoded events by the identity of their tuple, which lives as long as the hand-out."""
        self._kept: list[tuple[WatchEvent, ...]] = []

    def of(self, watcher: Watcher, batch: WatchBatch) -> Iterator[bytes]:
        """What `watcher` is sent of `batch`: one message, or several where it takes fragments."""
        revision, events, compact_revision = batch
        header = self._headers.get(revision)
        if header is None:
            header = self._headers[revision] = bytes_field(1, self._context.header_bytes(revision))
        start = header + b"\x10" + varint(watcher.watch_id) if watcher.watch_id else header
        if compact_revision is not None:
            yield b"".join((start, _CANCELLED, int_field(5, compact_revision)))
        elif watcher.spec.fragment:
            yield from self._fragments(start, events)
        else:
            yield start + self._encoded(events)

    def _encoded(self, events: tuple[WatchEvent, ...]) -> bytes:
        found = self._events.get(id(events))
        if found is None:
            found = self._events[id(events)] = b"".join(map(_encode, events))
            self._kept.append(events)
        return found

    def _fragments(self, start: bytes, events: tuple[WatchEvent, ...]) -> Iterator[bytes]:
        """The events in as few messages as stay below the limit; all but the last say that they are fragments."""
        limit = self._context.engine.options.max_request_bytes + MESSAGE_ALLOWANCE
        part: list[bytes] = []
        size = len(start)
        for event in map(_encode, events):
            if part and size + len(event) >= limit:
                yield b"".join((start, _FRAGMENT, *part))
                part, size = [], len(start) + len(_FRAGMENT)
            part.append(event)
            size += len(event)
        yield b"".join((start, *part))


def _encode(event: WatchEvent) -> bytes:
    is_deletion, item, previous = event
    body = b"\x08\x01" if is_deletion else b""
    body += bytes_field(2, mvcc.encode_key_value(item))
    if previous is not None:
        body += bytes_field(3, mvcc.encode_key_value(previous))
    return b"".join((b"\x5a", varint(len(body)), body))
