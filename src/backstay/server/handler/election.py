"""v3election: a line whose front is the leader, with what it proclaims in its key. Refusals are of code Unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backstay.etcd.pb import election_pb2
from backstay.formats import requests
from backstay.formats.mvcc import KeyValue
from backstay.formats.requests import Compare, CompareTarget, Operation
from backstay.server import statuses
from backstay.server.handler.context import HandlerContext, unknown
from backstay.server.handler.encoding import encode_pair
from backstay.server.handler.service import Answer, OneRequestStream, StreamMethod
from backstay.server.handler.waiting_line import Place, WaitingLine, end_of_prefix
from backstay.server.handler.watch import SLOW_BYTES, Watching
from backstay.server.methods import Op
from backstay.server.transport import CallId, Conn, Reply, Status, StreamId, Token
from backstay.store.answers import TxnAnswer
from backstay.store.apply.permissions import Identity
from backstay.store.refusals import Refused
from backstay.store.watching import WatchBatch, WatchSpec, WatchStream

NOT_LEADER: Status = (statuses.UNKNOWN, "election: not leader")
NO_LEADER: Status = (statuses.UNKNOWN, "election: no leader")
TOO_SLOW: Status = (statuses.RESOURCE_EXHAUSTED, "backstay: the observer does not keep up with what leaders proclaim")
NO_LEADER_GIVEN: Status = (statuses.UNKNOWN, '"leader" field must be provided')


class ElectionService:
    """Elections."""

    def __init__(self, context: HandlerContext, line: WaitingLine, watching: Watching) -> None:
        self._context = context
        self._line = line
        self.answers: Mapping[Op, Answer] = {
            Op.CAMPAIGN: unknown(self.campaign),
            Op.PROCLAIM: unknown(self.proclaim),
            Op.LEADER: unknown(self.leader),
            Op.RESIGN: unknown(self.resign),
        }
        self.streams: Mapping[Op, StreamMethod] = {Op.OBSERVE: Observe(context, line, watching)}

    def campaign(self, conn: Conn, token: Token, body: bytes, call: CallId) -> Reply:
        """Campaign: answered when the caller's key is the oldest."""
        asked = election_pb2.CampaignRequest.FromString(body)
        identity = self._context.identify(conn, token)
        place = self._line.join(asked.name, asked.lease, asked.value, identity)
        if place.value is not None and place.value != asked.value:
            put = requests.Put(place.key, asked.value, place.lease)
            if self._if_created(place.key, place.revision, Operation(put=put), identity) is None:
                return NOT_LEADER
        answered: list[bytes] = []
        is_waiting = False

        def elected() -> None:
            response = self._elected(asked.name, place)
            if is_waiting:
                self._context.transport.answer(call, response)
            else:
                answered.append(response)

        self._line.wait(call, place, identity, elected)
        is_waiting = True
        return answered[0] if answered else None

    def _elected(self, name: bytes, place: Place) -> bytes:
        leader = election_pb2.LeaderKey(name=name, key=place.key, rev=place.revision, lease=place.lease)
        header = self._context.header(place.answered_at)
        return election_pb2.CampaignResponse(header=header, leader=leader).SerializeToString()

    def proclaim(self, conn: Conn, token: Token, body: bytes, _: CallId) -> Reply:
        """Proclaim: a leader says something else."""
        asked = election_pb2.ProclaimRequest.FromString(body)
        if not asked.HasField("leader"):
            return NO_LEADER_GIVEN
        leader, identity = asked.leader, self._context.identify(conn, token)
        put = Operation(put=requests.Put(leader.key, asked.value, leader.lease))
        revision = self._if_created(leader.key, leader.rev, put, identity)
        if revision is None:
            return NOT_LEADER
        return election_pb2.ProclaimResponse(header=self._context.header(revision)).SerializeToString()

    def resign(self, conn: Conn, token: Token, body: bytes, _: CallId) -> Reply:
        """Resign: the leader's key goes, if it is still the same one."""
        asked = election_pb2.ResignRequest.FromString(body)
        if not asked.HasField("leader"):
            return NO_LEADER_GIVEN
        leader, identity = asked.leader, self._context.identify(conn, token)
        delete = Operation(delete_range=requests.DeleteRange(leader.key))
        self._if_created(leader.key, leader.rev, delete, identity)
        return election_pb2.ResignResponse(header=self._context.header()).SerializeToString()

    def _if_created(self, key: bytes, revision: int, operation: Operation, identity: Identity) -> int | None:
        """Do it if the key is still the one created then; the revision, None when it is not."""
        condition = Compare(target=CompareTarget.CREATE, key=key, create_revision=revision)
        outcome = self._context.execute(requests.Txn((condition,), (operation,)), identity)
        assert isinstance(outcome.answer, TxnAnswer)
        return outcome.revision if outcome.answer.succeeded else None

    def leader(self, conn: Conn, token: Token, body: bytes, _: CallId) -> Reply:
        """Leader: the oldest key."""
        asked = election_pb2.LeaderRequest.FromString(body)
        found = self._line.first(asked.name + b"/", self._context.identify(conn, token))
        if found is None:
            return NO_LEADER
        return election_pb2.LeaderResponse(header=self._context.header(), kv=encode_pair(found)).SerializeToString()


@dataclass(slots=True)
class _Observer:
    """One stream, what it looks at, and the leader it was told of last."""

    prefix: bytes
    identity: Identity
    watched: WatchStream
    leader: bytes = b""


class Observe(OneRequestStream):
    """Observe: the leader, whatever it proclaims, and every next leader."""

    def __init__(self, context: HandlerContext, line: WaitingLine, watching: Watching) -> None:
        self._context = context
        self._line = line
        self._watching = watching
        self._observers: dict[StreamId, _Observer] = {}

    def opened(self, stream: StreamId, conn: Conn, token: Token, body: bytes) -> None:
        prefix = election_pb2.LeaderRequest.FromString(body).name + b"/"
        identity = self._context.identify(conn, token)
        found = self._line.first(prefix, identity)
        spec = WatchSpec(prefix, end_of_prefix(prefix))
        watched = self._watching.watch(spec, lambda batch: self._changed(stream, batch))
        self._observers[stream] = _Observer(prefix, identity, watched)
        if found is not None:
            self._tell(stream, found, self._context.engine.state.revision)

    def _changed(self, stream: StreamId, batch: WatchBatch) -> None:
        observer = self._observers[stream]
        for is_deletion, item, _ in batch.events:
            if stream not in self._observers:
                return
            if (not observer.leader and not is_deletion) or (item.key == observer.leader and not is_deletion):
                self._tell(stream, item, batch.revision)
            elif item.key == observer.leader:
                observer.leader = b""
                try:
                    found = self._line.first(observer.prefix, observer.identity)
                except Refused as refused:  # rights may have gone meanwhile
                    self.cancelled(stream)
                    self._context.transport.finish(stream, statuses.UNKNOWN, refused.refusal.text)
                    return
                if found is not None:
                    self._tell(stream, found, self._context.engine.state.revision)

    def _tell(self, stream: StreamId, item: KeyValue, revision: int) -> None:
        self._observers[stream].leader = item.key
        response = election_pb2.LeaderResponse(header=self._context.header(revision), kv=encode_pair(item))
        if self._context.transport.send(stream, response.SerializeToString()) > SLOW_BYTES:
            # Nothing that a leader said may be left out; who hears that this ends can ask again for what holds now.
            self.cancelled(stream)
            self._context.transport.finish(stream, *TOO_SLOW)

    def cancelled(self, stream: StreamId) -> None:
        observer = self._observers.pop(stream, None)
        if observer is not None:
            self._watching.stop(observer.watched)
