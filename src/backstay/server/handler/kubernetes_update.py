"""Kubernetes' update transaction, recognised: if mod(key) = n then put key value, else get key.

An API server sends little else while it writes. Recognising the shape saves turning the transaction into the engine's
objects and back into bytes for the log: the request itself, proven to be nothing but these fields, is the entry's body.
"""

from __future__ import annotations

from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.formats.protowire import varint

_MOD = rpc.Compare.MOD


def recognise_update(message: rpc.TxnRequest, size: int) -> tuple[bytes, int, bytes] | None:
    """(key, mod revision, value) of an update that takes `size` bytes and says nothing else; None for any other."""
    compares, puts, reads = message.compare, message.success, message.failure
    if len(compares) != 1 or len(puts) != 1 or len(reads) != 1:
        return None
    compare = compares[0]
    if compare.target != _MOD or compare.result or compare.WhichOneof("target_union") != "mod_revision":
        return None
    then, otherwise = puts[0], reads[0]
    if then.WhichOneof("request") != "request_put" or otherwise.WhichOneof("request") != "request_range":
        return None
    key, mod_revision, put = compare.key, compare.mod_revision, then.request_put
    value = put.value
    if not key or put.key != key or otherwise.request_range.key != key:
        return None
    if size != _size(len(key), len(value), len(varint(mod_revision))):
        return None
    return key, mod_revision, value


def _size(key: int, value: int, mod_revision: int) -> int:
    """How long the shortest encoding is. These fields are there, so nothing else fits into as many bytes."""
    point = _field(key)
    return (
        _field(2 + point + 1 + mod_revision)
        + _field(_field(point + (_field(value) if value else 0)))
        + _field(_field(point))
    )


def _field(size: int) -> int:
    return size + (2 if size < 0x80 else 3 if size < 0x4000 else 4 if size < 0x200000 else 5)
