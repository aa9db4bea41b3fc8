"""What HTTP serves, by path: the gateway, health, version, metrics. Word for word etcd's answers, most refusals included."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

from backstay.server.http.connection import HttpConnection
from backstay.server.http.exchange import JSON, Exchange, Headers, Request, Response, moved, not_found, only, text
from backstay.server.http.gateway import Gateway
from backstay.server.http.gateway.paths import OLD_PREFIX, PREFIX
from backstay.server.http.health import Health
from backstay.server.http.metrics import Metrics
from backstay.server.http.statistics import Statistics
from backstay.server.identity import Identity
from backstay.server.inbox import Inbox
from backstay.server.listeners import Serves
from backstay.server.release import VERSION
from backstay.server.traffic import Traffic
from backstay.server.transport import Conn, Peer

ANYBODY = frozenset({"*"})
_COMMON_NAME_IGNORED = (
    "CommonName of client sending a request against gateway will be ignored and not used as expected\n"
)

Answer = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """`origins` are those of web pages that may ask, `hosts` the names under which plain HTTP is answered; `*` is any."""

    origins: frozenset[str] = ANYBODY
    hosts: frozenset[str] = ANYBODY
    has_gateway: bool = True


@dataclass(frozen=True, slots=True)
class _Visit:
    """How a connection came."""

    serves: Serves
    is_secure: bool
    peer: Peer


class HttpService:
    """The HTTP side of one store. `limit_bytes` is for a message of the gateway."""

    def __init__(
        self,
        inbox: Inbox,
        statistics: Statistics,
        traffic: Traffic,
        identity: Identity,
        limit_bytes: int,
        options: HttpOptions | None = None,
    ) -> None:
        self._options = options or HttpOptions()
        self._statistics = statistics
        self._gateway = Gateway(inbox, traffic, identity, limit_bytes)
        self._metrics = Metrics(statistics, traffic, identity)
        self._health = Health(inbox, statistics, self._metrics.count_check)
        self._running: set[asyncio.Future[None]] = set()

    def connection(self, conn: Conn, serves: Serves, peer: Peer, is_secure: bool) -> asyncio.Protocol:
        """The protocol that serves one connection."""
        visit = _Visit(serves, is_secure, peer)

        async def serve(exchange: Exchange) -> None:
            over = asyncio.get_running_loop().create_future()
            self._running.add(over)
            try:
                await self._serve(exchange, visit)
            finally:
                self._running.discard(over)
                over.set_result(None)

        return HttpConnection(serve, conn)

    async def finish(self, grace_seconds: float) -> None:
        """Return when the requests that run now are answered, or after so long. Later ones are not waited for."""
        running = tuple(self._running)
        if running and grace_seconds > 0:
            await asyncio.wait(running, timeout=grace_seconds)

    async def _serve(self, exchange: Exchange, visit: _Visit) -> None:
        request = exchange.request
        refusal = self._refusal(request, visit)
        if refusal is not None:
            exchange.respond(refusal)
            return
        open_to_pages = _Open(exchange, self._origin_headers(request))
        if request.method == "OPTIONS":
            open_to_pages.respond(Response(HTTPStatus.OK, (), b""))
        elif Serves.HTTP not in visit.serves or not self._options.has_gateway:
            open_to_pages.respond(await self._plain(request, visit))
        elif open_to_pages.request.path.startswith(PREFIX):
            await self._gateway.serve(open_to_pages)
        elif request.path == PREFIX.rstrip("/"):
            open_to_pages.respond(moved(PREFIX))
        else:
            open_to_pages.respond(await self._plain(request, visit))

    async def _plain(self, request: Request, visit: _Visit) -> Response:
        path = request.path
        if path == "/metrics":
            return self._metrics.page(request)
        if path == "/health":
            response = await self._health.health(request)
            if request.method == "GET":
                self._metrics.count_health(response.status == HTTPStatus.OK)
            return response
        if path == "/livez" or path.startswith("/livez/"):
            return await self._health.live(request)
        if path == "/readyz" or path.startswith("/readyz/"):
            return await self._health.ready(request)
        if path == "/version" and Serves.HTTP in visit.serves:
            return self._version() if request.method == "GET" else only("GET")
        if path == "/debug/vars" and Serves.HTTP in visit.serves:
            return Response(HTTPStatus.OK, JSON, json.dumps(dict(self._statistics.numbers())).encode())
        return not_found()

    def _version(self) -> Response:
        agreed = self._statistics.cluster_version()
        body = f'{{"etcdserver":"{VERSION}","etcdcluster":"{agreed}","storage":"{agreed}"}}'
        return Response(HTTPStatus.OK, JSON, body.encode())

    def _refusal(self, request: Request, visit: _Visit) -> Response | None:
        if not visit.is_secure:
            host = _host(request.headers.get("host", ""))
            if "*" not in self._options.hosts and host not in self._options.hosts:
                return text(HTTPStatus.MISDIRECTED_REQUEST, _unknown_host(host))
        elif visit.peer.common_name and request.path.startswith(PREFIX) and self._statistics.auth_is_enabled():
            return text(HTTPStatus.BAD_REQUEST, _COMMON_NAME_IGNORED)
        return None

    def _origin_headers(self, request: Request) -> Headers:
        origins = self._options.origins
        origin = "*" if "*" in origins else request.headers.get("origin", "")
        if origin != "*" and origin not in origins:
            return ()
        return (
            ("Access-Control-Allow-Headers", "accept, content-type, authorization"),
            ("Access-Control-Allow-Methods", "POST, GET, OPTIONS, PUT, DELETE"),
            ("Access-Control-Allow-Origin", origin),
        )


class _Open:
    """An exchange whose answers say which web pages may read them; its old path is the new one."""

    def __init__(self, exchange: Exchange, headers: Headers) -> None:
        self._exchange = exchange
        self._headers = headers
        self.request = exchange.request
        if self.request.path.startswith(OLD_PREFIX):
            self.request = self.request.moved(PREFIX + self.request.path.removeprefix(OLD_PREFIX))
        self.gone = exchange.gone
        self.body = exchange.body
        self.pieces = exchange.pieces
        self.write = exchange.write
        self.end = exchange.end

    def respond(self, response: Response) -> None:
        self._exchange.respond(Response(response.status, (*self._headers, *response.headers), response.body))

    def begin(self, status: int, headers: Headers) -> None:
        self._exchange.begin(status, (*self._headers, *headers))


def _host(header: str) -> str:
    if header.startswith("["):
        return header.partition("]")[0].removeprefix("[")
    return header.rpartition(":")[0] if header.count(":") == 1 else header


def _unknown_host(host: str) -> str:
    return (
        f'backstay does not answer plain HTTP under the name "{host}".\n\n'
        f"Use TLS, or let the name in with --host-whitelist={host}. Names are checked so that a web page cannot reach this\n"
        "server through a name of its own that leads here (DNS rebinding).\n"
    )
