"""The handler: each call to its service, in order, and what comes of it back. See `server.transport` for the contract."""

from __future__ import annotations

from google.protobuf.message import DecodeError

from backstay.errors import FormatError
from backstay.server import statuses
from backstay.server.handler.auth import AuthService
from backstay.server.handler.cluster import ClusterService
from backstay.server.handler.compaction_hashes import CompactionHashes
from backstay.server.handler.context import HandlerContext, status_of
from backstay.server.handler.election import ElectionService
from backstay.server.handler.health import HealthService
from backstay.server.handler.hosting import Hosting, ServedMember
from backstay.server.handler.kv import KvService
from backstay.server.handler.lease import LeaseService
from backstay.server.handler.lock import LockService
from backstay.server.handler.maintenance import MaintenanceService
from backstay.server.handler.range_stream import RangeStream
from backstay.server.handler.service import Answer, Service, StreamMethod
from backstay.server.handler.waiting_line import WaitingLine
from backstay.server.handler.watch import Watching
from backstay.server.methods import Op
from backstay.server.transport import Call, CallId, Reply, Status, StreamId, Transport
from backstay.store.engine import Engine
from backstay.store.refusals import Refused

_RANGE, _PUT = int(Op.RANGE), int(Op.PUT)
_LAST_WITH_ONE_ANSWER = 99
_OPEN, _MESSAGE, _HALF_CLOSE = int(Op.OPEN), int(Op.MESSAGE), int(Op.HALF_CLOSE)


class StoreHandler:
    """All services of one store. `attach` the transport before the first call."""

    def __init__(self, engine: Engine, hosting: Hosting, member: ServedMember, term: int) -> None:
        self.context = HandlerContext(engine, hosting, member, term)
        self.watching = Watching(self.context)
        self._range_stream = RangeStream(self.context)
        hashes = CompactionHashes()
        self._kv = KvService(self.context, hashes)
        self._line = WaitingLine(self.context, self.watching)
        services: tuple[Service, ...] = (
            self._kv,
            LeaseService(self.context),
            ClusterService(self.context),
            MaintenanceService(self.context, hashes),
            AuthService(self.context),
            LockService(self.context, self._line),
            ElectionService(self.context, self._line, self.watching),
            HealthService(self.context),
        )
        self._answers: dict[int, Answer] = {op: answer for each in services for op, answer in each.answers.items()}
        self._streams: dict[int, StreamMethod] = {
            op: method for each in services for op, method in each.streams.items()
        }
        self._streams |= {Op.WATCH: self.watching, Op.RANGE_STREAM: self._range_stream}

    def attach(self, transport: Transport) -> None:
        """Answer through `transport` what is not answered at once."""
        self.context.attach(transport)

    def __call__(self, calls: list[Call]) -> tuple[list[Reply], list[bytes]]:
        replies: list[Reply] = []
        put, read, answers = self._kv.put, self._kv.range, self._answers
        for call in calls:
            op = call[0]
            reply: Reply = None
            try:
                if op == _PUT and len(call) == 7:
                    reply = put(call)
                elif op == _RANGE and len(call) == 8:
                    reply = read(call)
                elif op <= _LAST_WITH_ONE_ANSWER:
                    _, conn, token, body, number = call  # type: ignore[misc]
                    reply = answers[op](conn, token, body, number)
                else:
                    self._stream_event(call)
            except (Refused, FormatError) as problem:
                self.context.note_raised()
                reply = status_of(problem)
            except DecodeError:
                reply = statuses.UNDECODABLE
            replies.append(reply)
        return replies, self.context.take_entries()

    def tick(self) -> list[bytes]:
        context = self.context
        context.entries += context.engine.tick()
        context.hosting.tick()
        self.watching.tick()
        self._range_stream.resume()
        return context.take_entries()

    def settled(self) -> None:
        self.watching.hand_out()

    def _stream_event(self, call: Call) -> None:
        event, conn, token, stream, method, body = call  # type: ignore[misc]
        if method <= _LAST_WITH_ONE_ANSWER:
            self._line.give_up(CallId(stream))
            self._kv.long_ranges.give_up(CallId(stream))
            return
        handled = self._streams.get(method)
        if handled is None:
            return
        try:
            if event == _MESSAGE:
                handled.message(stream, body)
            elif event == _OPEN:
                handled.opened(stream, conn, token, body)
            elif event == _HALF_CLOSE:
                handled.half_closed(stream)
            else:
                handled.cancelled(stream)
        except (Refused, FormatError) as problem:
            self._end(handled, stream, status_of(problem))
        except DecodeError:
            self._end(handled, stream, statuses.UNDECODABLE)

    def _end(self, method: StreamMethod, stream: StreamId, status: Status) -> None:
        method.cancelled(stream)
        self.context.transport.finish(stream, *status)
