"""One request of HTTP/1.1 and what is answered to it, as the services see it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Protocol

from backstay.server.transport import Conn

Headers = Sequence[tuple[str, str]]

TEXT: Headers = (("Content-Type", "text/plain; charset=utf-8"),)
TEXT_AS_IS: Headers = (*TEXT, ("X-Content-Type-Options", "nosniff"))
JSON: Headers = (("Content-Type", "application/json"),)


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer. Date and length are the connection's to add."""

    status: int
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """A request's head. Header names are in lower case; the path is as it was sent, without the query."""

    method: str
    path: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    conn: Conn

    def moved(self, path: str) -> Request:
        """The same under another path."""
        return replace(self, path=path)


class Exchange(Protocol):
    """A request, its body as it arrives, and the answer."""

    @property
    def request(self) -> Request:
        """The head."""
        ...

    @property
    def gone(self) -> asyncio.Event:
        """Set when the client has left."""
        ...

    async def body(self, limit_bytes: int) -> bytes:
        """The whole body. Raises `TooLarge`, or `asyncio.CancelledError` when the client left."""
        ...

    def pieces(self) -> AsyncIterator[bytes]:
        """The body as it arrives; the next piece is read when it is asked for."""
        ...

    def respond(self, response: Response) -> None:
        """Answer at once."""
        ...

    def begin(self, status: int, headers: Headers) -> None:
        """Begin an answer of unknown length."""
        ...

    async def write(self, data: bytes) -> None:
        """Send a piece of it, when the client has taken what was sent before."""
        ...

    def end(self) -> None:
        """End it."""
        ...


class TooLarge(Exception):
    """The body is larger than was allowed."""


def text(status: HTTPStatus, body: str, headers: Headers = TEXT_AS_IS) -> Response:
    """An answer in words."""
    return Response(status, headers, body.encode())


def not_found() -> Response:
    """There is nothing at that path, in the words of Go's server."""
    return text(HTTPStatus.NOT_FOUND, "404 page not found\n")


def only(method: str) -> Response:
    """The path wants another method."""
    return text(HTTPStatus.METHOD_NOT_ALLOWED, "Method Not Allowed\n", (("Allow", method), *TEXT_AS_IS))


def moved(path: str) -> Response:
    """It is at another path, in the words of Go's server."""
    headers = (("Content-Type", "text/html; charset=utf-8"), ("Location", path))
    return text(HTTPStatus.TEMPORARY_REDIRECT, f'<a href="{path}">Temporary Redirect</a>.\n\n', headers)
