"""The transport over grpcio: the first one, and the fallback for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from backstay.server.grpcio.options import TransportOptions
from backstay.server.transport import CallId, Conn, Handler, Journal, Peer, Reply, StreamId


class GrpcTransport:
    """Serves `handler`'s store on the listeners of `options`, from the event loop that runs `start`."""

    def __init__(self, handler: Handler, journal: Journal, options: TransportOptions) -> None:
        raise NotImplementedError

    async def start(self) -> None:
        """Listen, and begin to serve. Raises `LISTENING_FAILED`."""
        raise NotImplementedError

    async def wait(self) -> None:
        """Return when the transport was stopped. Raises why the store must not go on (`JOURNAL_STOPPED`)."""
        raise NotImplementedError

    async def stop(self, grace_seconds: float) -> None:
        """Take no new calls, let the running ones finish for so long, close."""
        raise NotImplementedError

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports really listened on, in the order of the listeners; 0 for a unix socket."""
        raise NotImplementedError

    def send(self, stream: StreamId, body: bytes) -> int:
        raise NotImplementedError

    def produce(self, stream: StreamId, bodies: Iterator[bytes]) -> None:
        raise NotImplementedError

    def finish(self, stream: StreamId, status: int = 0, message: str = "") -> None:
        raise NotImplementedError

    def answer(self, call: CallId, reply: Reply) -> None:
        raise NotImplementedError

    def peer(self, conn: Conn) -> Peer:
        raise NotImplementedError

    def post(self, wake: Callable[[], Sequence[bytes] | None]) -> None:
        raise NotImplementedError
