"""Watch: many watchers on one stream; and watching for the handler's own services (a Lock waits for keys to go).

What the hub has collected is encoded and sent after every list. A client that does not keep up is stalled: beyond
`SLOW_BYTES` waiting on its stream nothing more is given to it; what it misses is read from history again once it has
drained, so memory stays bounded and nothing is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.server.handler.context import HandlerContext
from backstay.server.handler.watch_messages import WatchMessages
from backstay.server.transport import Conn, StreamId, Token
from backstay.store.refusals import Refused
from backstay.store.watching import Created, WatchBatch, Watcher, WatchSpec, WatchStream
from backstay.store.watching.hub import Delivery

SLOW_BYTES = 16 << 20

_NOPUT, _NODELETE = rpc.WatchCreateRequest.NOPUT, rpc.WatchCreateRequest.NODELETE

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
        messages = WatchMessages(self._context)
        late: set[Watcher] = set()
        for watcher, batch in deliveries:
            client = self._of_watched.get(watcher.stream)
            if client is None:
                sink = self._sinks.get(watcher.stream)
                if sink is not None:
                    sink(batch)
            elif not watcher.stream.is_stalled or batch.compact_revision is not None:
                waiting = 0
                for message in messages.of(watcher, batch):
                    waiting = self._context.transport.send(client.stream, message)
                if waiting > SLOW_BYTES:
                    client.watched.is_stalled = True
                    self._stalled.add(client.stream)
            elif batch.events and watcher not in late:
                late.add(watcher)
                self._hub.fall_behind(watcher, batch.events[0].item.mod_revision)
