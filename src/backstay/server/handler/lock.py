"""v3lock: mutual exclusion as a call that waits. Every refusal is of code Unknown, as etcd's are."""

from __future__ import annotations

from collections.abc import Mapping

from backstay.etcd.pb import lock_pb2
from backstay.formats import requests
from backstay.server import statuses
from backstay.server.handler.context import HandlerContext, unknown
from backstay.server.handler.service import Answer, StreamMethod
from backstay.server.handler.waiting_line import Place, WaitingLine
from backstay.server.methods import Op
from backstay.server.transport import CallId, Conn, Reply, Status, Token
from backstay.store.apply.permissions import Identity
from backstay.store.refusals import Refused

SESSION_EXPIRED: Status = (statuses.UNKNOWN, "mutex: session is expired")


class LockService:
    """Locks."""

    def __init__(self, context: HandlerContext, line: WaitingLine) -> None:
        self._context = context
        self._line = line
        self.answers: Mapping[Op, Answer] = {Op.LOCK: unknown(self.lock), Op.UNLOCK: unknown(self.unlock)}
        self.streams: Mapping[Op, StreamMethod] = {}

    def lock(self, conn: Conn, token: Token, body: bytes, call: CallId) -> Reply:
        """Lock: answered when the caller's key is the oldest."""
        asked = lock_pb2.LockRequest.FromString(body)
        identity = self._context.identify(conn, token)
        place = self._line.join(asked.name, asked.lease, b"", identity)
        owner = self._line.first(place.prefix, identity)
        if owner is None or owner.create_revision == place.revision:
            return self._locked(place, place.answered_at)
        self._line.wait(call, place, identity, lambda: self._in_front(call, place, identity))
        return None

    def _in_front(self, call: CallId, place: Place, identity: Identity) -> None:
        reply: Reply
        try:
            revision, item = self._context.engine.get(place.key)
            reply = self._locked(place, revision) if item is not None else SESSION_EXPIRED
        except Refused as refused:
            reply = statuses.UNKNOWN, refused.refusal.text
        self._context.transport.answer(call, reply)

    def _locked(self, place: Place, revision: int) -> bytes:
        header = self._context.header(revision)
        return lock_pb2.LockResponse(header=header, key=place.key).SerializeToString()

    def unlock(self, conn: Conn, token: Token, body: bytes, _: CallId) -> Reply:
        """Unlock: deletes the key."""
        asked = lock_pb2.UnlockRequest.FromString(body)
        outcome = self._context.execute(requests.DeleteRange(asked.key), self._context.identify(conn, token))
        return lock_pb2.UnlockResponse(header=self._context.header(outcome.revision)).SerializeToString()
