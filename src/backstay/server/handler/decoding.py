"""Requests as clients send them (protobuf) turned into what the engine takes. Every decoder may raise `DecodeError`."""

from __future__ import annotations

from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.formats import requests


def decode_range(message: rpc.RangeRequest) -> requests.Range:
    """A Range, inside a transaction too."""
    return requests.Range(
        message.key,
        message.range_end,
        message.limit,
        message.revision,
        message.sort_order,
        message.sort_target,
        message.serializable,
        message.keys_only,
        message.count_only,
        message.min_mod_revision,
        message.max_mod_revision,
        message.min_create_revision,
        message.max_create_revision,
    )


def decode_put(message: rpc.PutRequest) -> requests.Put:
    """A Put, inside a transaction too."""
    return requests.Put(
        message.key, message.value, message.lease, message.prev_kv, message.ignore_value, message.ignore_lease
    )


def decode_delete(message: rpc.DeleteRangeRequest) -> requests.DeleteRange:
    """A DeleteRange, inside a transaction too."""
    return requests.DeleteRange(message.key, message.range_end, message.prev_kv)


def decode_txn(message: rpc.TxnRequest) -> requests.Txn:
    """A transaction at any depth; protobuf bounds how deep it can be."""
    return requests.Txn(
        tuple(map(_compare, message.compare)),
        tuple(map(_operation, message.success)),
        tuple(map(_operation, message.failure)),
    )


def _compare(message: rpc.Compare) -> requests.Compare:
    given = message.WhichOneof("target_union")
    number = getattr(message, given) if given is not None else None
    return requests.Compare(
        message.result,
        message.target,
        message.key,
        version=number if given == "version" else None,
        create_revision=number if given == "create_revision" else None,
        mod_revision=number if given == "mod_revision" else None,
        value=number if given == "value" else None,
        lease=number if given == "lease" else None,
        range_end=message.range_end,
    )


def _operation(message: rpc.RequestOp) -> requests.Operation:
    kind = message.WhichOneof("request")
    if kind == "request_put":
        return requests.Operation(put=decode_put(message.request_put))
    if kind == "request_range":
        return requests.Operation(range=decode_range(message.request_range))
    if kind == "request_delete_range":
        return requests.Operation(delete_range=decode_delete(message.request_delete_range))
    if kind == "request_txn":
        return requests.Operation(txn=decode_txn(message.request_txn))
    return requests.Operation()
