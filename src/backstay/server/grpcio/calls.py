"""grpcio's handlers: every call becomes an entry of the inbox, and waits for what comes back."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from backstay.server import hot_calls, reflection
from backstay.server.grpcio.connections import STRANGER, Connections
from backstay.server.grpcio.limits import message_limit
from backstay.server.grpcio.options import TransportOptions
from backstay.server.inbox import Inbox
from backstay.server.methods import CLIENT_STREAMS, PATHS, STREAMS, Op
from backstay.server.outgoing import Outgoing
from backstay.server.statuses import CANCELLED, RESOURCE_EXHAUSTED, UNDECODABLE, UNIMPLEMENTED
from backstay.server.traffic import Traffic
from backstay.server.transport import Reply, Status, StreamId, Token
from backstay.telemetry.log import fields

_log = logging.getLogger(__name__)

CODES = {code.value[0]: code for code in grpc.StatusCode}

CANCELLATION_SECONDS = 0.001
"""grpcio ends the messages of a client that has left as if it had said all; the cancellation follows at once."""

Context = Any
"""grpcio's context of a call; its type is not public where it is fast."""


class Calls(grpc.GenericRpcHandler):
    """Finds the handler of a call by its path. One for a whole server; unknown paths are answered as etcd does."""

    def __init__(self, inbox: Inbox, connections: Connections, traffic: Traffic, options: TransportOptions) -> None:
        self._inbox = inbox
        self._traffic = traffic
        self._connections = connections
        self._identity = options.identity
        self._limit = message_limit(options.calls)
        self._is_timed = options.calls.extensive_metrics
        self._slow = options.calls.slow_call_seconds
        self._methods = {path: op for op, path in PATHS.items()}
        self._methods[reflection.PATH_OF_OLD_CLIENTS] = Op.REFLECTION
        self._without_token = {path: self._handler(op, None) for path, op in self._methods.items()}
        self._services = {path.split("/")[1] for path in self._methods}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        path = handler_call_details.method
        token, version = said_in(handler_call_details.invocation_metadata)
        op = self._methods.get(path)
        if op is None:
            return self._unknown(path)
        self._traffic.came(op, version)
        return self._without_token[path] if token is None else self._handler(op, token)

    def _handler(self, op: Op, token: Token) -> grpc.RpcMethodHandler[bytes, bytes]:
        if op is Op.REFLECTION:
            return grpc.stream_stream_rpc_method_handler(_reflect)
        if op in STREAMS:
            return self._stream(op, token)

        async def handle(body: bytes, context: Context) -> bytes:
            return await self._answer(op, body, context, token)

        return grpc.unary_unary_rpc_method_handler(handle)

    # --- one answer ---

    async def _answer(self, op: Op, body: bytes, context: Context, token: Token) -> bytes:
        traffic = self._traffic
        traffic.started[op] += 1
        conn = self._connections.number(context)
        size = len(body)
        if conn is None or size > self._limit:
            return await self._refuse(op, size, context, STRANGER if conn is None else too_large(size, self._limit))
        try:
            hot = hot_calls.decode(op, body, conn, token)
        except DecodeError:
            return await self._refuse(op, size, context, UNDECODABLE)
        begun = time.monotonic()
        waiting: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        call = None
        if hot is not None:
            self._inbox.put(hot, size, _deliver_to(waiting))
        else:
            call = self._inbox.put_raw(op, conn, token, body, _deliver_to(waiting))
        try:
            reply = hot_calls.encode_reply(self._identity, await waiting)
        except asyncio.CancelledError:
            traffic.refused(op, size, CANCELLED)
            if call is not None:
                self._inbox.abandon(call)
            raise
        took = time.monotonic() - begun
        if self._is_timed:
            traffic.took(op, took)
        if took > self._slow:
            spent, answered = f"{took * 1000:.3f}ms", len(reply) if isinstance(reply, bytes) else 0
            about = fields(method=PATHS[op], time_spent=spent, request_size=size, response_size=answered)
            _log.warning("request stats", extra=about)  # etcd's words
        if isinstance(reply, bytes):
            traffic.answered(op, size, len(reply))
            return reply
        return await self._refuse(op, size, context, reply)

    async def _refuse(self, op: Op, size: int, context: Context, status: Status) -> bytes:
        self._traffic.refused(op, size, status[0])
        return await _abort(context, status)

    # --- streams ---

    def _stream(self, op: Op, token: Token) -> grpc.RpcMethodHandler[bytes, bytes]:
        if op in CLIENT_STREAMS:

            async def converse(_: object, context: Context) -> None:
                await self._run(op, b"", context, token, reads=True)

            return grpc.stream_stream_rpc_method_handler(converse)

        async def tell(body: bytes, context: Context) -> None:
            await self._run(op, body, context, token, reads=False)

        return grpc.unary_stream_rpc_method_handler(tell)

    async def _run(self, op: Op, body: bytes, context: Context, token: Token, *, reads: bool) -> None:
        traffic = self._traffic
        traffic.started[op] += 1
        begun = time.monotonic()
        if not reads:
            traffic.received[op] += 1
            traffic.received_bytes += len(body)
        conn = self._connections.number(context)
        status: Status = (CANCELLED, "")
        reading: asyncio.Task[None] | None = None
        if conn is None or len(body) > self._limit:
            status = STRANGER if conn is None else too_large(len(body), self._limit)
            traffic.ended[op, status[0]] += 1
            await _abort(context, status)
            return
        stream, outgoing = self._inbox.open(op, conn, token, body)

        async def write(message: bytes) -> None:
            await context.write(message)
            traffic.sent[op] += 1
            traffic.sent_bytes += len(message)

        try:
            if reads:
                reading = asyncio.create_task(self._read(op, stream, outgoing, context))
            status = await outgoing.drain(write)
        finally:
            traffic.ended[op, status[0]] += 1
            if self._is_timed:
                traffic.took(op, time.monotonic() - begun)
            self._inbox.event(Op.CANCEL, stream)  # for a stream that the handler has finished this is nothing
            if reading is not None:
                reading.cancel()
        if status[0]:
            await _abort(context, status)

    async def _read(self, op: Op, stream: StreamId, outgoing: Outgoing, context: Context) -> None:
        while (body := await context.read()) is not grpc.aio.EOF:
            self._traffic.received[op] += 1
            self._traffic.received_bytes += len(body)
            if len(body) > self._limit:
                outgoing.release_end(too_large(len(body), self._limit))
                return
            await self._inbox.room()
            await outgoing.room()
            self._inbox.event(Op.MESSAGE, stream, body)
        await asyncio.sleep(CANCELLATION_SECONDS)
        self._inbox.event(Op.HALF_CLOSE, stream)

    # --- what is not there ---

    def _unknown(self, path: str) -> grpc.RpcMethodHandler[bytes, bytes]:
        status = unknown(path, self._services)

        async def refuse(_: object, context: Context) -> None:
            await _abort(context, status)

        return grpc.stream_stream_rpc_method_handler(refuse)


async def _reflect(_: object, context: Context) -> None:
    """What there is to call. The store has no part in it."""
    while (request := await context.read()) is not grpc.aio.EOF:
        try:
            answer = reflection.answer(request)
        except DecodeError:
            await _abort(context, UNDECODABLE)
            return
        await context.write(answer)


def said_in(metadata: Any) -> tuple[Token, str]:
    """The auth token among the metadata of a call (`token`, else `authorization`), and the client's version."""
    token: Token = None
    is_final = False
    version = "unknown"
    for key, value in metadata:
        if key == "token" or (key == "authorization" and not is_final):
            token, is_final = value.encode() if isinstance(value, str) else bytes(value), key == "token"
        elif key == "client-api-version":
            version = str(value)
    return token, version


def unknown(path: str, services: set[str]) -> Status:
    """Why there is no method at `path`, in the words of Go's gRPC."""
    service, separator, method = path.removeprefix("/").rpartition("/")
    if not separator:
        return UNIMPLEMENTED, f'malformed method name: "{path}"'
    if service in services:
        return UNIMPLEMENTED, f"unknown method {method} for service {service}"
    return UNIMPLEMENTED, f"unknown service {service}"


def too_large(size: int, limit: int) -> Status:
    """The refusal of a message, in the words of Go's gRPC."""
    return RESOURCE_EXHAUSTED, f"grpc: received message larger than max ({size} vs. {limit})"


async def _abort(context: Context, status: Status) -> bytes:
    code, text = status
    await context.abort(CODES.get(code, grpc.StatusCode.UNKNOWN), text)
    raise AssertionError("abort raises")


def _deliver_to(waiting: asyncio.Future[Reply]) -> Callable[[Reply], None]:
    def deliver(reply: Reply) -> None:
        if not waiting.done():  # or the client has left
            waiting.set_result(reply)

    return deliver
