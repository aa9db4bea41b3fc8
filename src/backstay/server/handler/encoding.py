"""What the engine answers turned into protobuf. Headers inside a transaction hold the revision only, as etcd's do."""

from __future__ import annotations

from backstay.etcd.pb import kv_pb2
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.formats.mvcc import KeyValue
from backstay.formats.protowire import bytes_field
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


def encode_txn_response(header: rpc.ResponseHeader, answer: TxnAnswer) -> bytes:
    """The response to a transaction. By hand: protobuf's own encoder gives up at a depth that etcd's transactions reach."""
    return _encode_txn(header.SerializeToString(), answer)


def _encode_txn(header: bytes, answer: TxnAnswer) -> bytes:
    parts = [bytes_field(1, header)]
    if answer.succeeded:
        parts.append(b"\x10\x01")
    parts.extend(bytes_field(3, _operation(each)) for each in answer.answers)
    return b"".join(parts)


def _operation(answer: PutAnswer | RangeAnswer | DeleteAnswer | TxnAnswer | None) -> bytes:
    if isinstance(answer, TxnAnswer):
        return bytes_field(4, _encode_txn(b"", answer))
    if answer is None:
        return b""
    header = rpc.ResponseHeader(revision=answer.revision)
    if isinstance(answer, PutAnswer):
        return bytes_field(2, put_response(header, answer).SerializeToString())
    if isinstance(answer, RangeAnswer):
        return bytes_field(1, range_response(header, answer).SerializeToString())
    return bytes_field(3, delete_response(header, answer).SerializeToString())
