"""Ranges of keys, and the parts of a transaction as values: comparisons and operations.

Made by users of `kv.txn`; turned into etcd's messages here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.values import LeaseId, Revision

FROM_KEY = b"\x00"
"""As `range_end`: everything from the key on."""


def prefix_end(prefix: bytes) -> bytes:
    """The `range_end` of all keys that begin with `prefix`; use key `\\x00` for the empty prefix."""
    end = prefix.rstrip(b"\xff")
    return end[:-1] + bytes([end[-1] + 1]) if end else FROM_KEY


class SortOrder(IntEnum):
    """NONE is key order."""

    NONE = 0
    ASCEND = 1
    DESCEND = 2


class SortTarget(IntEnum):
    """What a range is sorted by."""

    KEY = 0
    VERSION = 1
    CREATE = 2
    MOD = 3
    VALUE = 4


_SIGNS = {
    "=": rpc.Compare.EQUAL,
    ">": rpc.Compare.GREATER,
    "<": rpc.Compare.LESS,
    "!=": rpc.Compare.NOT_EQUAL,
}


@dataclass(frozen=True, slots=True)
class Compare:
    """One condition of a transaction. `sign` is one of `=`, `!=`, `<`, `>`; made by the class methods."""

    message: rpc.Compare

    @classmethod
    def value(cls, key: bytes, sign: str, value: bytes, *, range_end: bytes = b"") -> Compare:
        """The key's value."""
        return cls(_compare(rpc.Compare.VALUE, key, sign, range_end, value=value))

    @classmethod
    def version(cls, key: bytes, sign: str, version: int, *, range_end: bytes = b"") -> Compare:
        """The key's version; 0 means that it does not exist."""
        return cls(_compare(rpc.Compare.VERSION, key, sign, range_end, version=version))

    @classmethod
    def create_revision(cls, key: bytes, sign: str, revision: Revision | int, *, range_end: bytes = b"") -> Compare:
        """The revision that created the key; 0 means that it does not exist."""
        return cls(_compare(rpc.Compare.CREATE, key, sign, range_end, create_revision=revision))

    @classmethod
    def mod_revision(cls, key: bytes, sign: str, revision: Revision | int, *, range_end: bytes = b"") -> Compare:
        """The revision of the key's last change; 0 means that it does not exist."""
        return cls(_compare(rpc.Compare.MOD, key, sign, range_end, mod_revision=revision))

    @classmethod
    def lease(cls, key: bytes, sign: str, lease: LeaseId | int, *, range_end: bytes = b"") -> Compare:
        """The key's lease; 0 means none."""
        return cls(_compare(rpc.Compare.LEASE, key, sign, range_end, lease=lease))


def _compare(
    target: rpc.Compare.CompareTarget,
    key: bytes,
    sign: str,
    range_end: bytes,
    *,
    value: bytes | None = None,
    version: int | None = None,
    create_revision: int | None = None,
    mod_revision: int | None = None,
    lease: int | None = None,
) -> rpc.Compare:
    if sign not in _SIGNS:
        raise ValueError(f"{sign!r} is none of {', '.join(_SIGNS)}")
    return rpc.Compare(
        result=_SIGNS[sign], target=target, key=key, range_end=range_end,
        value=value, version=version, create_revision=create_revision, mod_revision=mod_revision, lease=lease,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Operation:
    """One step of a transaction; made by the class methods."""

    message: rpc.RequestOp

    @classmethod
    def range(
        cls, key: bytes, *, range_end: bytes = b"", limit: int = 0, revision: Revision | int = 0, keys_only: bool = False,
        count_only: bool = False,
    ) -> Operation:  # fmt: skip
        """Read a key or a range."""
        request = rpc.RangeRequest(
            key=key, range_end=range_end, limit=limit, revision=revision, keys_only=keys_only, count_only=count_only
        )
        return cls(rpc.RequestOp(request_range=request))

    @classmethod
    def put(
        cls, key: bytes, value: bytes, *, lease: LeaseId | int = 0, previous: bool = False, ignore_value: bool = False,
        ignore_lease: bool = False,
    ) -> Operation:  # fmt: skip
        """Write a key."""
        request = rpc.PutRequest(
            key=key, value=value, lease=lease, prev_kv=previous, ignore_value=ignore_value, ignore_lease=ignore_lease
        )
        return cls(rpc.RequestOp(request_put=request))

    @classmethod
    def delete_range(cls, key: bytes, *, range_end: bytes = b"", previous: bool = False) -> Operation:
        """Delete a key or a range."""
        request = rpc.DeleteRangeRequest(key=key, range_end=range_end, prev_kv=previous)
        return cls(rpc.RequestOp(request_delete_range=request))

    @classmethod
    def txn(
        cls, compare: tuple[Compare, ...], success: tuple[Operation, ...], failure: tuple[Operation, ...] = ()
    ) -> Operation:
        """A transaction inside the transaction."""
        return cls(rpc.RequestOp(request_txn=txn_request(compare, success, failure)))


def txn_request(
    compare: tuple[Compare, ...], success: tuple[Operation, ...], failure: tuple[Operation, ...]
) -> rpc.TxnRequest:
    """The message of a transaction."""
    return rpc.TxnRequest(
        compare=[condition.message for condition in compare],
        success=[operation.message for operation in success],
        failure=[operation.message for operation in failure],
    )
