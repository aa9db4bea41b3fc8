"""Cluster: the one member there is. A second one is refused, and the refusal names the way: real etcd on this directory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.server.handler.context import HandlerContext
from backstay.server.handler.service import Answer, StreamMethod
from backstay.server.methods import Op
from backstay.server.transport import CallId, Conn, Reply, Token
from backstay.store import refusals
from backstay.store.engine.rights import require_administrator, require_identity
from backstay.store.refusals import Refusal, Refused

INVALID_URLS = Refusal("InvalidArgument", "etcdserver: given member URLs are invalid")
NOT_ENOUGH_STARTED = Refusal("Unknown", "etcdserver: re-configuration failed due to not enough started members")
"""Meant as FailedPrecondition; this is the code that etcd really sends."""
ONE_MEMBER_ONLY = Refusal(
    "FailedPrecondition",
    "backstay: this store serves one member; to grow, stop it, start etcd on the same data directory, add the member there",
)
FIXED_URLS = Refusal(
    "FailedPrecondition",
    "backstay: this store has no peers; to change peer URLs, stop it, start etcd on the same data directory, change them there",
)


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
        member = self._context.member
        listed = rpc.Member(ID=self._own_id, name=member.name, peerURLs=member.peer_urls, clientURLs=member.client_urls)
        return rpc.MemberListResponse(header=self._context.header(0), members=[listed]).SerializeToString()

    def add(self, conn: Conn, token: Token, body: bytes, _: CallId) -> Reply:
        """MemberAdd."""
        asked = rpc.MemberAddRequest.FromString(body)
        _check_urls(asked.peerURLs)
        self._require_administrator(conn, token)
        if set(asked.peerURLs) & set(self._context.member.peer_urls):
            raise Refused(refusals.PEER_URL_EXISTS)
        raise Refused(ONE_MEMBER_ONLY)

    def remove(self, conn: Conn, token: Token, body: bytes, _: CallId) -> Reply:
        """MemberRemove."""
        asked = rpc.MemberRemoveRequest.FromString(body)
        self._require_administrator(conn, token)
        self._require_own(asked.ID)
        raise Refused(NOT_ENOUGH_STARTED)

    def update(self, conn: Conn, token: Token, body: bytes, _: CallId) -> Reply:
        """MemberUpdate."""
        asked = rpc.MemberUpdateRequest.FromString(body)
        _check_urls(asked.peerURLs)
        self._require_administrator(conn, token)
        self._require_own(asked.ID)
        raise Refused(FIXED_URLS)

    def promote(self, conn: Conn, token: Token, body: bytes, _: CallId) -> Reply:
        """MemberPromote."""
        asked = rpc.MemberPromoteRequest.FromString(body)
        self._require_administrator(conn, token)
        self._require_own(asked.ID)
        raise Refused(refusals.MEMBER_NOT_LEARNER)

    @property
    def _own_id(self) -> int:
        return self._context.engine.options.member_id

    def _require_administrator(self, conn: Conn, token: Token) -> None:
        require_administrator(self._context.engine.state, self._context.identify(conn, token))

    def _require_own(self, identifier: int) -> None:
        if identifier != self._own_id:
            raise Refused(refusals.MEMBER_NOT_FOUND)


def _check_urls(urls: Iterable[str]) -> None:
    """Each is scheme and host:port, and nothing more. Raises `Refused`."""
    given = list(urls)
    if not given or not all(map(_is_peer_url, given)):
        raise Refused(INVALID_URLS)


def _is_peer_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        has_port = url.port is not None
    except ValueError:
        return False
    if url.scheme in ("unix", "unixs"):
        return bool(url.netloc or url.path)
    return url.scheme in ("http", "https") and has_port and url.path in ("", "/")
