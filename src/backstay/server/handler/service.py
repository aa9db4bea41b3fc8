"""What a service is: answers by method, and for methods that stream, what happens on a stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

from backstay.server.methods import Op
from backstay.server.transport import CallId, Conn, Reply, StreamId, Token

Answer: TypeAlias = Callable[[Conn, Token, bytes, CallId], Reply]
"""One method: who asks, the request's protobuf, the number under which a later answer is given. May raise `Refused`,
`FormatError` for a damaged store, and `DecodeError`."""


class StreamMethod(Protocol):
    """A method that streams. What it raises ends the stream with the same status that a call would be answered with."""

    def opened(self, stream: StreamId, conn: Conn, token: Token, body: bytes) -> None:
        """The client opened a stream; `body` is the request of methods that the client streams nothing into."""
        ...

    def message(self, stream: StreamId, body: bytes) -> None:
        """A message of the client."""
        ...

    def half_closed(self, stream: StreamId) -> None:
        """The client sends nothing more."""
        ...

    def cancelled(self, stream: StreamId) -> None:
        """The client is gone, or the stream has been ended by what a method raised."""
        ...


class OneRequestStream:
    """What methods share into which the client streams nothing: only `opened` is theirs to say."""

    def message(self, stream: StreamId, body: bytes) -> None:
        """Nothing comes."""

    def half_closed(self, stream: StreamId) -> None:
        """The server keeps sending."""

    def cancelled(self, stream: StreamId) -> None:
        """Nothing is kept of it."""


class Service(Protocol):
    """One gRPC service."""

    @property
    def answers(self) -> Mapping[Op, Answer]:
        """Its methods with one answer."""
        ...

    @property
    def streams(self) -> Mapping[Op, StreamMethod]:
        """Its methods that stream."""
        ...
