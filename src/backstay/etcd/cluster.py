"""The members of the cluster: list, add, remove, update, promote.

Reached as `client.cluster`. Nothing here is repeated by itself after it may have been sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from backstay.etcd import methods, results
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.etcd.transport.calls import Caller
from backstay.values import MemberId


@dataclass(frozen=True, slots=True)
class MemberList:
    """The members, in the order of their ids. The header has no revision."""

    header: results.Header
    members: tuple[results.Member, ...]


@dataclass(frozen=True, slots=True)
class MemberAdded:
    """The new member, which has no name before it starts, and all members including it."""

    header: results.Header
    member: results.Member
    members: tuple[results.Member, ...]


class Cluster:
    """etcd's Cluster service."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def members(self, *, linearizable: bool = True) -> MemberList:
        """All members; `linearizable=False` asks one member's own view, which needs no quorum (3.5 and newer)."""
        request = rpc.MemberListRequest(linearizable=linearizable)
        response = self._caller.unary(methods.MEMBER_LIST, request)
        return MemberList(results.header_of(response.header), _members(response.members))

    def add(self, peer_urls: Iterable[str], *, is_learner: bool = False) -> MemberAdded:
        """Add a member before it is started."""
        request = rpc.MemberAddRequest(peerURLs=list(peer_urls), isLearner=is_learner)
        response = self._caller.unary(methods.MEMBER_ADD, request)
        return MemberAdded(
            results.header_of(response.header), results.member_of(response.member), _members(response.members)
        )

    def remove(self, member_id: MemberId | int) -> MemberList:
        """Remove a member for ever; its id can never come back. Returns those that remain."""
        response = self._caller.unary(methods.MEMBER_REMOVE, rpc.MemberRemoveRequest(ID=member_id))
        return MemberList(results.header_of(response.header), _members(response.members))

    def update(self, member_id: MemberId | int, peer_urls: Iterable[str]) -> MemberList:
        """Replace a member's peer addresses."""
        request = rpc.MemberUpdateRequest(ID=member_id, peerURLs=list(peer_urls))
        response = self._caller.unary(methods.MEMBER_UPDATE, request)
        return MemberList(results.header_of(response.header), _members(response.members))

    def promote(self, member_id: MemberId | int) -> MemberList:
        """Make a learner that has caught up a voter."""
        response = self._caller.unary(methods.MEMBER_PROMOTE, rpc.MemberPromoteRequest(ID=member_id))
        return MemberList(results.header_of(response.header), _members(response.members))


def _members(messages: Iterable[rpc.Member]) -> tuple[results.Member, ...]:
    return tuple(results.member_of(message) for message in messages)
