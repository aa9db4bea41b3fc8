"""The front: one port for gRPC and for HTTP/1.1, in plaintext or TLS.

A connection's first bytes tell what it is. `PRI * HTTP/2.0` begins every HTTP/2 connection: its bytes go to grpcio on an
inner unix socket and back, as they are (`Http2Guard` reads along). Everything else is HTTP/1.1 and is served here. With TLS,
ALPN decides before that: a client that offers HTTP/1.1 at all gets it, and gRPC's clients, which offer `h2` alone, get that.

    client --TCP[, TLS]--> front --unix socket--> grpcio
                             \\--> HTTP/1.1: gateway, health, metrics

grpcio sees the name that the front has bound its end of the inner socket to, and `Visitors` tells who that is; so addresses
and client certificates arrive as if the client had come directly. Nobody else can find the inner socket (`InnerSocket`), and
who has no name that was given is refused every call: a name cannot be guessed before it is bound, nor bound twice.

TLS ends here rather than in grpcio because Python's can choose versions and ciphers, look at names and revocations before a
call, and share the port.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from backstay.server.http2_guard import Http2Guard
from backstay.server.inner_socket import InnerSocket
from backstay.server.listeners import Listener, Serves, TlsFiles
from backstay.server.ports import bind
from backstay.server.transport import Conn, Peer
from backstay.server.visitors import Visitors

if TYPE_CHECKING:
    from backstay.server.tls import ServerTls

PREFACE_BEGIN = b"PRI"
"""No method of HTTP/1.1 begins like this."""
HANDSHAKE_SECONDS = 10.0
"""As long as etcd gives a handshake; also for the rest of the first bytes when some of them came."""
SILENCE_SECONDS = 120.0
"""How long a client may say nothing at all."""
FAREWELL_SECONDS = 1.0
"""How long a connection that is closed may take to take what was written."""
INNER_ATTEMPTS, INNER_PAUSE_SECONDS = 300, 0.01
"""A full queue of the inner socket is an error at once, not a wait; so it is asked again."""

HTTP2_LOG = "backstay.server.http2"
"""The log of what clients say of themselves in HTTP/2, in the words of Go's library; on at the level of debugging."""

_http2_log = logging.getLogger(HTTP2_LOG)

HttpProtocol = Callable[[Conn, Serves, Peer, bool], asyncio.Protocol]
"""Makes the protocol that serves one connection of HTTP/1.1, from its number, what is offered, who came, whether by TLS."""


class Front:
    """Listens on one address. `inner` is where grpcio listens; `http` serves what is not gRPC."""

    def __init__(
        self,
        listener: Listener,
        visitors: Visitors,
        inner: InnerSocket,
        http: HttpProtocol,
        bound: socket.socket | None = None,
    ) -> None:
        self.listener = listener
        self.visitors = visitors
        self.inner = inner
        self.http = http
        self.tls = _server_tls(listener.tls) if listener.tls is not None else None
        self.port = 0
        """The port really listened on; 0 for a unix socket."""
        self.connections: set[asyncio.Transport] = set()
        self._changed = asyncio.Event()
        self._bound = bound
        """The socket to listen on, where somebody has taken the address already."""
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Raises `LISTENING_FAILED`."""
        listening = self._bound or bind(self.listener)
        options: dict[str, Any] = {}
        if self.tls is not None:
            options = {"ssl": self.tls.context, "ssl_handshake_timeout": HANDSHAKE_SECONDS, "ssl_shutdown_timeout": 1.0}
        loop = asyncio.get_running_loop()
        if self.listener.unix_path:
            self._server = await loop.create_unix_server(lambda: Arrival(self), sock=listening, backlog=4096, **options)
        else:
            self.port = listening.getsockname()[1]
            self._server = await loop.create_server(lambda: Arrival(self), sock=listening, backlog=4096, **options)

    def refuse_new(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
            self._server = None
            if self.listener.unix_path:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self.listener.unix_path)

    async def close(self) -> None:
        """Listen no more, and end every connection; what was written still goes, to clients that take it soon."""
        self.refuse_new()
        for transport in list(self.connections):
            transport.close()
        late = asyncio.get_running_loop().call_later(FAREWELL_SECONDS, self._abort)
        while self.connections:
            self._changed.clear()
            await self._changed.wait()
        late.cancel()

    def opened(self, transport: asyncio.Transport) -> None:
        """A connection is there, from a client or to grpcio."""
        self.connections.add(transport)

    def ended(self, transport: asyncio.Transport) -> None:
        """It is there no more."""
        self.connections.discard(transport)
        self._changed.set()

    def _abort(self) -> None:
        for transport in list(self.connections):
            transport.abort()


class Arrival(asyncio.Protocol):
    """One client's connection, until it is known what it speaks; afterwards the outer end of a connection to grpcio."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._first = b""
        self._name = ""
        self._peer = Peer("")
        self._transport: asyncio.Transport | None = None
        self._inner: asyncio.Transport | None = None
        self._waiting: asyncio.TimerHandle | None = None
        self._joining: asyncio.Task[None] | None = None
        self._http: asyncio.Protocol | None = None
        self._guard = Http2Guard(_log_authority if _http2_log.isEnabledFor(logging.DEBUG) else None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        peer: Peer | None = Peer(_address(transport))
        if self._front.tls is not None:
            certificate = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
            peer = self._front.tls.peer(_address(transport), certificate)
        if peer is None:
            transport.abort()
            return
        self._transport, self._peer = transport, peer
        self._front.opened(transport)
        self._wait(SILENCE_SECONDS)

    def data_received(self, data: bytes) -> None:
        if self._inner is not None:
            if self._guard.admits(data):
                self._inner.write(data)
            else:
                self._refuse()
        elif self._http is not None:
            self._http.data_received(data)
        else:
            self._first += data
            self._decide()

    def eof_received(self) -> bool | None:
        if self._http is not None:
            return self._http.eof_received()
        if self._inner is None:
            return None
        if self._front.tls is not None:
            return None  # TLS closes as a whole; so does the inner connection then
        self._inner.write_eof()
        return True

    def connection_lost(self, problem: Exception | None) -> None:
        self._stop_waiting()
        if self._transport is not None:
            self._front.ended(self._transport)
        self._front.visitors.leave(self._name)
        if self._http is not None:
            self._http.connection_lost(problem)
        if self._inner is not None:
            self._inner.close()

    def pause_writing(self) -> None:
        if self._http is not None:
            self._http.pause_writing()
        elif self._inner is not None:
            self._inner.pause_reading()

    def resume_writing(self) -> None:
        if self._http is not None:
            self._http.resume_writing()
        elif self._inner is not None:
            self._inner.resume_reading()

    # --- the first bytes ---

    def _decide(self) -> None:
        assert self._transport is not None
        if len(self._first) < len(PREFACE_BEGIN):
            self._wait(HANDSHAKE_SECONDS)
            return
        self._stop_waiting()
        serves = self._front.listener.serves
        if self._first.startswith(PREFACE_BEGIN):
            if Serves.GRPC not in serves:
                self._transport.abort()
                return
            self._transport.pause_reading()
            self._name, _ = self._front.visitors.enter(self._peer)
            self._joining = asyncio.get_running_loop().create_task(self._join())
        elif serves & (Serves.HTTP | Serves.METRICS):
            first, self._first = self._first, b""
            nameless = Peer(self._peer.address)  # as in etcd: a certificate names nobody to the gateway
            self._name, conn = self._front.visitors.enter(nameless)
            self._http = self._front.http(conn, serves, self._peer, self._front.tls is not None)
            self._http.connection_made(self._transport)
            self._http.data_received(first)
        else:
            self._transport.abort()

    async def _join(self) -> None:
        outer = self._transport
        assert outer is not None
        try:
            inner = await _connected(self._name, self._front.inner.path)
        except OSError:
            outer.abort()
            return
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_unix_connection(lambda: _Inner(self._front, outer), sock=inner)
        if outer.is_closing():  # the client left meanwhile
            transport.close()
            return
        self._inner = transport
        outer.resume_reading()
        first, self._first = self._first, b""
        self.data_received(first)

    def _refuse(self) -> None:
        assert self._transport is not None
        self._transport.abort()

    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        assert self._transport is not None
        self._waiting = asyncio.get_running_loop().call_later(seconds, self._transport.abort)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None


class _Inner(asyncio.Protocol):
    """The inner end: what grpcio says goes out."""

    def __init__(self, front: Front, outer: asyncio.Transport) -> None:
        self._front = front
        self._outer = outer
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._front.opened(transport)

    def data_received(self, data: bytes) -> None:
        self._outer.write(data)

    def connection_lost(self, problem: Exception | None) -> None:
        if self._transport is not None:
            self._front.ended(self._transport)
        self._outer.close()

    def pause_writing(self) -> None:
        self._outer.pause_reading()

    def resume_writing(self) -> None:
        if not self._outer.is_closing():
            self._outer.resume_reading()


async def _connected(name: str, to: str) -> socket.socket:
    """A socket of that name, connected. Raises `OSError`: no more files may be open, or grpcio does not take more."""
    inner = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        inner.setblocking(False)
        inner.bind(f"\0{name}")
        for attempt in range(INNER_ATTEMPTS):
            try:
                inner.connect(to)
                break
            except BlockingIOError:
                if attempt == INNER_ATTEMPTS - 1:
                    raise
                await asyncio.sleep(INNER_PAUSE_SECONDS)
    except BaseException:
        inner.close()
        raise
    return inner


def _server_tls(files: TlsFiles) -> ServerTls:
    from backstay.server.tls import ServerTls  # its cryptography is a tenth of a server's start, and few need it

    return ServerTls(files)


def _log_authority(name: str) -> None:
    _http2_log.debug('http2: decoded hpack field header field ":authority" = "%s"', name)


def _address(transport: asyncio.Transport) -> str:
    name = transport.get_extra_info("peername")
    if not isinstance(name, tuple):
        return "@"  # a unix socket's client; etcd's log says the same
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
