"""A handler over an empty store, with a transport that only takes notes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from google.protobuf.message import Message

from backstay.errors import BackstayError
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.formats.membership import Member
from backstay.server.handler import ServedMember, Sizes, StoreHandler
from backstay.server.handler.hosting import Snapshot
from backstay.server.methods import Op
from backstay.server.transport import Call, CallId, Conn, Peer, Reply, Status, StreamId, Token
from backstay.store.engine import Engine, EngineOptions
from backstay.store.tokens import SimpleTokens
from backstay.values import ClusterId, MemberId
from tests.unit.store.building import empty
from tests.unit.store.engine.engines import HandClock, PlainHashes

MEMBER = MemberId(0xABC)
CLUSTER = ClusterId(0xDEF)
TERM = 3
CONN = Conn(1)

Response = TypeVar("Response", bound=Message)


class NotingTransport:
    """Keeps what it is given. `backlog` is what it claims to wait on every stream."""

    def __init__(self) -> None:
        self.sent: dict[StreamId, list[bytes]] = {}
        self.produced: dict[StreamId, Iterator[bytes]] = {}
        self.finished: dict[StreamId, Status] = {}
        self.answered: dict[CallId, Reply] = {}
        self.posted: list[Callable[[], Sequence[bytes] | None]] = []
        self.peers: dict[Conn, Peer] = {}
        self.backlog = 0

    def send(self, stream: StreamId, body: bytes) -> int:
        self.sent.setdefault(stream, []).append(body)
        return self.backlog + len(body)

    def waiting(self, stream: StreamId) -> int:
        return self.backlog

    def produce(self, stream: StreamId, bodies: Iterator[bytes]) -> None:
        self.produced[stream] = bodies

    def finish(self, stream: StreamId, status: int = 0, message: str = "") -> None:
        self.finished[stream] = (status, message)

    def answer(self, call: CallId, reply: Reply) -> None:
        self.answered[call] = reply

    def peer(self, conn: Conn) -> Peer:
        return self.peers.get(conn, Peer("127.0.0.1:1"))

    def post(self, wake: Callable[[], Sequence[bytes] | None]) -> None:
        self.posted.append(wake)


class NotingHost:
    """Surroundings without files: work elsewhere is done when a test says so."""

    def __init__(self) -> None:
        self.sizes = Sizes(40_960, 20_480)
        self.work: list[Callable[[], None]] = []
        self.defragmented: list[Callable[[BackstayError | None], None]] = []
        self.file = b"page" * 20_000

    def tick(self) -> None:
        pass

    def elsewhere(self, work: Callable[[], None]) -> None:
        self.work.append(work)

    def defragment(self, done: Callable[[BackstayError | None], None]) -> None:
        self.defragmented.append(done)

    def snapshot(self) -> Callable[[], Snapshot]:
        return lambda: Snapshot(len(self.file), iter((self.file[:50_000], self.file[50_000:])))


class Served:
    """One store behind a handler; `journal` is every entry that it wanted written."""

    def __init__(self, *, quota_bytes: int = 0, read_only: bool = False, max_request_bytes: int = 1_572_864) -> None:
        self.clock = HandClock()
        options = EngineOptions(
            MEMBER, CLUSTER, quota_bytes=quota_bytes, read_only=read_only, max_request_bytes=max_request_bytes
        )
        seeded = random.Random(1)
        tokens = SimpleTokens(self.clock, seeded)
        state = empty()
        state.cluster.members[MEMBER] = Member(MEMBER, ("http://localhost:2380",), "one")
        self.engine = Engine(state, self.clock, seeded, options, tokens=tokens, passwords=PlainHashes())
        self.host = NotingHost()
        member = ServedMember("one", ("http://localhost:2379",), ("http://localhost:2380",))
        self.handler = StoreHandler(self.engine, self.host, member, TERM)
        self.transport = NotingTransport()
        self.handler.attach(self.transport)
        self.journal: list[bytes] = []
        self._next = 100

    def handle(self, *calls: Call) -> list[Reply]:
        """One list of calls, and everything that follows from it."""
        replies, entries = self.handler(list(calls))
        assert len(replies) == len(calls)
        self.journal += entries
        self.handler.settled()
        return replies

    def run_posted(self) -> None:
        """What was posted, and what that posts."""
        while self.transport.posted:
            self.journal += self.transport.posted.pop(0)() or ()
            self.handler.settled()

    def work(self) -> None:
        """Do what was to be done elsewhere."""
        while self.host.work:
            self.host.work.pop(0)()
        self.run_posted()

    def tick(self, seconds: float = 0.0) -> None:
        """Let time pass."""
        self.clock.seconds += seconds
        self.journal += self.handler.tick()
        self.handler.settled()

    def call(self, op: Op, request: Message | bytes = b"", token: Token = None, conn: Conn = CONN) -> Reply:
        """One call as protobuf; answers that come later are waited for."""
        body = request if isinstance(request, bytes) else request.SerializeToString()
        self._next += 1
        number = CallId(self._next)
        (reply,) = self.handle((op, conn, token, body, number))
        if reply is None:
            self.work()
            reply = self.transport.answered.get(number)
        return reply

    def ask(self, op: Op, request: Message, response: type[Response], token: Token = None) -> Response:
        """One call that must be answered."""
        reply = self.call(op, request, token)
        assert isinstance(reply, bytes), reply
        return response.FromString(reply)

    def refused(self, op: Op, request: Message, token: Token = None) -> Status:
        """Why a call is refused; it must not have changed a key."""
        revision = self.engine.state.revision
        reply = self.call(op, request, token)
        assert isinstance(reply, tuple) and len(reply) == 2, reply
        assert self.engine.state.revision == revision
        return reply

    def put(self, key: bytes, value: bytes = b"", lease: int = 0, bits: int = 0, token: Token = None) -> Reply:
        """One Put as a tuple."""
        return self.handle((Op.PUT, CONN, token, key, value, lease, bits))[0]

    def range(
        self,
        key: bytes,
        end: bytes = b"",
        limit: int = 0,
        revision: int = 0,
        bits: int = 0,
        token: Token = None,
    ) -> Reply:
        """One Range as a tuple."""
        return self.handle((Op.RANGE, CONN, token, key, end, limit, revision, bits))[0]

    def open(self, method: Op, request: Message | None = None, token: Token = None) -> StreamId:
        """Open a stream."""
        self._next += 1
        stream = StreamId(self._next)
        body = request.SerializeToString() if request is not None else b""
        self.handle((Op.OPEN, CONN, token, stream, method, body))
        return stream

    def message(self, stream: StreamId, method: Op, request: Message) -> None:
        """Send a message on a stream."""
        self.handle((Op.MESSAGE, CONN, None, stream, method, request.SerializeToString()))

    def received(self, stream: StreamId, response: type[Response]) -> list[Response]:
        """What was sent on a stream since the last time."""
        return [response.FromString(body) for body in self.transport.sent.pop(stream, [])]


def grant_everything_to_root(served: Served) -> bytes:
    """Users root and alice (who may write and read a..b), access control on; root's token."""
    ask = served.ask
    ask(Op.USER_ADD, rpc.AuthUserAddRequest(name="root", password="r"), rpc.AuthUserAddResponse)
    ask(Op.USER_GRANT_ROLE, rpc.AuthUserGrantRoleRequest(user="root", role="root"), rpc.AuthUserGrantRoleResponse)
    ask(Op.ROLE_ADD, rpc.AuthRoleAddRequest(name="few"), rpc.AuthRoleAddResponse)
    grant = rpc.AuthRoleGrantPermissionRequest(name="few")
    grant.perm.permType = 2  # type: ignore[assignment]
    grant.perm.key, grant.perm.range_end = b"a", b"b"
    ask(Op.ROLE_GRANT_PERMISSION, grant, rpc.AuthRoleGrantPermissionResponse)
    ask(Op.USER_ADD, rpc.AuthUserAddRequest(name="alice", password="a"), rpc.AuthUserAddResponse)
    ask(Op.USER_GRANT_ROLE, rpc.AuthUserGrantRoleRequest(user="alice", role="few"), rpc.AuthUserGrantRoleResponse)
    ask(Op.AUTH_ENABLE, rpc.AuthEnableRequest(), rpc.AuthEnableResponse)
    return log_in(served, "root", "r")


def log_in(served: Served, name: str, password: str) -> bytes:
    """A token."""
    request = rpc.AuthenticateRequest(name=name, password=password)
    return served.ask(Op.AUTHENTICATE, request, rpc.AuthenticateResponse).token.encode()
