"""Lease: grant, revoke, time to live, list, and the stream of keep-alives."""

from __future__ import annotations

from collections.abc import Mapping

from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.formats import requests
from backstay.server.handler.context import HandlerContext
from backstay.server.handler.service import Answer, StreamMethod
from backstay.server.methods import Op
from backstay.server.transport import CallId, Conn, Reply, StreamId, Token
from backstay.store.answers import LeaseAnswer
from backstay.values import LeaseId


class LeaseService:
    """The leases."""

    def __init__(self, context: HandlerContext) -> None:
        self._context = context
        self.answers: Mapping[Op, Answer] = {
            Op.LEASE_GRANT: self.grant,
            Op.LEASE_REVOKE: self.revoke,
            Op.LEASE_TIME_TO_LIVE: self.time_to_live,
            Op.LEASE_LEASES: self.leases,
        }
        self.streams: Mapping[Op, StreamMethod] = {Op.LEASE_KEEP_ALIVE: KeepAlive(context)}

    def grant(self, conn: Conn, token: Token, body: bytes, _: CallId) -> Reply:
        """LeaseGrant."""
        asked = rpc.LeaseGrantRequest.FromString(body)
        outcome = self._context.execute(requests.LeaseGrant(asked.TTL, asked.ID), self._context.identify(conn, token))
        assert isinstance(outcome.answer, LeaseAnswer)
        lease = outcome.answer.lease
        header = self._context.header(outcome.revision)
        return rpc.LeaseGrantResponse(header=header, ID=lease.id, TTL=lease.ttl).SerializeToString()

    def revoke(self, conn: Conn, token: Token, body: bytes, _: CallId) -> Reply:
        """LeaseRevoke."""
        asked = rpc.LeaseRevokeRequest.FromString(body)
        outcome = self._context.execute(requests.LeaseRevoke(asked.ID), self._context.identify(conn, token))
        return rpc.LeaseRevokeResponse(header=self._context.header(outcome.revision)).SerializeToString()

    def time_to_live(self, conn: Conn, token: Token, body: bytes, _: CallId) -> Reply:
        """LeaseTimeToLive."""
        asked = rpc.LeaseTimeToLiveRequest.FromString(body)
        identity = self._context.identify(conn, token)
        left = self._context.engine.time_to_live(LeaseId(asked.ID), identity, keys=asked.keys)
        return rpc.LeaseTimeToLiveResponse(
            header=self._context.header(), ID=asked.ID, TTL=left.ttl, grantedTTL=left.granted_ttl, keys=left.keys
        ).SerializeToString()

    def leases(self, conn: Conn, token: Token, body: bytes, _: CallId) -> Reply:
        """LeaseLeases."""
        rpc.LeaseLeasesRequest.FromString(body)
        leases = self._context.engine.leases(self._context.identify(conn, token))
        listed = (rpc.LeaseStatus(ID=lease) for lease in leases)
        return rpc.LeaseLeasesResponse(header=self._context.header(), leases=listed).SerializeToString()


class KeepAlive:
    """LeaseKeepAlive: one response for each request, in order; a lease that is gone has TTL 0."""

    def __init__(self, context: HandlerContext) -> None:
        self._context = context
        self._callers: dict[StreamId, tuple[Conn, Token]] = {}

    def opened(self, stream: StreamId, conn: Conn, token: Token, body: bytes) -> None:
        self._callers[stream] = conn, token

    def message(self, stream: StreamId, body: bytes) -> None:
        if stream not in self._callers:
            return
        asked = rpc.LeaseKeepAliveRequest.FromString(body)
        identity = self._context.identify(*self._callers[stream])
        ttl = self._context.engine.keep_alive(LeaseId(asked.ID), identity)
        self._context.note_raised()
        response = rpc.LeaseKeepAliveResponse(header=self._context.header(), ID=asked.ID, TTL=ttl)
        self._context.transport.send(stream, response.SerializeToString())

    def half_closed(self, stream: StreamId) -> None:
        self.cancelled(stream)
        self._context.transport.finish(stream)

    def cancelled(self, stream: StreamId) -> None:
        self._callers.pop(stream, None)
