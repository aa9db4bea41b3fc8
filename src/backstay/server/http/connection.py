"""A connection of HTTP/1.1: bytes to requests and answers to bytes, one exchange after another.

h11 knows the protocol (framing, pipelining, what may follow what); this knows the socket, the limits and the clock. It must
not know what is served. A client that sends half a request's head has `HEAD_SECONDS` for the rest; what it sends ahead while
an answer is made stays in the socket.
"""

from __future__ import annotations

import asyncio
import http.client
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import parse_qs, unquote

import h11

from backstay.server.http.exchange import TEXT, Exchange, Headers, Request, Response, TooLarge
from backstay.server.transport import Conn

HEAD_LIMIT_BYTES = 64 << 10
HEAD_SECONDS = 10.0
IDLE_SECONDS = 300.0
AHEAD_BYTES = 64 << 10
"""So much of a body may wait for whoever reads it before the socket is not read any more."""
PARAMETERS = 64

Serve = Callable[[Exchange], Awaitable[None]]

_log = logging.getLogger(__name__)


class HttpConnection(asyncio.Protocol):
    """Serves `serve`'s answers on one connection."""

    def __init__(self, serve: Serve, conn: Conn) -> None:
        self._serve = serve
        self._conn = conn
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT_BYTES)
        self._transport: asyncio.Transport | None = None
        self._current: _Exchange | None = None
        self._task: asyncio.Task[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._head_has_begun = True
        """Once for a head, not again with every piece of it: a client that trickles has no more time."""
        self._is_paused = False
        self._drained: asyncio.Event = asyncio.Event()
        self._drained.set()

    # --- the socket ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._expect(HEAD_SECONDS)

    def data_received(self, data: bytes) -> None:
        try:
            self._h11.receive_data(data)
        except h11.RemoteProtocolError as problem:  # data after the end of all data
            self._refuse(problem)
            return
        self._advance()

    def eof_received(self) -> bool:
        exchange = self._current
        if exchange is None:
            return False
        try:
            self._h11.receive_data(b"")
        except h11.RemoteProtocolError:
            return False
        self._advance()
        exchange.left()  # an answer without end has nobody to go to; a short one is still waited for
        return self._current is exchange

    def connection_lost(self, problem: Exception | None) -> None:
        self._expect(None)
        self._drained.set()
        if self._current is not None:
            self._current.left()
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._drained.clear()

    def resume_writing(self) -> None:
        self._drained.set()

    # --- requests ---

    def _advance(self) -> None:
        """Take what h11 has, as far as it is wanted."""
        while True:
            if self._current is not None and self._current.is_full:
                self._pause(True)
                return
            try:
                event = self._h11.next_event()
            except h11.RemoteProtocolError as problem:
                self._refuse(problem)
                return
            if event is h11.NEED_DATA:
                self._pause(False)
                if self._current is None and not self._head_has_begun:
                    self._head_has_begun = bool(self._h11.trailing_data[0])
                    self._expect(HEAD_SECONDS if self._head_has_begun else IDLE_SECONDS)
                return
            if event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                self._pause(self._current is not None and event is h11.PAUSED)
                if isinstance(event, h11.ConnectionClosed) and self._current is None:
                    self._close()
                return
            if isinstance(event, h11.Request):
                self._begin(event)
            elif isinstance(event, h11.Data) and self._current is not None:
                self._current.feed(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage) and self._current is not None:
                self._current.fed()

    def _begin(self, event: h11.Request) -> None:
        self._expect(None)
        self._head_has_begun = False
        try:
            request = _request(event, self._conn)
        except ValueError as problem:
            self._refuse(h11.RemoteProtocolError(str(problem)))
            return
        self._current = _Exchange(self, request)
        self._task = asyncio.get_running_loop().create_task(self._answer(self._current))

    async def _answer(self, exchange: _Exchange) -> None:
        try:
            await self._serve(exchange)
            if self._h11.our_state is h11.SEND_BODY:
                exchange.end()
        except asyncio.CancelledError:
            raise
        except Exception:
            _log.exception("an answer over HTTP failed: %s %s", exchange.request.method, exchange.request.path)
            if self._h11.our_state is h11.SEND_RESPONSE:
                body = b"Internal Server Error\n"
                exchange.respond(Response(HTTPStatus.INTERNAL_SERVER_ERROR, TEXT, body))
        finally:
            self._current = self._task = None
        self._next()

    def _next(self) -> None:
        """After an answer: the next request of the connection, or its end."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.SEND_BODY:
            self._discard_rest()
            return
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            try:
                self._h11.start_next_cycle()
            except h11.LocalProtocolError:
                self._close()
                return
            self._advance()
            return
        self._close()

    def _discard_rest(self) -> None:
        """A body that nobody wanted: read on when it is here already, else end the connection."""
        while self._h11.their_state is h11.SEND_BODY:
            try:
                event = self._h11.next_event()
            except h11.RemoteProtocolError:
                break
            if event is h11.NEED_DATA or event is h11.PAUSED:
                break
        if self._h11.their_state is h11.DONE:
            self._next()
        else:
            self._close()

    def _refuse(self, problem: h11.RemoteProtocolError) -> None:
        """Not HTTP, or too much of it: say so where that is still possible, and end the connection."""
        if self._h11.our_state in (h11.IDLE, h11.SEND_RESPONSE) and self._current is None:
            status = HTTPStatus(problem.error_status_hint)
            body = f"{status.value} {status.phrase}".encode()
            self.send(
                h11.Response(status_code=status, headers=_headers(TEXT, len(body), close=True), reason=status.phrase)
            )
            self.send(h11.Data(data=body))
            self.send(h11.EndOfMessage())
        self._close()

    def send(self, *events: h11.Event) -> None:
        """Put events of h11 on the wire, in one piece."""
        if self._transport is None or self._transport.is_closing():
            return
        data = b"".join(self._h11.send(event) or b"" for event in events)
        if data:
            self._transport.write(data)

    async def drained(self) -> None:
        """Return when the client has taken most of what was sent."""
        await self._drained.wait()

    def wanted(self) -> None:
        """The exchange has taken what there was of the body."""
        if self._is_paused:
            self._advance()

    def _pause(self, paused: bool) -> None:
        if self._transport is not None and paused is not self._is_paused and not self._transport.is_closing():
            (self._transport.pause_reading if paused else self._transport.resume_reading)()
            self._is_paused = paused

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _expect(self, seconds: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if seconds is not None:
            self._deadline = asyncio.get_running_loop().call_later(seconds, self._close)


class _Exchange:
    """See `Exchange`."""

    def __init__(self, connection: HttpConnection, request: Request) -> None:
        self.request = request
        self.gone = asyncio.Event()
        self._connection = connection
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._is_complete = False
        self._arrived = asyncio.Event()

    @property
    def is_full(self) -> bool:
        """Whether as much of the body waits as may."""
        return self._size >= AHEAD_BYTES

    def feed(self, data: bytes) -> None:
        """A piece of the body has arrived."""
        self._pieces.append(data)
        self._size += len(data)
        self._arrived.set()

    def fed(self) -> None:
        """The body is complete."""
        self._is_complete = True
        self._arrived.set()

    def left(self) -> None:
        """The client has gone."""
        self.gone.set()
        self._arrived.set()

    async def pieces(self) -> AsyncIterator[bytes]:
        while True:
            while self._pieces:
                piece = self._pieces.popleft()
                self._size -= len(piece)
                self._connection.wanted()
                yield piece
            if self._is_complete or self.gone.is_set():
                return
            self._arrived.clear()
            await self._arrived.wait()

    async def body(self, limit_bytes: int) -> bytes:
        found: list[bytes] = []
        size = 0
        async for piece in self.pieces():
            size += len(piece)
            if size > limit_bytes:
                raise TooLarge
            found.append(piece)
        return b"".join(found)

    def respond(self, response: Response) -> None:
        headers = _headers(response.headers, len(response.body))
        status = response.status
        head = h11.Response(status_code=status, headers=headers, reason=_phrase(status))
        has_body = response.body and self.request.method != "HEAD"
        body = (h11.Data(data=response.body),) if has_body else ()
        self._connection.send(head, *body, h11.EndOfMessage())

    def begin(self, status: int, headers: Headers) -> None:
        self._connection.send(h11.Response(status_code=status, headers=_headers(headers, None), reason=_phrase(status)))

    async def write(self, data: bytes) -> None:
        await self._connection.drained()
        self._connection.send(h11.Data(data=data))

    def end(self) -> None:
        self._connection.send(h11.EndOfMessage())


def _request(event: h11.Request, conn: Conn) -> Request:
    target = event.target.decode("ascii")
    path, _, query = target.partition("?")
    if path.startswith(("http://", "https://")):
        path = "/" + path.split("://", 1)[1].partition("/")[2]
    return Request(
        event.method.decode("ascii"),
        unquote(path),
        parse_qs(query, keep_blank_values=True, max_num_fields=PARAMETERS),
        {name.decode("ascii"): value.decode("latin-1") for name, value in event.headers},
        conn,
    )


def _phrase(status: int) -> str:
    return http.client.responses.get(status, f"status code {status}")


def _headers(headers: Headers, length: int | None, *, close: bool = False) -> list[tuple[str, str]]:
    found = [*headers, ("Date", formatdate(usegmt=True))]
    if length is not None:
        found.append(("Content-Length", str(length)))
    if close:
        found.append(("Connection", "close"))
    return found
