"""Watch: many watchers on one stream; and watching for the handler's own services (a Lock waits for keys to go).

What the hub has collected is encoded and sent after every list. A client that does not keep up is stalled: beyond
`SLOW_BYTES` waiting on its stream nothing more is given to it; what it misses is read from history again once it has
drained, so memory stays bounded and nothing is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.formats import mvcc
from backstay.formats.protowire import bytes_field, int_field, varint
from backstay.server.handler.context import MESSAGE_ALLOWANCE, HandlerContext
from backstay.server.transport import Conn, StreamId, Token
from backstay.store.refusals import Refused
from backstay.store.watching import Created, WatchBatch, Watcher, WatchEvent, WatchSpec, WatchStream
from backstay.store.watching.hub import Delivery

SLOW_BYTES = 16 << 20

_NOPUT, _NODELETE = rpc.WatchCreateRequest.NOPUT, rpc.WatchCreateRequest.NODELETE
_FRAGMENT = b"\x38\x01"

Sink = Callable[[WatchBatch], None]
"""Takes what a watcher of the handler's own is given. Must not change the store."""


@dataclass(slots=True)
class _Client:
    """One client's stream. `stream` is its number on the wire, `watched` its watchers."""

    stream: StreamId
    conn: Conn
    token: Token
    watched: WatchStream


class Watching:
    """The method Watch, and the handing out of events to everybody."""

    def __init__(self, context: HandlerContext) -> None:
        self._context = context
        self._hub = context.engine.hub
        self._clients: dict[StreamId, _Client] = {}
        self._of_watched: dict[WatchStream, _Client] = {}
        self._sinks: dict[WatchStream, Sink] = {}
        self._stalled: set[StreamId] = set()
        self._is_going_on = False
        self._fragment_bytes = context.engine.options.max_request_bytes + MESSAGE_ALLOWANCE

    # --- the client's stream ---

    def opened(self, stream: StreamId, conn: Conn, token: Token, body: bytes) -> None:
        client = _Client(stream, conn, token, self._hub.open_stream())
        self._clients[stream] = client
        self._of_watched[client.watched] = client

    def message(self, stream: StreamId, body: bytes) -> None:
        client = self._clients.get(stream)
        if client is None:
            return
        asked = rpc.WatchRequest.FromString(body)
        kind = asked.WhichOneof("request_union")
        if kind == "create_request":
            self._create(client, asked.create_request)
        elif kind == "cancel_request":
            self._cancel(client, asked.cancel_request.watch_id)
        elif kind == "progress_request":
            self._progress(client)

    def half_closed(self, stream: StreamId) -> None:
        """The client asks for nothing more; the server keeps sending."""

    def cancelled(self, stream: StreamId) -> None:
        client = self._clients.pop(stream, None)
        if client is not None:
            self._stalled.discard(stream)
            del self._of_watched[client.watched]
            self._hub.close_stream(client.watched)

    def _create(self, client: _Client, asked: rpc.WatchCreateRequest) -> None:
        filters = set(asked.filters)
        spec = WatchSpec(
            asked.key,
            asked.range_end,
            asked.start_revision,
            asked.watch_id,
            asked.progress_notify,
            wants_puts=_NOPUT not in filters,
            wants_deletes=_NODELETE not in filters,
            previous=asked.prev_kv,
            fragment=asked.fragment,
        )
        try:
            identity = self._context.identify(client.conn, client.token)
        except Refused as refused:
            code, text = refused.refusal
            current = self._context.engine.state.revision
            created = Created(-1, current, f"rpc error: code = {code} desc = {text}")
        else:
            created = self._context.engine.watch(client.watched, spec, identity)
        response = rpc.WatchResponse(
            header=self._context.header(created.revision), watch_id=created.watch_id, created=True
        )
        if created.refusal:
            response.canceled = True
            response.cancel_reason = created.refusal
        self._context.transport.send(client.stream, response.SerializeToString())

    def _cancel(self, client: _Client, watch_id: int) -> None:
        self.hand_out()  # what was collected for it comes before the answer
        if self._hub.cancel(client.watched, watch_id):
            response = rpc.WatchResponse(header=self._context.header(), watch_id=watch_id, canceled=True)
            self._context.transport.send(client.stream, response.SerializeToString())

    def _progress(self, client: _Client) -> None:
        self.hand_out()
        if client.watched.is_stalled:
            return
        revision = self._hub.progress(client.watched)
        if revision is not None:
            response = rpc.WatchResponse(header=self._context.header(revision), watch_id=-1)
            self._context.transport.send(client.stream, response.SerializeToString())

    # --- the handler's own ---

    def watch(self, spec: WatchSpec, sink: Sink) -> WatchStream:
        """Give `sink` every change inside `spec`, until `stop`. Rights are the caller's to check."""
        watched = self._hub.open_stream()
        self._sinks[watched] = sink
        self._hub.create(watched, spec)
        return watched

    def stop(self, watched: WatchStream) -> None:
        """End what `watch` began."""
        self._sinks.pop(watched, None)
        self._hub.close_stream(watched)

    # --- handing out ---

    def hand_out(self) -> None:
        """Send everything that is ready."""
        self._send_all(self._hub.collect())
        if self._hub.has_more and not self._is_going_on:
            self._is_going_on = True
            self._context.post(self._go_on)

    def tick(self) -> None:
        """Send the notes of progress that are due, and look whether slow clients have caught up."""
        self.hand_out()
        self._send_all(self._context.engine.progress_notes())
        for stream in list(self._stalled):
            if self._context.transport.waiting(stream) < SLOW_BYTES // 2:
                self._stalled.discard(stream)
                self._clients[stream].watched.is_stalled = False

    def _go_on(self) -> None:
        self._is_going_on = False
        self.hand_out()

    def _send_all(self, deliveries: Iterable[Delivery]) -> None:
        encoded: dict[tuple[bytes, int, bool, bool], bytes] = {}
        late: set[Watcher] = set()
        for watcher, batch in deliveries:
            client = self._of_watched.get(watcher.stream)
            if client is None:
                sink = self._sinks.get(watcher.stream)
                if sink is not None:
                    sink(batch)
            elif not watcher.stream.is_stalled:
                self._send(client, watcher, batch, encoded)
            elif batch.events and watcher not in late:
                late.add(watcher)
                self._hub.fall_behind(watcher, batch.events[0].item.mod_revision)

    def _send(
        self,
        client: _Client,
        watcher: Watcher,
        batch: WatchBatch,
        encoded: dict[tuple[bytes, int, bool, bool], bytes],
    ) -> None:
        header = self._context.header_bytes(batch.revision)
        start = bytes_field(1, header) + (int_field(2, watcher.watch_id) if watcher.watch_id else b"")
        if batch.compact_revision is not None:
            # The header of this one has no revision.
            waiting = self._context.transport.send(
                client.stream, start + b"\x20\x01" + int_field(5, batch.compact_revision)
            )
        else:
            events = [_event(each, encoded) for each in batch.events]
            waiting = 0
            for part in self._parts(start, events) if watcher.spec.fragment else ((start, *events),):
                waiting = self._context.transport.send(client.stream, b"".join(part))
        if waiting > SLOW_BYTES:
            client.watched.is_stalled = True
            self._stalled.add(client.stream)

    def _parts(self, start: bytes, events: list[bytes]) -> Iterable[tuple[bytes, ...]]:
        """The events in as few messages as stay below the limit; all but the last say that they are fragments."""
        part: list[bytes] = []
        size = len(start)
        for event in events:
            if part and size + len(event) >= self._fragment_bytes:
                yield start, _FRAGMENT, *part
                part, size = [], len(start) + len(_FRAGMENT)
            part.append(event)
            size += len(event)
        yield start, *part


def _event(event: WatchEvent, encoded: dict[tuple[bytes, int, bool, bool], bytes]) -> bytes:
    """Field 11 of a WatchResponse; many watchers see the same event, so it is encoded once."""
    is_deletion, item, previous = event
    name = (item.key, item.mod_revision, is_deletion, previous is None)
    found = encoded.get(name)
    if found is None:
        body = b"\x08\x01" if is_deletion else b""
        body += bytes_field(2, mvcc.encode_key_value(item))
        if previous is not None:
            body += bytes_field(3, mvcc.encode_key_value(previous))
        found = encoded[name] = b"".join((b"\x5a", varint(len(body)), body))
    return found
