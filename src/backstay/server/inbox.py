"""Between the doors and the handler: calls in lists, and nothing given out before the journal allows it.

    door --call/open/message--> [one list for each turn of the event loop] --> handler --> entries --> journal
    door <--reply/message/end-- [held until every write that was submitted before is on disk] <-----------'

A turn of the loop brings everything that the sockets had; whatever arrives while the journal syncs is handled meanwhile and
becomes its next group. So a list grows with the load and nothing waits for more. With nothing in flight an answer leaves in
the turn in which it was made.

A journal that fails has lost writes that the state in memory already has. From then on nobody is answered any more: what was
held is dropped, and whoever runs the store is told to end the process. The same holds when the handler raises, for then
nobody knows how much of its list was applied.

All methods belong to the event loop's thread, but for `post`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, cast

from backstay import errors
from backstay.errors import BackstayError
from backstay.server.methods import Op
from backstay.server.outgoing import Outgoing
from backstay.server.statuses import SERVER_STOPPED, TOO_MANY_REQUESTS
from backstay.server.transport import Call, CallId, Conn, Handler, Journal, Peer, Reply, StreamId, Token

TICK_SECONDS = 0.1
LIST_LIMIT = 1024
"""Calls in one list: bounds how long the event loop is away from its sockets."""
WORKERS = 4
"""Threads that make the messages of long streams; more of them run at once, since none is held while a client is slow."""

RAW_CALL_LENGTH = 5
"""Only a `RawCall` has five elements, the last of which is its number."""

Wake = Callable[[], Sequence[bytes] | None]
"""What another thread wants done on this one; returns entries to journal."""
Deliver = Callable[[Reply], None]
"""Hands an answer to whoever waits for it; must not raise, also when nobody waits any more."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class InboxLimits:
    """How much may be waiting for the handler or for the journal before calls are refused and streams are not read."""

    calls: int = 20_000
    size_bytes: int = 256 << 20


@dataclass(slots=True)
class _Open:
    """A stream that is open, or a call whose answer comes later: where it came from, for the news that its client left."""

    conn: Conn
    token: Token
    method: Op
    outgoing: Outgoing | None = None
    deliver: Deliver | None = None


class Inbox:
    """What a handler has for a transport, shared by all doors of one store."""

    def __init__(
        self,
        handler: Handler,
        journal: Journal,
        *,
        failed: Callable[[BackstayError], None],
        limits: InboxLimits | None = None,
    ) -> None:
        self.failure: BackstayError | None = None
        """Why nobody is answered any more; None while the store works."""
        self._handler = handler
        self._journal = journal
        self._failed = failed
        self._limits = limits or InboxLimits()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ticking: asyncio.TimerHandle | None = None
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="producer")
        self._numbers = count(1)
        self._is_stopping = False

        self._peers: dict[Conn, Peer] = {}
        self._open: dict[int, _Open] = {}

        self._calls: list[Call] = []
        self._delivers: list[Deliver | None] = []
        self._posts: deque[Wake] = deque()
        self._is_due = False

        self._given: list[tuple[Callable[[Any], None], object]] = []
        self._held: deque[tuple[int, list[tuple[Callable[[Any], None], object]]]] = deque()
        self._submitted = 0
        self._durable = 0

        self._inbox_bytes = 0
        self._journal_bytes = 0
        self._held_count = 0
        self._sleepers: list[asyncio.Future[None]] = []

    # --- life ---

    def start(self) -> None:
        """Begin to handle calls, on the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._tick()

    def refuse_new(self) -> None:
        """Answer calls that come from now on with "server stopped"; what was taken is still answered."""
        self._is_stopping = True

    def end_streams(self) -> None:
        """End every open stream with "server stopped"; its client may go on with another member."""
        for number, each in list(self._open.items()):
            if each.outgoing is not None:
                self._cancelled(each, number)
                self.finish(StreamId(number), *SERVER_STOPPED)
        self._schedule()

    async def idle(self) -> None:
        """Return when everything taken so far was handled and is on disk, or never will be."""
        while self.failure is None and (self._calls or self._posts or self._held or self._given):
            await self._change()

    def stop_for_defect(self, what: str, why: str) -> None:
        """Acknowledge nothing more: something is wrong that should not be possible."""
        self._fail(errors.STORE_DEFECT.error(what, why=why))

    def close(self) -> None:
        """Stop for good."""
        self._is_stopping = True
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None
        self._workers.shutdown(wait=False, cancel_futures=True)

    # --- for doors ---

    def connect(self, peer: Peer) -> Conn:
        """A number for a new connection."""
        conn = Conn(next(self._numbers))
        self._peers[conn] = peer
        return conn

    def disconnect(self, conn: Conn) -> None:
        """The connection is gone; its streams were cancelled before."""
        self._peers.pop(conn, None)

    def put(self, call: Call, size: int, deliver: Deliver) -> None:
        """Take a call without an id (`RangeCall`, `PutCall`): its answer comes at once."""
        if self._refuses(deliver):
            return
        self._take(call, size, deliver)

    def put_raw(self, method: Op, conn: Conn, token: Token, body: bytes, deliver: Deliver) -> CallId:
        """Take any other call with one answer; returns its number, for `abandon`."""
        call = CallId(next(self._numbers))
        if not self._refuses(deliver):
            self._open[call] = _Open(conn, token, method, deliver=deliver)
            self._take((method, conn, token, body, call), len(body), deliver)
        return call

    def abandon(self, call: CallId) -> None:
        """The client of a call left. What was asked is done all the same; a handler that was to answer later hears of it."""
        each = self._open.pop(call, None)
        if each is not None:
            self._cancelled(each, call)

    def open(self, method: Op, conn: Conn, token: Token, body: bytes) -> tuple[StreamId, Outgoing]:
        """Take the opening of a stream: its number, and what will have to be sent on it."""
        stream = StreamId(next(self._numbers))
        outgoing = Outgoing(self._workers)
        if self._is_stopping or self.failure is not None:
            outgoing.release_end(SERVER_STOPPED)
        else:
            self._open[stream] = _Open(conn, token, method, outgoing)
            self._take((Op.OPEN, conn, token, stream, method, body), len(body), None)
        return stream, outgoing

    def event(self, kind: Op, stream: StreamId, body: bytes = b"") -> None:
        """MESSAGE, HALF_CLOSE or CANCEL of a stream; ignored when the stream has ended."""
        each = self._open.get(stream)
        if each is None:
            return
        if kind is Op.CANCEL:
            del self._open[stream]
        self._take((kind, each.conn, each.token, stream, each.method, body), len(body), None)

    async def room(self) -> None:
        """Return when there is room for more: a door waits here before it reads on from a stream."""
        while self._is_full and self.failure is None:
            await self._change()

    # --- for the handler: `Transport` ---

    def send(self, stream: StreamId, body: bytes) -> int:
        each = self._open.get(stream)
        if each is None or each.outgoing is None:
            return 0
        each.outgoing.waiting_bytes += len(body)
        self._give(each.outgoing.release, body)
        return each.outgoing.waiting_bytes

    def waiting(self, stream: StreamId) -> int:
        each = self._open.get(stream)
        return 0 if each is None or each.outgoing is None else each.outgoing.waiting_bytes

    def produce(self, stream: StreamId, bodies: Iterator[bytes]) -> None:
        each = self._open.pop(stream, None)
        if each is not None and each.outgoing is not None:
            self._give(each.outgoing.release_all, bodies)

    def finish(self, stream: StreamId, status: int = 0, message: str = "") -> None:
        each = self._open.pop(stream, None)
        if each is not None and each.outgoing is not None:
            self._give(each.outgoing.release_end, (status, message))

    def answer(self, call: CallId, reply: Reply) -> None:
        each = self._open.pop(call, None)
        if each is not None and each.deliver is not None:
            self._give(each.deliver, reply)

    def peer(self, conn: Conn) -> Peer:
        return self._peers.get(conn, Peer(""))

    def post(self, wake: Wake) -> None:
        assert self._loop is not None, "nothing is posted before the start"
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody is left to be woken
            self._loop.call_soon_threadsafe(self._posted, wake)

    # --- turns ---

    @property
    def _is_full(self) -> bool:
        return (
            len(self._calls) + self._held_count >= self._limits.calls
            or self._inbox_bytes + self._journal_bytes >= self._limits.size_bytes
        )

    def _refuses(self, deliver: Deliver) -> bool:
        if self._is_stopping or self.failure is not None:
            deliver(SERVER_STOPPED)
        elif self._is_full:
            deliver(TOO_MANY_REQUESTS)
        else:
            return False
        return True

    def _take(self, call: Call, size: int, deliver: Deliver | None) -> None:
        if self.failure is not None:
            return
        self._calls.append(call)
        self._delivers.append(deliver)
        self._inbox_bytes += size
        self._schedule()

    def _cancelled(self, each: _Open, number: int) -> None:
        self._take((Op.CANCEL, each.conn, each.token, StreamId(number), each.method, b""), 0, None)

    def _posted(self, wake: Wake) -> None:
        self._posts.append(wake)
        self._schedule()

    def _schedule(self) -> None:
        if not self._is_due:
            assert self._loop is not None, "calls come after the start"
            self._is_due = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._is_due = False
        self._guarded(self._work)

    def _work(self) -> None:
        while self._posts:
            self._submit(self._posts.popleft()() or ())
        if self._calls:
            self._handle()
        self._flush()

    def _handle(self) -> None:
        calls, delivers = self._calls, self._delivers
        if len(calls) > LIST_LIMIT:
            self._calls, self._delivers = calls[LIST_LIMIT:], delivers[LIST_LIMIT:]
            del calls[LIST_LIMIT:], delivers[LIST_LIMIT:]
            self._schedule()
        else:
            self._calls, self._delivers, self._inbox_bytes = [], [], 0
        replies, entries = self._handler(calls)
        for call, deliver, reply in zip(calls, delivers, replies, strict=True):
            if deliver is None or reply is None:
                continue
            if len(call) == RAW_CALL_LENGTH:
                self._open.pop(cast(CallId, call[4]), None)
            self._given.append((deliver, reply))
        self._submit(entries)

    def _tick(self) -> None:
        self._guarded(lambda: self._submit(self._handler.tick()))
        if self.failure is None and self._loop is not None:
            self._ticking = self._loop.call_later(TICK_SECONDS, self._tick)

    def _guarded(self, work: Callable[[], None]) -> None:
        if self.failure is not None:
            return
        try:
            work()
        except BackstayError as problem:
            self._fail(problem)
        except Exception as problem:
            _log.exception("the store failed while it handled calls")
            self.stop_for_defect("the store failed", f"{type(problem).__name__}: {problem}")
        self._wake_sleepers()

    # --- the gate ---

    def _give(self, act: Callable[[Any], None], argument: object) -> None:
        self._given.append((act, argument))

    def _submit(self, entries: Sequence[bytes]) -> None:
        if entries:
            size = sum(map(len, entries))
            self._submitted += 1
            self._journal_bytes += size
            self._journal.submit(entries, partial(self._journalled, self._submitted, size))
        self._flush()
        self._handler.settled()
        self._flush()

    def _flush(self) -> None:
        if not self._given:
            return
        given, self._given = self._given, []
        if self._durable == self._submitted:
            for act, argument in given:
                act(argument)
        else:
            self._held.append((self._submitted, given))
            self._held_count += len(given)

    def _journalled(self, submission: int, size: int, failure: BackstayError | None) -> None:
        """On the journal's thread."""
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits for an answer any more
            self._loop.call_soon_threadsafe(self._release, submission, size, failure)

    def _release(self, submission: int, size: int, failure: BackstayError | None) -> None:
        if failure is not None:
            self._fail(failure)
        if self.failure is not None:
            return
        self._durable = submission
        self._journal_bytes -= size
        while self._held and self._held[0][0] <= submission:
            _, given = self._held.popleft()
            self._held_count -= len(given)
            for act, argument in given:
                act(argument)
        self._wake_sleepers()

    def _fail(self, failure: BackstayError) -> None:
        if self.failure is not None:
            return
        self.failure = failure
        self._calls, self._delivers, self._given = [], [], []
        self._held.clear()
        self._posts.clear()
        self._wake_sleepers()
        self._failed(failure)

    async def _change(self) -> None:
        assert self._loop is not None
        sleeper = self._loop.create_future()
        self._sleepers.append(sleeper)
        await sleeper

    def _wake_sleepers(self) -> None:
        if self._sleepers:
            sleepers, self._sleepers = self._sleepers, []
            for sleeper in sleepers:
                if not sleeper.done():
                    sleeper.set_result(None)
