"""Cluster: the one member there is, and those that have been added and not started.

A member can be added, changed and removed here. It joins when real etcd has taken over the directory: what is written down
here is what etcd begins with. Until then this store goes on alone, though etcd would wait for a second vote: a member that
has not started holds no copy, so nothing that is acknowledged here can be contradicted by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.formats import requests
from backstay.formats.membership import Member
from backstay.formats.raft import ConfChange, ConfChangeType
from backstay.server.handler.context import HandlerContext
from backstay.server.handler.service import Answer, StreamMethod
from backstay.server.methods import Op
from backstay.server.transport import CallId, Conn, Reply, Token
from backstay.store import refusals
from backstay.store.engine.rights import require_administrator, require_identity
from backstay.store.refusals import Refusal, Refused
from backstay.values import MemberId

INVALID_URLS = Refusal("InvalidArgument", "etcdserver: given member URLs are invalid")
NOT_ENOUGH_STARTED = Refusal("Unknown", "etcdserver: re-configuration failed due to not enough started members")
"""Meant as FailedPrecondition; this is the code that etcd really sends."""
VERSION_BEFORE_A_VOTE = "3.5.0"
"""Agreed on before a second vote is given: who joins asks for it, and without a leader etcd could not answer. 3.4 cannot
read the entry that says so; every later release can, and agrees on more as soon as it has a leader."""
MOST_LEARNERS = 1
"""etcd's --max-learners by default."""


class ClusterService:
    """The members."""

    def __init__(self, context: HandlerContext) -> None:
        self._context = context
        self.answers: Mapping[Op, Answer] = {
            Op.MEMBER_ADD: self.add,
            Op.MEMBER_REMOVE: self.remove,
            Op.MEMBER_UPDATE: self.update,
            Op.MEMBER_LIST: self.list_members,
            Op.MEMBER_PROMOTE: self.promote,
        }
        self.streams: Mapping[Op, StreamMethod] = {}

    def list_members(self, conn: Conn, token: Token, body: bytes, _: CallId) -> Reply:
        """MemberList."""
        rpc.MemberListRequest.FromString(body)
        require_identity(self._context.engine.state, self._context.identify(conn, token))
        return rpc.MemberListResponse(header=self._context.header(0), members=self._listed()).SerializeToString()

    def add(self, conn: Conn, token: Token, body: bytes, _: CallId) -> Reply:
        """MemberAdd."""
        asked = rpc.MemberAddRequest.FromString(body)
        _check_urls(asked.peerURLs)
        self._require_administrator(conn, token)
        if any(set(asked.peerURLs) & set(each.peer_urls) for each in self._members.values()):
            raise Refused(refusals.PEER_URL_EXISTS)
        waiting = [each for each in self._members.values() if each.id != self._own_id]
        if asked.isLearner and sum(each.is_learner for each in waiting) >= MOST_LEARNERS:
            raise Refused(refusals.TOO_MANY_LEARNERS)
        if not asked.isLearner and not all(each.is_learner for each in waiting):
            raise Refused(NOT_ENOUGH_STARTED)
        if not asked.isLearner and not self._context.engine.state.cluster.version:
            self._context.execute(requests.ClusterVersionSet(VERSION_BEFORE_A_VOTE))
        learner = self._context.engine.new_learner(tuple(asked.peerURLs))
        member = replace(learner, is_learner=asked.isLearner)
        kind = ConfChangeType.ADD_LEARNER if asked.isLearner else ConfChangeType.ADD_NODE
        self._change(ConfChange(kind, member.id, member, is_promote=False))
        return rpc.MemberAddResponse(
            header=self._context.header(0), member=_message(member), members=self._listed()
        ).SerializeToString()

    def remove(self, conn: Conn, token: Token, body: bytes, _: CallId) -> Reply:
        """MemberRemove."""
        asked = rpc.MemberRemoveRequest.FromString(body)
        self._require_administrator(conn, token)
        member = self._known(asked.ID)
        if member.id == self._own_id:
            raise Refused(NOT_ENOUGH_STARTED)
        self._change(ConfChange(ConfChangeType.REMOVE_NODE, member.id))
        return rpc.MemberRemoveResponse(header=self._context.header(0), members=self._listed()).SerializeToString()

    def update(self, conn: Conn, token: Token, body: bytes, _: CallId) -> Reply:
        """MemberUpdate."""
        asked = rpc.MemberUpdateRequest.FromString(body)
        self._require_administrator(conn, token)
        member = Member(self._known(asked.ID).id, peer_urls=tuple(asked.peerURLs))
        self._change(ConfChange(ConfChangeType.UPDATE_NODE, member.id, member, is_promote=False))
        return rpc.MemberUpdateResponse(header=self._context.header(0), members=self._listed()).SerializeToString()

    def promote(self, conn: Conn, token: Token, body: bytes, _: CallId) -> Reply:
        """MemberPromote: of a member that has copied nothing."""
        asked = rpc.MemberPromoteRequest.FromString(body)
        self._require_administrator(conn, token)
        raise Refused(refusals.LEARNER_NOT_READY if self._known(asked.ID).is_learner else refusals.MEMBER_NOT_LEARNER)

    def _change(self, change: ConfChange) -> None:
        self._context.entries.append(self._context.engine.change_membership(change))

    def _known(self, identifier: int) -> Member:
        member = self._members.get(MemberId(identifier))
        if member is None:
            raise Refused(refusals.MEMBER_NOT_FOUND)
        return member

    def _listed(self) -> list[rpc.Member]:
        """All members; this one as it is run now, whatever was written down when it was founded."""
        own = self._context.member
        listed = []
        for member in self._members.values():
            message = _message(member)
            if member.id == self._own_id:
                message.name = own.name
                message.clientURLs[:] = own.client_urls
            listed.append(message)
        return listed

    @property
    def _members(self) -> Mapping[MemberId, Member]:
        return self._context.engine.state.cluster.members

    @property
    def _own_id(self) -> int:
        return self._context.engine.options.member_id

    def _require_administrator(self, conn: Conn, token: Token) -> None:
        require_administrator(self._context.engine.state, self._context.identify(conn, token))


def _message(member: Member) -> rpc.Member:
    return rpc.Member(
        ID=member.id,
        name=member.name,
        peerURLs=member.peer_urls,
        clientURLs=member.client_urls,
        isLearner=member.is_learner,
    )


def _check_urls(urls: Iterable[str]) -> None:
    """Each is scheme and host:port, and nothing more. Raises `Refused`."""
    given = list(urls)
    if not given or not all(map(_is_peer_url, given)):
        raise Refused(INVALID_URLS)


def _is_peer_url(text: str) -> bool:
    try:
        url = urlsplit(text.strip())
        has_port = url.port is not None
    except ValueError:
        return False
    if url.scheme in ("unix", "unixs"):
        return bool(url.netloc or url.path)
    return url.scheme in ("http", "https") and has_port and url.path in ("", "/")
