"""One asynchronous call to etcd, by the rules of `transport/calls.py`: which endpoint, which token, how often, which error.

Called by the services beside it. Reading certificate files and finding out why a connection failed block, so they run on
a thread.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

import grpc
import grpc.aio
from google.protobuf.message import Message

from backstay import errors
from backstay.clock import Clock, SystemClock
from backstay.etcd import methods
from backstay.etcd.connection import ConnectionOptions, Endpoint
from backstay.etcd.methods import Kind, Method
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.etcd.transport import channel, diagnosis, failures
from backstay.etcd.transport.calls import PASSED_OVER, metadata_of, together

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response")


@dataclass(slots=True)
class AsyncLink:
    """The channel to one endpoint, and whether it ever carried an answer."""

    endpoint: Endpoint
    channel: grpc.aio.Channel
    is_connected: bool = False
    was_connected: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class AsyncStream(Generic[Request, Response]):
    """A running call with a stream of answers. `read` may be abandoned by its waiter and taken up again."""

    def __init__(self, link: AsyncLink, call: grpc.aio.StreamStreamCall[Request, Response], token: str) -> None:
        self.link = link
        self.token = token
        self._call = call
        self._reading: asyncio.Future[Response | None] | None = None

    async def write(self, request: Request) -> None:
        """Send a request. A stream that is over says so when it is read, not here."""
        try:
            await self._call.write(request)
        except (grpc.RpcError, asyncio.InvalidStateError):
            return

    async def read(self) -> Response | None:
        """The next answer, None at the end; failures come out as `grpc.RpcError`.

        gRPC ends a call whose reader is cancelled; the read is shielded, so that a time limit around it loses nothing.
        """
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._read())
        reading = self._reading
        try:
            return await asyncio.shield(reading)
        finally:
            if reading.done():
                self._reading = None

    async def _read(self) -> Response | None:
        response = await self._call.read()
        return None if response is grpc.aio.EOF else cast(Response, response)

    def cancel(self) -> None:
        """End the call; a reader that waits gets `asyncio.CancelledError`."""
        self._call.cancel()
        if self._reading is not None:
            self._reading.add_done_callback(_forget)


def _forget(reading: asyncio.Future[Response | None]) -> None:
    """Take the outcome of a read that nobody waits for any more."""
    if not reading.cancelled():
        reading.exception()


class AsyncCaller:
    """Makes calls over the endpoints of `options` on the running event loop. Close it; closing ends all calls."""

    def __init__(self, options: ConnectionOptions, *, clock: Clock | None = None) -> None:
        self.options = options
        self.clock: Clock = clock or SystemClock()
        self._links: dict[Endpoint, AsyncLink] = {}
        self._preferred = 0
        self._token = options.credentials.token
        self._has_asked = False
        self._lock = asyncio.Lock()
        self._token_lock = asyncio.Lock()
        self._is_closed = False

    async def close(self) -> None:
        """Close all channels; may be called twice."""
        self._is_closed = True
        links, self._links = list(self._links.values()), {}
        for link in links:
            await link.channel.close()

    async def unary(
        self,
        method: Method[Request, Response],
        request: Request,
        *,
        endpoint: Endpoint | None = None,
        timeout_seconds: float | None = None,
    ) -> Response:
        """The answer of `endpoint`, or of the first of all endpoints that gives one. Raises as `Caller.unary` does."""
        seconds = timeout_seconds or self.options.seconds(method.deadline)
        waiting = deque(self._candidates(endpoint))
        problems: list[errors.BackstayError] = []
        has_repeated = len(waiting) > 1
        while waiting:
            candidate = waiting.popleft()
            try:
                link = await self.link(candidate)
            except errors.BackstayError as problem:
                if problem.kind.code not in PASSED_OVER:
                    raise
                problems.append(problem)
                continue
            try:
                response = await self._send(link, method, request, seconds)
            except grpc.RpcError as problem:
                error = await self.explain(problem, link, method)
                if not method.repeatable or failures.code_of(problem) is not grpc.StatusCode.UNAVAILABLE:
                    raise error from problem
                if not has_repeated and link.was_connected and failures.is_connection_failure(problem):
                    has_repeated = True
                    waiting.append(candidate)
                else:
                    problems.append(error)
                continue
            self._prefer(candidate)
            return response
        raise together(problems)

    async def stream(
        self, method: Method[Request, Response], request: Request, *, endpoint: Endpoint | None = None
    ) -> AsyncStream[Request, Response]:
        """Start a streaming call and send its first request. Raises when no endpoint has a connection."""
        problems: list[errors.BackstayError] = []
        for candidate in self._candidates(endpoint):
            try:
                link = await self.link(candidate)
                token = await self._token_for(link)
            except errors.BackstayError as problem:
                if problem.kind.code not in PASSED_OVER:
                    raise
                problems.append(problem)
                continue
            self._prefer(candidate)
            metadata = grpc.aio.Metadata(*metadata_of(token))
            if method.kind is Kind.BOTH_STREAM:
                starter = link.channel.stream_stream(method.path, method.serialize, method.parse)
                stream = AsyncStream(link, starter(metadata=metadata), token)
                await stream.write(request)
                return stream
            single = link.channel.unary_stream(method.path, method.serialize, method.parse)
            call = single(request, metadata=metadata)
            return AsyncStream(link, cast("grpc.aio.StreamStreamCall[Request, Response]", call), token)
        raise together(problems)

    async def link(self, endpoint: Endpoint) -> AsyncLink:
        """A connected link to `endpoint`. Raises as `Caller.link` does."""
        async with self._lock:
            if self._is_closed:
                raise errors.USAGE.error("the client is closed", next_step="make a new client")
            link = self._links.get(endpoint)
            if link is None:
                plan = await asyncio.to_thread(channel.plan, endpoint, self.options, self.clock)
                link = self._links[endpoint] = AsyncLink(endpoint, plan.open_async())
        async with link.lock:
            if not link.is_connected:
                seconds = self.options.dial_timeout_seconds
                if not await channel.wait_until_ready_async(link.channel, seconds, patient=link.was_connected):
                    raise await self._unconnected(link)
                link.is_connected = True
        return link

    async def _unconnected(self, link: AsyncLink) -> errors.BackstayError:
        if not link.was_connected:  # nobody can be using it, and a fresh channel makes the next attempt without delay
            if self._links.get(link.endpoint) is link:
                del self._links[link.endpoint]
            await link.channel.close()
        return await self._diagnosis(link, "no connection within the dial timeout")

    async def explain(
        self, problem: grpc.RpcError, link: AsyncLink, method: Method[Request, Response]
    ) -> errors.BackstayError:
        """The error for a failed call; notes when the connection is gone, so that the next call connects anew."""
        if failures.is_connection_failure(problem):
            link.is_connected = False
            if not link.was_connected:
                return await self._diagnosis(link, failures.text_of(problem))
        return failures.translate(problem, link.endpoint, doing=method.name)

    async def _diagnosis(self, link: AsyncLink, said: str) -> errors.BackstayError:
        return await asyncio.to_thread(diagnosis.diagnose, link.endpoint, self.options.credentials, said)

    async def _send(
        self, link: AsyncLink, method: Method[Request, Response], request: Request, seconds: float
    ) -> Response:
        token = await self._token_for(link)
        try:
            return await self._send_with(link, method, request, seconds, token)
        except grpc.RpcError as problem:
            if not await self.renew_token(problem, link, token):
                raise
        return await self._send_with(link, method, request, seconds, await self._token_for(link))

    async def _send_with(
        self, link: AsyncLink, method: Method[Request, Response], request: Request, seconds: float, token: str
    ) -> Response:
        call = link.channel.unary_unary(method.path, method.serialize, method.parse)
        response = await call(request, timeout=seconds, metadata=grpc.aio.Metadata(*metadata_of(token)))
        link.was_connected = True
        return response

    async def _token_for(self, link: AsyncLink) -> str:
        if not self.options.credentials.user:
            return self._token
        async with self._token_lock:
            if not self._has_asked:
                self._token = await self._authenticate(link)
                self._has_asked = True
            return self._token

    async def renew_token(self, problem: grpc.RpcError, link: AsyncLink, used: str) -> bool:
        """Whether the call is worth one repetition because `problem` was about the token `used` and there is a new one."""
        if not self.options.credentials.user or not failures.wants_new_token(problem):
            return False
        async with self._token_lock:
            if self._token == used:
                self._token = await self._authenticate(link)
        return True

    async def _authenticate(self, link: AsyncLink) -> str:
        credentials, method = self.options.credentials, methods.AUTHENTICATE
        request = rpc.AuthenticateRequest(name=credentials.user, password=credentials.password)
        try:
            answer = await self._send_with(link, method, request, self.options.seconds(method.deadline), "")
        except grpc.RpcError as problem:
            if "authentication is not enabled" in failures.text_of(problem):
                link.was_connected = True
                return ""  # as etcd's own client: credentials that are not needed do no harm
            raise await self.explain(problem, link, method) from problem
        return answer.token

    def _candidates(self, endpoint: Endpoint | None) -> list[Endpoint]:
        if endpoint is not None:
            return [endpoint]
        endpoints, first = self.options.endpoints, self._preferred
        return [*endpoints[first:], *endpoints[:first]]

    def _prefer(self, endpoint: Endpoint) -> None:
        if endpoint in self.options.endpoints:
            self._preferred = self.options.endpoints.index(endpoint)
