"""Range and Put between protobuf and the tuples of the contract.

Only these two cross decoded: they are most of what a store is asked. A request that says more than its tuple can hold (bounds
of revisions, an unknown sort order), or whose answer may be long, stays what it was, protobuf, and goes the way of every
other call.
"""

from __future__ import annotations

from typing import TypeAlias, cast

from backstay.etcd.pb import kv_pb2, rpc_pb2
from backstay.formats.mvcc import KeyValue
from backstay.server.identity import Identity
from backstay.server.methods import Op
from backstay.server.statuses import INTERNAL
from backstay.server.transport import (
    COUNT_ONLY,
    IGNORE_LEASE,
    IGNORE_VALUE,
    KEYS_ONLY,
    PREV_KV,
    SERIALIZABLE,
    SORT_ORDER_SHIFT,
    SORT_TARGET_SHIFT,
    Conn,
    PutCall,
    RangeCall,
    Reply,
    Status,
    Token,
)

RangeReply: TypeAlias = tuple[int, list[KeyValue], bool, int]
"""(revision, rows, more, count)."""
RANGE_REPLY_LENGTH = 4
UNANSWERABLE: Status = (INTERNAL, "backstay: the answer is of a kind that the method does not have")
SORT_ORDERS, SORT_TARGETS = 3, 5
"""How many values etcd's enumerations have."""
LONGEST_HOT_RANGE = 1_000
"""Keys. A longer answer may have to be made in pieces, between other calls, and only a call with a number can wait."""


def decode_range(body: bytes, conn: Conn, token: Token) -> RangeCall | None:
    """A RangeRequest as a tuple; None when a tuple cannot hold it.

    Raises `google.protobuf.message.DecodeError`.
    """
    request = rpc_pb2.RangeRequest.FromString(body)
    order, target = request.sort_order, request.sort_target
    if (
        request.min_mod_revision
        or request.max_mod_revision
        or request.min_create_revision
        or request.max_create_revision
        or not 0 <= order < SORT_ORDERS
        or not 0 <= target < SORT_TARGETS
        or (request.range_end and not 0 < request.limit <= LONGEST_HOT_RANGE and not request.count_only)
    ):
        return None
    bits = order << SORT_ORDER_SHIFT | target << SORT_TARGET_SHIFT
    if request.serializable:
        bits |= SERIALIZABLE
    if request.keys_only:
        bits |= KEYS_ONLY
    if request.count_only:
        bits |= COUNT_ONLY
    return Op.RANGE, conn, token, request.key, request.range_end, request.limit, request.revision, bits


def decode_put(body: bytes, conn: Conn, token: Token) -> PutCall:
    """A PutRequest as a tuple. Raises `google.protobuf.message.DecodeError`."""
    request = rpc_pb2.PutRequest.FromString(body)
    bits = 0
    if request.prev_kv:
        bits |= PREV_KV
    if request.ignore_value:
        bits |= IGNORE_VALUE
    if request.ignore_lease:
        bits |= IGNORE_LEASE
    return Op.PUT, conn, token, request.key, request.value, request.lease, bits


def header(identity: Identity, revision: int) -> rpc_pb2.ResponseHeader:
    """The header of an answer at `revision`."""
    return rpc_pb2.ResponseHeader(
        cluster_id=identity.cluster, member_id=identity.member, revision=revision, raft_term=identity.term
    )


def encode_put(identity: Identity, revision: int) -> bytes:
    """The response to a Put that asked for nothing more."""
    return rpc_pb2.PutResponse(header=header(identity, revision)).SerializeToString()


def encode_range(identity: Identity, reply: RangeReply) -> bytes:
    """The response to a Range."""
    revision, rows, more, count = reply
    response = rpc_pb2.RangeResponse(header=header(identity, revision), more=more, count=count)
    for key, create, mod, version, value, lease in rows:
        response.kvs.append(
            kv_pb2.KeyValue(
                key=key, create_revision=create, mod_revision=mod, version=version, lease=lease, value=value
            )
        )
    return response.SerializeToString()


def decode(op: Op, body: bytes, conn: Conn, token: Token) -> RangeCall | PutCall | None:
    """A hot call as a tuple; None for every other. Raises `google.protobuf.message.DecodeError`."""
    if op is Op.RANGE:
        return decode_range(body, conn, token)
    if op is Op.PUT:
        return decode_put(body, conn, token)
    return None


def encode_reply(identity: Identity, reply: Reply) -> bytes | Status:
    """What a client gets: a response as protobuf, or a refusal."""
    if isinstance(reply, bytes):
        return reply
    if isinstance(reply, int):
        return encode_put(identity, reply)
    if isinstance(reply, tuple):
        if len(reply) == RANGE_REPLY_LENGTH:
            return encode_range(identity, cast(RangeReply, reply))
        return cast(Status, reply)
    return UNANSWERABLE
