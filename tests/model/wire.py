"""Requests sent to any etcd as the bytes that its log would hold, and answers in one form that can be compared.

    (revision, answer)    answered: the header's revision, and what the answer says, as tuples
    "NotFound: ..."       refused: gRPC's code and the message

What two servers need not share is left out: ids of members and clusters, raft terms, sizes, times.
"""

from __future__ import annotations

from typing import Any

import grpc

from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.formats import requests
from backstay.formats.requests import Message
from backstay.formats.requests.codec import encode

SECONDS = 20.0
METHODS: dict[type[Message], tuple[str, type[Any]]] = {
    requests.Range: ("KV/Range", rpc.RangeResponse),
    requests.Put: ("KV/Put", rpc.PutResponse),
    requests.DeleteRange: ("KV/DeleteRange", rpc.DeleteRangeResponse),
    requests.Txn: ("KV/Txn", rpc.TxnResponse),
    requests.Compaction: ("KV/Compact", rpc.CompactionResponse),
    requests.LeaseGrant: ("Lease/LeaseGrant", rpc.LeaseGrantResponse),
    requests.LeaseRevoke: ("Lease/LeaseRevoke", rpc.LeaseRevokeResponse),
}

Answered = tuple[int, object]
Metadata = tuple[tuple[str, str], ...]


def begin(channel: grpc.Channel, body: Message, metadata: Metadata = ()) -> Any:
    """Send `body`; the call, whose `result()` is the response."""
    method, kind = METHODS[type(body)]
    call = channel.unary_unary(f"/etcdserverpb.{method}", response_deserializer=kind.FromString)
    return call.future(encode(body), timeout=SECONDS, metadata=metadata)


def end(call: Any) -> Answered | str:
    """Wait for a call; its answer, or the text of the refusal."""
    try:
        return answered(call.result())
    except grpc.RpcError as problem:
        return refusal_of(problem)


def ask(channel: grpc.Channel, body: Message, metadata: Metadata = ()) -> Answered | str:
    """Send `body` and wait for what comes of it."""
    return end(begin(channel, body, metadata))


def ask_raw(channel: grpc.Channel, method: str, request: Any, kind: type[Any], metadata: Metadata = ()) -> Any:
    """One call of any other method; its response."""
    call = channel.unary_unary(
        f"/etcdserverpb.{method}",
        request_serializer=type(request).SerializeToString,
        response_deserializer=kind.FromString,
    )
    return call(request, timeout=SECONDS, metadata=metadata)


def refusal_of(problem: Any) -> str:
    """Code and message of a failed call."""
    return f"{problem.code().name.title().replace('_', '')}: {problem.details()}"


def answered(response: Any) -> Answered:
    """A response in its comparable form."""
    return response.header.revision, answer_of(response)


def answer_of(response: Any) -> object:
    """What a response says beside its header."""
    if isinstance(response, rpc.RangeResponse):
        return tuple(map(pair, response.kvs)), response.more, response.count
    if isinstance(response, rpc.PutResponse):
        return pair(response.prev_kv) if response.HasField("prev_kv") else None
    if isinstance(response, rpc.DeleteRangeResponse):
        return response.deleted, tuple(map(pair, response.prev_kvs))
    if isinstance(response, rpc.TxnResponse):
        parts = [getattr(each, each.WhichOneof("response")) for each in response.responses]
        return response.succeeded, tuple((each.header.revision, answer_of(each)) for each in parts)
    if isinstance(response, rpc.LeaseGrantResponse):
        return response.ID, response.TTL
    return None


def pair(item: Any) -> tuple[object, ...]:
    """A key and its value, whoever's class it is."""
    return (item.key, item.create_revision, item.mod_revision, item.version, item.value, item.lease)


def event(message: Any) -> tuple[object, ...]:
    """A watched change: whether it deletes, the pair, and the pair before it where there is one."""
    before = pair(message.prev_kv) if message.HasField("prev_kv") else None
    return bool(message.type), pair(message.kv), before
