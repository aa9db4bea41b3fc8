"""A store on its addresses: gRPC and HTTP over one inbox, and everything that begins and ends with them.

handler -- inbox --+-- grpcio, on an inner socket --+
                   +-- HTTP ------------------------+-- a front for every address
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from backstay.server.front import Front
from backstay.server.grpcio.limits import message_limit
from backstay.server.grpcio.options import CallOptions, TransportOptions
from backstay.server.grpcio.transport import GrpcTransport
from backstay.server.http.service import HttpOptions, HttpService
from backstay.server.http.statistics import Statistics
from backstay.server.identity import Identity
from backstay.server.inbox import Inbox
from backstay.server.inner_socket import InnerSocket
from backstay.server.listeners import Listener
from backstay.server.transport import Handler, Journal


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Who answers, where, and how calls and HTTP are taken."""

    identity: Identity
    listeners: tuple[Listener, ...]
    http: HttpOptions = field(default_factory=HttpOptions)
    calls: CallOptions = field(default_factory=CallOptions)


class StoreServer:
    """Serves `handler`'s store. The handler answers through `inbox`, which is a `Transport`; attach it before `start`.

    `sockets` are bound to the listeners' addresses, in their order, where somebody has taken those already.
    """

    def __init__(
        self,
        handler: Handler,
        journal: Journal,
        statistics: Statistics,
        options: ServerOptions,
        *,
        sockets: Sequence[socket.socket] = (),
    ) -> None:
        self._inner = InnerSocket()
        transport = TransportOptions(options.identity, calls=options.calls)
        self._grpc = GrpcTransport(handler, journal, transport, self._inner)
        self._http = http = HttpService(
            self.inbox, statistics, self._grpc.traffic, options.identity, message_limit(options.calls), options.http
        )
        self._fronts = [
            Front(listener, self._grpc.visitors, self._inner, http.connection, bound)
            for listener, bound in zip_longest(options.listeners, sockets)
        ]

    @property
    def inbox(self) -> Inbox:
        """Where calls come in and answers go out."""
        return self._grpc.inbox

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports really listened on, in the order of the listeners; 0 for a unix socket."""
        return tuple(front.port for front in self._fronts)

    async def start(self) -> None:
        """Listen, and begin to serve, on the running event loop. Raises `LISTENING_FAILED`."""
        await self._grpc.start()
        try:
            for front in self._fronts:
                await front.start()
        except BaseException:
            await self.stop(0)
            raise

    async def wait(self) -> None:
        """Return when the server was stopped. Raises why the store must not go on (`JOURNAL_STOPPED`, `STORE_DEFECT`)."""
        await self._grpc.wait()

    async def stop(self, grace_seconds: float) -> None:
        """Take no new connections, end the streams, let the running calls finish for so long, close.

        A second call, also while the first one waits, may only shorten the time.
        """
        for front in self._fronts:
            front.refuse_new()
        self._grpc.refuse_new()
        loop = asyncio.get_running_loop()
        until = loop.time() + grace_seconds
        await self._http.finish(grace_seconds)  # before grpcio, which closes the inbox that answers both
        await self._grpc.stop(max(0.0, until - loop.time()))
        await asyncio.gather(*(front.close() for front in self._fronts))
        self._inner.close()

    def reload_certificates(self) -> None:
        """Read certificate files again now, rather than when the next client finds them changed.

        Raises `SERVER_CERTIFICATE_UNUSABLE`; the old ones stay in use then.
        """
        for front in self._fronts:
            if front.tls is not None:
                front.tls.reload()
