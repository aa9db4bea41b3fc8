"""What the engine answers turned into protobuf. Headers inside a transaction hold the revision only, as etcd's do."""

from __future__ import annotations

from backstay.etcd.pb import kv_pb2
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.formats.mvcc import KeyValue
from backstay.store.answers import DeleteAnswer, PutAnswer, RangeAnswer, TxnAnswer


def encode_pair(item: KeyValue) -> kv_pb2.KeyValue:
    """One key with everything about it."""
    key, create, mod, version, value, lease = item
    return kv_pb2.KeyValue(key=key, create_revision=create, mod_revision=mod, version=version, value=value, lease=lease)


def range_response(header: rpc.ResponseHeader, answer: RangeAnswer) -> rpc.RangeResponse:
    """The response to a Range."""
    return rpc.RangeResponse(header=header, kvs=map(encode_pair, answer.items), more=answer.more, count=answer.total)


def put_response(header: rpc.ResponseHeader, answer: PutAnswer) -> rpc.PutResponse:
    """The response to a Put."""
    previous = encode_pair(answer.previous) if answer.previous is not None else None
    return rpc.PutResponse(header=header, prev_kv=previous)


def delete_response(header: rpc.ResponseHeader, answer: DeleteAnswer) -> rpc.DeleteRangeResponse:
    """The response to a DeleteRange."""
    return rpc.DeleteRangeResponse(header=header, deleted=answer.deleted, prev_kvs=map(encode_pair, answer.previous))


def txn_response(header: rpc.ResponseHeader, answer: TxnAnswer) -> rpc.TxnResponse:
    """The response to a transaction."""
    return rpc.TxnResponse(header=header, succeeded=answer.succeeded, responses=map(_operation, answer.answers))


def _operation(answer: PutAnswer | RangeAnswer | DeleteAnswer | TxnAnswer | None) -> rpc.ResponseOp:
    if isinstance(answer, PutAnswer):
        return rpc.ResponseOp(response_put=put_response(rpc.ResponseHeader(revision=answer.revision), answer))
    if isinstance(answer, RangeAnswer):
        return rpc.ResponseOp(response_range=range_response(rpc.ResponseHeader(revision=answer.revision), answer))
    if isinstance(answer, DeleteAnswer):
        header = rpc.ResponseHeader(revision=answer.revision)
        return rpc.ResponseOp(response_delete_range=delete_response(header, answer))
    if isinstance(answer, TxnAnswer):
        return rpc.ResponseOp(response_txn=txn_response(rpc.ResponseHeader(), answer))
    return rpc.ResponseOp()
