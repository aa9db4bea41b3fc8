"""grpcio's handlers: every call becomes an entry of the inbox, and waits for what comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import grpc
from google.protobuf.message import DecodeError

from backstay.server import hot_calls
from backstay.server.grpcio.connections import STRANGER, Connections
from backstay.server.grpcio.limits import message_limit
from backstay.server.grpcio.options import TransportOptions
from backstay.server.inbox import Inbox
from backstay.server.methods import CLIENT_STREAMS, PATHS, STREAMS, Op
from backstay.server.statuses import INTERNAL, RESOURCE_EXHAUSTED, UNIMPLEMENTED
from backstay.server.transport import Reply, Status, Token

CODES = {code.value[0]: code for code in grpc.StatusCode}

Context = Any
"""grpcio's context of a call; its type is not public where it is fast."""


class Calls(grpc.GenericRpcHandler):
    """Finds the handler of a call by its path. One for a whole server; unknown paths are answered as etcd does."""

    def __init__(self, inbox: Inbox, connections: Connections, options: TransportOptions) -> None:
        self._inbox = inbox
        self._connections = connections
        self._identity = options.identity
        self._limit = message_limit(options)
        self._methods = {path: op for op, path in PATHS.items()}
        self._without_token = {path: self._handler(op, None) for path, op in self._methods.items()}
        self._services = {path.split("/")[1] for path in self._methods}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        path = handler_call_details.method
        token = token_of(handler_call_details.invocation_metadata)
        if token is None:
            handler = self._without_token.get(path)
            if handler is not None:
                return handler
        op = self._methods.get(path)
        return self._unknown(path) if op is None else self._handler(op, token)

    def _handler(self, op: Op, token: Token) -> grpc.RpcMethodHandler[bytes, bytes]:
        if op in STREAMS:
            return self._stream(op, token)

        if op is Op.RANGE:

            async def handle(body: bytes, context: Context) -> bytes:
                return await self._range(body, context, token)

        elif op is Op.PUT:

            async def handle(body: bytes, context: Context) -> bytes:
                return await self._put(body, context, token)

        else:

            async def handle(body: bytes, context: Context) -> bytes:
                return await self._raw(op, body, context, token)

        return grpc.unary_unary_rpc_method_handler(handle)

    # --- one answer ---

    async def _range(self, body: bytes, context: Context, token: Token) -> bytes:
        conn = self._connections.number(context)
        if conn is None or len(body) > self._limit:
            return await self._refuse(body, context)
        try:
            call = hot_calls.decode_range(body, conn, token)
        except DecodeError as problem:
            return await _abort(context, not_decoded(problem))
        if call is None:
            return await self._raw(Op.RANGE, body, context, token)
        waiting: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._inbox.put(call, len(body), _deliver_to(waiting))
        reply = await waiting
        if type(reply) is bytes:
            return reply
        if type(reply) is tuple and len(reply) == hot_calls.RANGE_REPLY_LENGTH:
            return hot_calls.encode_range(self._identity, cast(hot_calls.RangeReply, reply))
        return await _abort(context, _as_status(reply))

    async def _put(self, body: bytes, context: Context, token: Token) -> bytes:
        conn = self._connections.number(context)
        if conn is None or len(body) > self._limit:
            return await self._refuse(body, context)
        try:
            call = hot_calls.decode_put(body, conn, token)
        except DecodeError as problem:
            return await _abort(context, not_decoded(problem))
        waiting: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._inbox.put(call, len(body), _deliver_to(waiting))
        reply = await waiting
        if type(reply) is int:
            return hot_calls.encode_put(self._identity, reply)
        if type(reply) is bytes:
            return reply
        return await _abort(context, _as_status(reply))

    async def _raw(self, op: Op, body: bytes, context: Context, token: Token) -> bytes:
        conn = self._connections.number(context)
        if conn is None or len(body) > self._limit:
            return await self._refuse(body, context)
        waiting: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        call = self._inbox.put_raw(op, conn, token, body, _deliver_to(waiting))
        try:
            reply = await waiting
        except asyncio.CancelledError:
            self._inbox.abandon(call)
            raise
        if type(reply) is bytes:
            return reply
        return await _abort(context, _as_status(reply))

    async def _refuse(self, body: bytes, context: Context) -> bytes:
        status = too_large(len(body), self._limit) if len(body) > self._limit else STRANGER
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
        conn = self._connections.number(context)
        if conn is None or len(body) > self._limit:
            await self._refuse(body, context)
            return
        stream, outgoing = self._inbox.open(op, conn, token, body)
        reading: asyncio.Task[None] | None = None
        try:
            if reads:
                reading = asyncio.create_task(self._read(stream, outgoing, context))
            status = await outgoing.drain(context.write)
        finally:
            self._inbox.event(Op.CANCEL, stream)  # for a stream that the handler has finished this is nothing
            if reading is not None:
                reading.cancel()
        if status[0]:
            await _abort(context, status)

    async def _read(self, stream: Any, outgoing: Any, context: Context) -> None:
        while (body := await context.read()) is not grpc.aio.EOF:
            if len(body) > self._limit:
                outgoing.release_end(too_large(len(body), self._limit))
                return
            await self._inbox.room()
            self._inbox.event(Op.MESSAGE, stream, body)
        self._inbox.event(Op.HALF_CLOSE, stream)

    # --- what is not there ---

    def _unknown(self, path: str) -> grpc.RpcMethodHandler[bytes, bytes]:
        status = unknown(path, self._services)

        async def refuse(_: object, context: Context) -> None:
            await _abort(context, status)

        return grpc.stream_stream_rpc_method_handler(refuse)


def token_of(metadata: Any) -> Token:
    """The auth token among the metadata of a call: `token`, else `authorization`."""
    found = None
    for key, value in metadata:
        if key == "token":
            return value.encode() if isinstance(value, str) else bytes(value)
        if key == "authorization" and found is None:
            found = value.encode() if isinstance(value, str) else bytes(value)
    return found


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


def not_decoded(problem: Exception) -> Status:
    """The refusal of bytes that are no message of the expected type."""
    return INTERNAL, f"grpc: error unmarshalling request: {problem}"


async def _abort(context: Context, status: Status) -> bytes:
    code, text = status
    await context.abort(CODES.get(code, grpc.StatusCode.UNKNOWN), text)
    raise AssertionError("abort raises")


def _as_status(reply: Reply) -> Status:
    if isinstance(reply, tuple) and len(reply) == 2:
        return reply
    return INTERNAL, "backstay: the answer is of a kind that the method does not have"


def _deliver_to(waiting: asyncio.Future[Reply]) -> Callable[[Reply], None]:
    def deliver(reply: Reply) -> None:
        if not waiting.done():  # or the client has left
            waiting.set_result(reply)

    return deliver
