"""One call to etcd: which endpoint, which token, how long, how often, and which error.

Called by every synchronous service. The rules: an endpoint without a connection is passed over, since nothing was sent; a
repeatable call goes on to the next endpoint when one is unavailable; anything else that may have been sent is not sent
again. A refused token is renewed once. Safe to use from several threads.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, cast

import grpc
from google.protobuf.message import Message

from backstay import errors
from backstay.clock import Clock, SystemClock
from backstay.etcd import methods
from backstay.etcd.connection import ConnectionOptions, Endpoint
from backstay.etcd.methods import Kind, Method
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.etcd.transport import channel, diagnosis, failures

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response")
Message_co = TypeVar("Message_co", covariant=True)

PASSED_OVER = frozenset({errors.ENDPOINT_UNREACHABLE.code, errors.ENDPOINT_TLS.code})
"""Errors of one endpoint after which another one is tried: surely nothing was sent."""

Metadata = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Link:
    """The channel to one endpoint, and whether it ever carried an answer."""

    endpoint: Endpoint
    channel: grpc.Channel
    is_connected: bool = False
    was_connected: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


class _Answers(Protocol[Message_co]):
    """What gRPC returns for a call with a stream of answers; its library has no public name for it."""

    def __next__(self) -> Message_co: ...

    def cancel(self) -> object: ...


class Stream(Iterator[Response]):
    """A running call with a stream of answers; failures come out as `grpc.RpcError`."""

    def __init__(self, link: Link, call: _Answers[Response], token: str) -> None:
        self.link = link
        self.token = token
        self._call = call

    def __next__(self) -> Response:
        return next(self._call)

    def cancel(self) -> None:
        """End the call; a reader that waits gets `grpc.RpcError` with the code CANCELLED."""
        self._call.cancel()


class Caller:
    """Makes calls over the endpoints of `options`. Close it; closing ends all running calls."""

    def __init__(self, options: ConnectionOptions, *, clock: Clock | None = None) -> None:
        self.options = options
        self.clock: Clock = clock or SystemClock()
        self._links: dict[Endpoint, Link] = {}
        self._preferred = 0
        self._token = options.credentials.token
        self._has_asked = False
        self._lock = threading.Lock()
        self._token_lock = threading.Lock()
        self._is_closed = False

    def close(self) -> None:
        """Close all channels; may be called twice."""
        with self._lock:
            self._is_closed = True
            links, self._links = list(self._links.values()), {}
        for link in links:
            link.channel.close()

    def unary(
        self,
        method: Method[Request, Response],
        request: Request,
        *,
        endpoint: Endpoint | None = None,
        timeout_seconds: float | None = None,
    ) -> Response:
        """The answer of `endpoint`, or of the first of all endpoints that gives one.

        Raises what `failures.translate` makes of etcd's refusal, `ENDPOINT_UNREACHABLE`, `ENDPOINT_TLS`, or
        `NO_HEALTHY_ENDPOINT` when several endpoints failed in different ways.
        """
        seconds = timeout_seconds or self.options.seconds(method.deadline)
        waiting = deque(self._candidates(endpoint))
        problems: list[errors.BackstayError] = []
        has_repeated = len(waiting) > 1
        while waiting:
            candidate = waiting.popleft()
            try:
                link = self.link(candidate)
            except errors.BackstayError as problem:
                if problem.kind.code not in PASSED_OVER:
                    raise
                problems.append(problem)
                continue
            try:
                response = self._send(link, method, request, seconds)
            except grpc.RpcError as problem:
                error = self.explain(problem, link, method)
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

    def stream(
        self,
        method: Method[Request, Response],
        request: Request | Iterator[Request],
        *,
        endpoint: Endpoint | None = None,
        timeout_seconds: float | None = None,
    ) -> Stream[Response]:
        """Start a streaming call on `endpoint`, or on the first endpoint with a connection. Nothing is awaited.

        `timeout_seconds` is for the whole stream; None for streams that watch over their own silence.
        """
        problems: list[errors.BackstayError] = []
        for candidate in self._candidates(endpoint):
            try:
                link = self.link(candidate)
                token = self.token(link)
            except errors.BackstayError as problem:
                if problem.kind.code not in PASSED_OVER:
                    raise
                problems.append(problem)
                continue
            self._prefer(candidate)
            metadata = metadata_of(token)
            if method.kind is Kind.BOTH_STREAM:
                starter = link.channel.stream_stream(method.path, method.serialize, method.parse)
                call = starter(cast(Iterator[Request], request), timeout=timeout_seconds, metadata=metadata)
            else:
                single = link.channel.unary_stream(method.path, method.serialize, method.parse)
                call = single(cast(Request, request), timeout=timeout_seconds, metadata=metadata)
            return Stream(link, cast(_Answers[Response], call), token)
        raise together(problems)

    def link(self, endpoint: Endpoint) -> Link:
        """A connected link to `endpoint`.

        Raises `ENDPOINT_UNREACHABLE`, `ENDPOINT_TLS`, `CREDENTIALS_UNREADABLE` or `CREDENTIALS_INVALID`, within the dial
        timeout and the time of a diagnosis.
        """
        with self._lock:
            if self._is_closed:
                raise errors.USAGE.error("the client is closed", next_step="make a new client")
            link = self._links.get(endpoint)
            if link is None:
                link = Link(endpoint, channel.plan(endpoint, self.options, self.clock).open())
                self._links[endpoint] = link
        with link.lock:
            if not link.is_connected:
                timeout_seconds = self.options.dial_timeout_seconds
                if not channel.wait_until_ready(link.channel, timeout_seconds, patient=link.was_connected):
                    raise self._unconnected(link)
                link.is_connected = True
        return link

    def _unconnected(self, link: Link) -> errors.BackstayError:
        if not link.was_connected:  # nobody can be using it, and a fresh channel makes the next attempt without delay
            with self._lock:
                if self._links.get(link.endpoint) is link:
                    del self._links[link.endpoint]
            link.channel.close()
        return diagnosis.diagnose(link.endpoint, self.options.credentials, "no connection within the dial timeout")

    def explain(self, problem: grpc.RpcError, link: Link, method: Method[Request, Response]) -> errors.BackstayError:
        """The error for a failed call; notes when the connection is gone, so that the next call connects anew."""
        if failures.is_connection_failure(problem):
            link.is_connected = False
            if not link.was_connected:
                return diagnosis.diagnose(link.endpoint, self.options.credentials, failures.text_of(problem))
        return failures.translate(problem, link.endpoint, doing=method.name)

    def _send(self, link: Link, method: Method[Request, Response], request: Request, seconds: float) -> Response:
        token = self.token(link)
        try:
            return self._send_with(link, method, request, seconds, token)
        except grpc.RpcError as problem:
            if not self.renew_token(problem, link, token):
                raise
        return self._send_with(link, method, request, seconds, self.token(link))

    def _send_with(
        self, link: Link, method: Method[Request, Response], request: Request, seconds: float, token: str
    ) -> Response:
        call = link.channel.unary_unary(method.path, method.serialize, method.parse)
        response = call(request, timeout=seconds, metadata=metadata_of(token))
        link.was_connected = True
        return response

    def log_in(self) -> None:
        """Ask for a token now, of the first endpoint with a connection; raises as `unary` does."""
        if not self.options.credentials.user:
            return
        problems: list[errors.BackstayError] = []
        for candidate in self._candidates(None):
            try:
                self.token(self.link(candidate))
            except errors.BackstayError as problem:
                if problem.kind.code not in PASSED_OVER:
                    raise
                problems.append(problem)
            else:
                return
        raise together(problems)

    def token(self, link: Link) -> str:
        """The token to send, empty for none; asks etcd for one when a user is given and none is held."""
        if not self.options.credentials.user:
            return self._token
        with self._token_lock:
            if not self._has_asked:
                self._token = self._authenticate(link)
                self._has_asked = True
            return self._token

    def renew_token(self, problem: grpc.RpcError, link: Link, used: str) -> bool:
        """Whether the call is worth one repetition because `problem` was about the token `used` and there is a new one."""
        if not self.options.credentials.user or not failures.wants_new_token(problem):
            return False
        with self._token_lock:
            if self._token == used:
                self._token = self._authenticate(link)
        return True

    def _authenticate(self, link: Link) -> str:
        credentials = self.options.credentials
        request = rpc.AuthenticateRequest(name=credentials.user, password=credentials.password)
        method = methods.AUTHENTICATE
        seconds = self.options.seconds(method.deadline)
        try:
            return self._send_with(link, method, request, seconds, "").token
        except grpc.RpcError as problem:
            if "authentication is not enabled" in failures.text_of(problem):
                link.was_connected = True
                return ""  # as etcd's own client: credentials that are not needed do no harm
            raise self.explain(problem, link, method) from problem

    def _candidates(self, endpoint: Endpoint | None) -> list[Endpoint]:
        if endpoint is not None:
            return [endpoint]
        endpoints, first = self.options.endpoints, self._preferred
        return [*endpoints[first:], *endpoints[:first]]

    def _prefer(self, endpoint: Endpoint) -> None:
        if endpoint in self.options.endpoints:
            self._preferred = self.options.endpoints.index(endpoint)


def metadata_of(token: str) -> Metadata:
    """The metadata that carries a token."""
    return (("token", token),) if token else ()


def together(problems: list[errors.BackstayError]) -> errors.BackstayError:
    """One error for what several endpoints said; of their own kind when they agree."""
    first = problems[0]
    if len(problems) == 1:
        return first
    why = "; ".join(f"{problem.where}: {problem.why or problem.what}" for problem in problems)
    if all(problem.kind is first.kind for problem in problems):
        where = ", ".join(problem.where for problem in problems)
        return first.kind.error(
            f"none of {len(problems)} endpoints could be used", where=where, why=why, next_step=first.next_step
        )
    return errors.NO_HEALTHY_ENDPOINT.error(f"none of {len(problems)} endpoints could be used", why=why)
