"""The transport over grpcio: the first one, and the fallback for ever.

grpcio's event loop server answers on the loop that runs `start`, which is the store's thread. Its handlers only pass calls to
the inbox and wait; decoding, order and the journal's gate are the inbox's, so that HTTP feeds the same one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

import grpc

from backstay import errors
from backstay.errors import BackstayError
from backstay.server.grpcio.calls import Calls
from backstay.server.grpcio.connections import Connections
from backstay.server.grpcio.limits import channel_arguments
from backstay.server.grpcio.options import TransportOptions
from backstay.server.inbox import Inbox
from backstay.server.inner_socket import InnerSocket
from backstay.server.listeners import Listener
from backstay.server.ports import bind
from backstay.server.traffic import Traffic
from backstay.server.transport import CallId, Conn, Handler, Journal, Peer, Reply, StreamId
from backstay.server.visitors import Visitors


class GrpcTransport:
    """Serves `handler`'s store on the listeners of `options`, from the event loop that runs `start`.

    On `inner` too, where there is one: that is where a front brings what it passes on.
    """

    def __init__(
        self, handler: Handler, journal: Journal, options: TransportOptions, inner: InnerSocket | None = None
    ) -> None:
        self.inbox = Inbox(handler, journal, failed=self._failed)
        self.options = options
        self._inner = inner
        self.visitors = Visitors(self.inbox.connect, self.inbox.disconnect)
        """Who comes through a front."""
        self.traffic = Traffic()
        """What was counted."""
        self._server: grpc.aio.Server | None = None
        self._watching: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._ports: tuple[int, ...] = ()
        self._over: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Listen, and begin to serve. Raises `LISTENING_FAILED`."""
        connections = Connections(self.inbox, self.visitors, is_inner=not self.options.listeners)
        calls = Calls(self.inbox, connections, self.traffic, self.options)
        server = grpc.aio.server(handlers=[calls], options=channel_arguments(self.options.calls))
        self._ports = tuple(self._listen(server, listener) for listener in self.options.listeners)
        if self._inner is not None:
            self._inner.listen(lambda path: server.add_insecure_port(f"unix:{path}"))
        self._over = asyncio.get_running_loop().create_future()
        self._server = server
        self.inbox.start()
        await server.start()
        self._watching = asyncio.get_running_loop().create_task(self._watch(server))

    async def _watch(self, server: grpc.aio.Server) -> None:
        """Notice when grpcio's server ends by itself: it would say so nowhere but in the log."""
        try:
            await server.wait_for_termination()
            why = ""
        except Exception as problem:
            why = f"{type(problem).__name__}: {problem}"
        if not self._is_stopping:
            self.inbox.stop_for_defect("grpcio's server has ended by itself", why)

    async def wait(self) -> None:
        """Return when the transport was stopped. Raises why the store must not go on (`JOURNAL_STOPPED`, `STORE_DEFECT`)."""
        assert self._over is not None, "wait comes after start"
        await asyncio.shield(self._over)

    def refuse_new(self) -> None:
        """Take no new calls from any door, and end the streams; the running calls go on."""
        if self._server is not None:
            self._is_stopping = True
            self.inbox.refuse_new()
            self.inbox.end_streams()

    async def stop(self, grace_seconds: float) -> None:
        """Take no new calls, end the streams, let the running calls finish for so long, close.

        A second call, also while the first one waits, may only shorten the time.
        """
        if self._server is None:
            return
        self.refuse_new()
        await self._server.stop(grace_seconds)
        if self._watching is not None:
            await self._watching
        self.inbox.close()
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports really listened on, in the order of the listeners; 0 for a unix socket."""
        return self._ports

    @staticmethod
    def _listen(server: grpc.aio.Server, listener: Listener) -> int:
        assert listener.tls is None, "TLS is the front's"
        bind(listener).close()  # for the system's reason where grpcio has none
        try:
            port = server.add_insecure_port(listener.where)
        except RuntimeError as problem:
            raise errors.LISTENING_FAILED.error(f"cannot listen on {listener.where}", why=str(problem)) from problem
        return 0 if listener.unix_path else port

    def _failed(self, failure: BackstayError) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_exception(failure)

    # --- for the handler ---

    def send(self, stream: StreamId, body: bytes) -> int:
        return self.inbox.send(stream, body)

    def waiting(self, stream: StreamId) -> int:
        return self.inbox.waiting(stream)

    def produce(self, stream: StreamId, bodies: Iterator[bytes]) -> None:
        self.inbox.produce(stream, bodies)

    def finish(self, stream: StreamId, status: int = 0, message: str = "") -> None:
        self.inbox.finish(stream, status, message)

    def answer(self, call: CallId, reply: Reply) -> None:
        self.inbox.answer(call, reply)

    def peer(self, conn: Conn) -> Peer:
        return self.inbox.peer(conn)

    def post(self, wake: Callable[[], Sequence[bytes] | None]) -> None:
        self.inbox.post(wake)
