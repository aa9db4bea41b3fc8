"""Requests about keys, leases and alarms, as they stand in the log (etcd-files section 6.5).

`range_end` is empty for one key, 00 for everything from the key on, else the end of [key, range_end). Enumerations stay
plain numbers: a number of a release yet to come must survive reading.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from backstay.formats.requests.codec import Field, Kind, Message


class SortOrder(IntEnum):
    """Range.sort_order."""

    NONE = 0
    ASCEND = 1
    DESCEND = 2


class SortTarget(IntEnum):
    """Range.sort_target."""

    KEY = 0
    VERSION = 1
    CREATE = 2
    MOD = 3
    VALUE = 4


class CompareResult(IntEnum):
    """Compare.result: how the stored value must relate to the given one."""

    EQUAL = 0
    GREATER = 1
    LESS = 2
    NOT_EQUAL = 3


class CompareTarget(IntEnum):
    """Compare.target: what of the stored key is compared."""

    VERSION = 0
    CREATE = 1
    MOD = 2
    VALUE = 3
    LEASE = 4


class AlarmAction(IntEnum):
    """Alarm.action."""

    GET = 0
    ACTIVATE = 1
    DEACTIVATE = 2


@dataclass(frozen=True, slots=True)
class Range(Message):
    """Read keys; in the log only inside transactions."""

    key: bytes = b""
    range_end: bytes = b""
    limit: int = 0
    revision: int = 0
    sort_order: int = 0
    sort_target: int = 0
    serializable: bool = False
    keys_only: bool = False
    count_only: bool = False
    min_mod_revision: int = 0
    max_mod_revision: int = 0
    min_create_revision: int = 0
    max_create_revision: int = 0

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(1, "key", Kind.BYTES),
        Field(2, "range_end", Kind.BYTES),
        Field(3, "limit", Kind.SIGNED),
        Field(4, "revision", Kind.SIGNED),
        Field(5, "sort_order", Kind.SIGNED),
        Field(6, "sort_target", Kind.SIGNED),
        Field(7, "serializable", Kind.FLAG),
        Field(8, "keys_only", Kind.FLAG),
        Field(9, "count_only", Kind.FLAG),
        Field(10, "min_mod_revision", Kind.SIGNED),
        Field(11, "max_mod_revision", Kind.SIGNED),
        Field(12, "min_create_revision", Kind.SIGNED),
        Field(13, "max_create_revision", Kind.SIGNED),
    )


@dataclass(frozen=True, slots=True)
class Put(Message):
    """Write one key."""

    key: bytes = b""
    value: bytes = b""
    lease: int = 0
    prev_kv: bool = False
    ignore_value: bool = False
    ignore_lease: bool = False

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(1, "key", Kind.BYTES),
        Field(2, "value", Kind.BYTES),
        Field(3, "lease", Kind.SIGNED),
        Field(4, "prev_kv", Kind.FLAG),
        Field(5, "ignore_value", Kind.FLAG),
        Field(6, "ignore_lease", Kind.FLAG),
    )


@dataclass(frozen=True, slots=True)
class DeleteRange(Message):
    """Delete the keys of a range."""

    key: bytes = b""
    range_end: bytes = b""
    prev_kv: bool = False

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(1, "key", Kind.BYTES),
        Field(2, "range_end", Kind.BYTES),
        Field(3, "prev_kv", Kind.FLAG),
    )


@dataclass(frozen=True, slots=True)
class Compare(Message):
    """One condition of a transaction. At most one of the five values is set; one that does not fit `target` counts as 0."""

    result: int = 0
    target: int = 0
    key: bytes = b""
    version: int | None = None
    create_revision: int | None = None
    mod_revision: int | None = None
    value: bytes | None = None
    lease: int | None = None
    range_end: bytes = b""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(1, "result", Kind.SIGNED),
        Field(2, "target", Kind.SIGNED),
        Field(3, "key", Kind.BYTES),
        Field(4, "version", Kind.SIGNED, optional=True),
        Field(5, "create_revision", Kind.SIGNED, optional=True),
        Field(6, "mod_revision", Kind.SIGNED, optional=True),
        Field(7, "value", Kind.BYTES, optional=True),
        Field(8, "lease", Kind.SIGNED, optional=True),
        Field(64, "range_end", Kind.BYTES),
    )


@dataclass(frozen=True, slots=True)
class Operation(Message):
    """One step of a transaction's branch: exactly one of the four is set in a request that a server let through."""

    range: Range | None = None
    put: Put | None = None
    delete_range: DeleteRange | None = None
    txn: Txn | None = None

    FIELDS: ClassVar[tuple[Field, ...]] = ()


@dataclass(frozen=True, slots=True)
class Txn(Message):
    """If all of `compare` hold then `success`, else `failure`; one revision for all of it."""

    compare: tuple[Compare, ...] = ()
    success: tuple[Operation, ...] = ()
    failure: tuple[Operation, ...] = ()

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(1, "compare", Kind.MESSAGE, Compare, repeated=True),
        Field(2, "success", Kind.MESSAGE, Operation, repeated=True),
        Field(3, "failure", Kind.MESSAGE, Operation, repeated=True),
    )


# A transaction holds operations and an operation may hold a transaction, so one of the two tables has to come late.
Operation.FIELDS = (
    Field(1, "range", Kind.MESSAGE, Range, optional=True),
    Field(2, "put", Kind.MESSAGE, Put, optional=True),
    Field(3, "delete_range", Kind.MESSAGE, DeleteRange, optional=True),
    Field(4, "txn", Kind.MESSAGE, Txn, optional=True),
)


@dataclass(frozen=True, slots=True)
class Compaction(Message):
    """Forget the history below a revision; `physical` only concerns when the answer comes."""

    revision: int = 0
    physical: bool = False

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(1, "revision", Kind.SIGNED),
        Field(2, "physical", Kind.FLAG),
    )


@dataclass(frozen=True, slots=True)
class LeaseGrant(Message):
    """Create a lease; in the log with its final id. `ttl` is seconds."""

    ttl: int = 0
    id: int = 0

    FIELDS: ClassVar[tuple[Field, ...]] = (Field(1, "ttl", Kind.SIGNED), Field(2, "id", Kind.SIGNED))


@dataclass(frozen=True, slots=True)
class LeaseRevoke(Message):
    """Delete a lease and every key attached to it."""

    id: int = 0

    FIELDS: ClassVar[tuple[Field, ...]] = (Field(1, "id", Kind.SIGNED),)


@dataclass(frozen=True, slots=True)
class RemainingTime(Message):
    """What is left of a lease, in seconds."""

    id: int = 0
    remaining_ttl: int = 0

    FIELDS: ClassVar[tuple[Field, ...]] = (Field(1, "id", Kind.SIGNED), Field(2, "remaining_ttl", Kind.SIGNED))


@dataclass(frozen=True, slots=True)
class LeaseCheckpoint(Message):
    """The leader's note of what is left of some leases."""

    checkpoints: tuple[RemainingTime, ...] = ()

    FIELDS: ClassVar[tuple[Field, ...]] = (Field(1, "checkpoints", Kind.MESSAGE, RemainingTime, repeated=True),)


@dataclass(frozen=True, slots=True)
class Alarm(Message):
    """Raise, lower or list alarms; `kind` is an AlarmType."""

    action: int = 0
    member_id: int = 0
    kind: int = 0

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(1, "action", Kind.SIGNED),
        Field(2, "member_id", Kind.UNSIGNED),
        Field(3, "kind", Kind.SIGNED),
    )
