"""Store servers inside a test: a recording handler behind real sockets, in plaintext and TLS, on one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import trustme

from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.server.http.statistics import NoStatistics, Statistics
from backstay.server.identity import Identity
from backstay.server.listeners import EVERYTHING, Listener, Serves, TlsFiles
from backstay.server.methods import PATHS, Op
from backstay.server.store_server import ServerOptions, StoreServer
from backstay.server.transport import Call, Reply
from backstay.values import ClusterId, MemberId
from tests.unit.server.inboxing import HeldJournal, QuickJournal, RecordingHandler

IDENTITY = Identity(ClusterId(7), MemberId(8), 2)
SECONDS = 30.0
TURNS_TO_CLOSE = 10


def on_a_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a test's story on an event loop of its own, not longer than `SECONDS`."""

    async def whole() -> None:
        await asyncio.wait_for(test(), SECONDS)
        for _ in range(TURNS_TO_CLOSE):
            await asyncio.sleep(0)  # what was closed last is gone after some turns of the loop

    asyncio.run(whole())


@dataclass
class Served:
    """A server with a recording handler."""

    server: StoreServer
    handler: RecordingHandler
    journal: HeldJournal

    @property
    def port(self) -> int:
        """Of the first listener."""
        return self.server.ports[0]

    @property
    def address(self) -> str:
        """Of the first listener."""
        return f"127.0.0.1:{self.port}"


@asynccontextmanager
async def serving(
    answers: Callable[[Served, list[Call]], tuple[list[Reply], Sequence[bytes]]] | None = None,
    *,
    listeners: Sequence[Listener] = (Listener("127.0.0.1", 0),),
    journal: HeldJournal | None = None,
    statistics: Statistics | None = None,
    **options: Any,
) -> AsyncIterator[Served]:
    """A server that answers with `answers` (by default as `answering` says), stopped at the end."""
    handler = RecordingHandler()
    journal = journal or QuickJournal()
    made_of = ServerOptions(IDENTITY, tuple(listeners), **options)
    server = StoreServer(handler, journal, statistics or NoStatistics(), made_of)
    served = Served(server, handler, journal)
    made = answers or answering
    handler.answers = lambda calls: made(served, calls)
    await server.start()
    try:
        yield served
    finally:
        await server.stop(0)


def answering(served: Served, calls: list[Call]) -> tuple[list[Reply], Sequence[bytes]]:
    """Puts are journalled; Txn is refused; a Lock waits; streams say back what they hear, and end when it ends."""
    replies: list[Reply] = []
    entries: list[bytes] = []
    inbox = served.server.inbox
    for call in calls:
        reply: Reply = None
        op = call[0]
        if op is Op.RANGE:
            reply = (5, [], False, 0) if len(call) == 8 else b""
        elif op is Op.PUT:
            reply, entries = 6, [*entries, b"put"]
        elif op is Op.TXN:
            reply = (3, "etcdserver: nö, 100 %")
        elif op is Op.STATUS:
            reply = rpc.StatusResponse(version="3.7.3").SerializeToString()
        elif op is Op.MESSAGE:
            inbox.send(call[3], call[5])  # type: ignore[arg-type, misc]
        elif op is Op.HALF_CLOSE:
            inbox.finish(call[3], 11, "etcdserver: enough")  # type: ignore[arg-type]
        elif op is Op.OPEN and call[4] is Op.SNAPSHOT:
            inbox.produce(call[3], iter([b"one", b"two"]))  # type: ignore[arg-type]
        elif op < 100 and op is not Op.LOCK:
            reply = b""
        replies.append(reply)
    return replies, entries


@dataclass(frozen=True, slots=True)
class Certificates:
    """An authority of a test, and what it made: a server's certificate and a client's."""

    authority: trustme.CA
    directory: Path

    @classmethod
    def make(cls, directory: Path) -> Certificates:
        """An authority, `server.crt` for 127.0.0.1 and localhost, and `client.crt` of `alice` for `client.example`."""
        authority = trustme.CA()
        made = cls(authority, directory)
        authority.cert_pem.write_to_path(directory / "ca.crt")
        made.issue("server", "127.0.0.1", "localhost")
        made.issue("client", "client.example", common_name="alice")
        return made

    def issue(self, name: str, *hosts: str, common_name: str | None = None) -> None:
        """Write NAME.crt and NAME.key."""
        issued = self.authority.issue_cert(*hosts, common_name=common_name)
        (self.directory / f"{name}.crt").write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(self.directory / f"{name}.key")

    def files(self, **more: Any) -> TlsFiles:
        """For a listener."""
        return TlsFiles(self.directory / "server.crt", self.directory / "server.key", **more)

    def listener(self, serves: Serves = EVERYTHING, **more: Any) -> Listener:
        """On any free port of the loopback."""
        return Listener("127.0.0.1", 0, tls=self.files(**more), serves=serves)

    def channel(self, address: str, client: str | None = None) -> grpc.aio.Channel:
        """A channel that trusts the authority and shows the certificate of `client`."""
        chain = key = None
        if client is not None:
            chain = (self.directory / f"{client}.crt").read_bytes()
            key = (self.directory / f"{client}.key").read_bytes()
        credentials = grpc.ssl_channel_credentials((self.directory / "ca.crt").read_bytes(), key, chain)
        return grpc.aio.secure_channel(address, credentials)


async def call(channel: grpc.aio.Channel, op: Op, body: bytes = b"", **more: Any) -> bytes:
    """One call with one answer, as bytes."""
    method = channel.unary_unary(PATHS[op])
    return bytes(await method(body, timeout=10, **more))
