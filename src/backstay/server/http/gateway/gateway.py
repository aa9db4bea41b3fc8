"""The JSON gateway: a request under `/v3/` becomes the same entry of the inbox as its call over gRPC.

POST /v3/kv/range {"key":"YQ=="}            200 {"header":{...}, "kvs":[...], "count":"1"}
                                            400 {"code":3, "message":"etcdserver: key is not provided"}
POST /v3/watch {"create_request":{...}}     200, then a line {"result":{...}} for every message, until one side leaves
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus

from google.protobuf.message import Message

from backstay.server import hot_calls
from backstay.server.http.exchange import JSON, Exchange, Request, Response, TooLarge
from backstay.server.http.gateway import mapping
from backstay.server.http.gateway.json_scan import EndOfInput, Incomplete, JsonError, scan
from backstay.server.http.gateway.mapping import MappingError
from backstay.server.http.gateway.paths import PREFIX, ROUTES, Route
from backstay.server.identity import Identity
from backstay.server.inbox import Inbox
from backstay.server.methods import CLIENT_STREAMS, STREAMS, Op
from backstay.server.outgoing import Outgoing
from backstay.server.statuses import INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNIMPLEMENTED
from backstay.server.traffic import Traffic
from backstay.server.transport import Reply, Status, StreamId, Token

STATUSES = (
    HTTPStatus.OK,
    499,  # the client left: a number that nginx gave it
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.GATEWAY_TIMEOUT,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.CONFLICT,
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.NOT_IMPLEMENTED,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.UNAUTHORIZED,
)
"""The HTTP status of each gRPC code."""

ANSWERED = (*JSON, ("Grpc-Metadata-Content-Type", "application/grpc"))
PIECE_LIMIT = 64 << 10

Deliver = Callable[[Reply], None]


class Gateway:
    """Serves `/v3/`. `limit_bytes` is for one message, as protobuf."""

    def __init__(self, inbox: Inbox, traffic: Traffic, identity: Identity, limit_bytes: int) -> None:
        self._inbox = inbox
        self._traffic = traffic
        self._identity = identity
        self._limit = limit_bytes
        self._body_limit = limit_bytes * 2
        """Base64 takes a third more, and names take some."""

    async def serve(self, exchange: Exchange) -> None:
        """Answer a request whose path begins with `/v3/`."""
        request = exchange.request
        route = ROUTES.get(request.path.removeprefix(PREFIX))
        if route is None:
            exchange.respond(Response(HTTPStatus.NOT_FOUND, JSON, _error((5, "Not Found"))))
        elif request.method != "POST":
            exchange.respond(failure((UNIMPLEMENTED, "Method Not Allowed")))
        elif route.op in STREAMS:
            await self._stream(exchange, route)
        else:
            exchange.respond(await self._answer(exchange, route))

    # --- one answer ---

    async def _answer(self, exchange: Exchange, route: Route) -> Response:
        message = route.request()
        try:
            mapping.decode(await exchange.body(self._body_limit), message)
        except TooLarge:
            return failure((RESOURCE_EXHAUSTED, f"the body is larger than {self._body_limit} bytes"))
        except (JsonError, MappingError) as problem:
            return failure((INVALID_ARGUMENT, str(problem)))
        body = message.SerializeToString()
        if len(body) > self._limit:
            said = f"grpc: received message larger than max ({len(body)} vs. {self._limit})"
            return failure((RESOURCE_EXHAUSTED, said))
        self._traffic.started[route.op] += 1
        reply = await self._ask(exchange, route.op, body)
        if not isinstance(reply, bytes):
            self._traffic.refused(route.op, len(body), reply[0])
            return failure(reply)
        self._traffic.answered(route.op, len(body), len(reply))
        return Response(HTTPStatus.OK, ANSWERED, mapping.encode(route.response.FromString(reply)).encode())

    async def _ask(self, exchange: Exchange, op: Op, body: bytes) -> bytes | Status:
        waiting: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

        def deliver(reply: Reply) -> None:
            if not waiting.done():
                waiting.set_result(reply)

        conn, token = exchange.request.conn, token_of(exchange.request)
        call = None
        hot = hot_calls.decode(op, body, conn, token)
        if hot is not None:
            self._inbox.put(hot, len(body), deliver)
        else:
            call = self._inbox.put_raw(op, conn, token, body, deliver)
        try:
            reply = await waiting
        except asyncio.CancelledError:
            if call is not None:
                self._inbox.abandon(call)
            raise
        return hot_calls.encode_reply(self._identity, reply)

    # --- streams ---

    async def _stream(self, exchange: Exchange, route: Route) -> None:
        conn, token = exchange.request.conn, token_of(exchange.request)
        if route.op in CLIENT_STREAMS:
            await self._converse(exchange, route)
            return
        message = route.request()
        try:
            mapping.decode(await exchange.body(self._body_limit), message)
        except TooLarge:
            exchange.respond(failure((RESOURCE_EXHAUSTED, f"the body is larger than {self._body_limit} bytes")))
            return
        except (JsonError, MappingError) as problem:
            exchange.respond(failure((INVALID_ARGUMENT, str(problem))))
            return
        stream, outgoing = self._inbox.open(route.op, conn, token, message.SerializeToString())
        await self._send(exchange, route, stream, outgoing)

    async def _converse(self, exchange: Exchange, route: Route) -> None:
        """Messages both ways. A first message that cannot be read is answered; etcd 3.7 leaves such a client waiting."""
        reader = _Reader(exchange, route.request, self._body_limit)
        try:
            first = await reader.next()
        except (JsonError, MappingError) as problem:
            exchange.respond(failure((INVALID_ARGUMENT, str(problem))))
            return
        stream, outgoing = self._inbox.open(route.op, exchange.request.conn, token_of(exchange.request), b"")
        reading = asyncio.get_running_loop().create_task(self._read(reader, first, stream, outgoing))
        try:
            await self._send(exchange, route, stream, outgoing)
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading

    async def _read(self, reader: _Reader, first: bytes | None, stream: StreamId, outgoing: Outgoing) -> None:
        message = first
        while message is not None:
            await self._inbox.room()
            await outgoing.room()
            self._inbox.event(Op.MESSAGE, stream, message)
            await asyncio.sleep(0)  # a piece may hold thousands: the answer to this one counts before the next is taken
            try:
                message = await reader.next()
            except (JsonError, MappingError):
                break  # as in etcd: what cannot be read is the end of what the client says
        self._inbox.event(Op.HALF_CLOSE, stream)

    async def _send(self, exchange: Exchange, route: Route, stream: StreamId, outgoing: Outgoing) -> None:
        has_begun = False

        async def write(body: bytes) -> None:
            nonlocal has_begun
            if not has_begun:
                exchange.begin(HTTPStatus.OK, ANSWERED)
                has_begun = True
            line = f'{{"result":{mapping.encode_compact(route.response.FromString(body))}}}\n'
            await exchange.write(line.encode())

        draining = asyncio.get_running_loop().create_task(outgoing.drain(write))
        leaving = asyncio.get_running_loop().create_task(exchange.gone.wait())
        try:
            await asyncio.wait((draining, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not draining.done():
                return
            status = draining.result()
            if status[0] and not has_begun:
                exchange.respond(Response(_http_status(status), JSON, _error_line(status)))
            elif status[0]:
                await exchange.write(_error_line(status))
            elif not has_begun:
                exchange.begin(HTTPStatus.OK, ())
        finally:
            self._inbox.event(Op.CANCEL, stream)
            for task in (draining, leaving):
                task.cancel()


class _Reader:
    """The messages that a client streams, one JSON value after another."""

    def __init__(self, exchange: Exchange, type_: type[Message], limit_bytes: int) -> None:
        self._pieces = exchange.pieces()
        self._type = type_
        self._limit = limit_bytes
        self._buffer = b""

    async def next(self) -> bytes | None:
        """The next message as protobuf; None after the last. Raises `JsonError` or `MappingError`."""
        while True:
            try:
                node, end = scan(self._buffer)
            except (EndOfInput, Incomplete) as problem:
                piece = await anext(self._pieces, None)
                if piece is None:
                    if isinstance(problem, EndOfInput):
                        return None
                    raise
                self._buffer += piece
                if len(self._buffer) > self._limit:
                    raise JsonError("the message is too large") from None
                continue
            message = self._type()
            mapping.fill(self._buffer, node, message)
            self._buffer = self._buffer[end:]
            return message.SerializeToString()


def token_of(request: Request) -> Token:
    """The auth token: `Grpc-Metadata-Token`, else `Authorization`."""
    found = request.headers.get("grpc-metadata-token") or request.headers.get("authorization")
    return found.encode("latin-1") if found else None


def failure(status: Status) -> Response:
    """An answer that is a refusal."""
    return Response(_http_status(status), JSON, _error(status))


def _http_status(status: Status) -> int:
    code = status[0]
    return STATUSES[code] if 0 <= code < len(STATUSES) else HTTPStatus.INTERNAL_SERVER_ERROR


def _error(status: Status) -> bytes:
    return f'{{"code":{status[0]}, "message":{mapping.quoted(status[1])}}}'.encode()


def _error_line(status: Status) -> bytes:
    return f'{{"error":{{"code":{status[0]},"message":{mapping.quoted(status[1])}}}}}\n'.encode()
