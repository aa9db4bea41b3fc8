"""What an applied request answers, for the embedded store to turn into responses.

`revision` is what the response's header says: the store's revision when the answer was made. Inside a transaction that
is the old one before the first write and the new one after it.
"""

from __future__ import annotations

from typing import NamedTuple

from backstay.formats.mvcc import KeyValue
from backstay.formats.schema import Alarm, Lease, Permission
from backstay.values import Revision


class PutAnswer(NamedTuple):
    """`previous` only where it was asked for and existed."""

    revision: Revision
    previous: KeyValue | None = None


class RangeAnswer(NamedTuple):
    """`total` counts all keys in the range, whatever the limit and the filters."""

    revision: Revision
    items: tuple[KeyValue, ...] = ()
    more: bool = False
    total: int = 0


class DeleteAnswer(NamedTuple):
    """`previous` in key order, only where it was asked for."""

    revision: Revision
    deleted: int = 0
    previous: tuple[KeyValue, ...] = ()


class TxnAnswer(NamedTuple):
    """One answer for each operation of the branch that was taken; None for an empty operation."""

    succeeded: bool
    answers: tuple[PutAnswer | RangeAnswer | DeleteAnswer | TxnAnswer | None, ...] = ()


class LeaseAnswer(NamedTuple):
    """The lease as it was granted: its TTL may be longer than asked for."""

    lease: Lease


class AlarmAnswer(NamedTuple):
    """The alarms that were listed, raised or lowered."""

    alarms: tuple[Alarm, ...]


class NamesAnswer(NamedTuple):
    """Names in order: of all users, of all roles, or of one user's roles."""

    names: tuple[str, ...]


class PermissionsAnswer(NamedTuple):
    """The permissions of one role."""

    permissions: tuple[Permission, ...]


class AuthStatusAnswer(NamedTuple):
    """Whether access control is on, and its own revision counter."""

    enabled: bool
    auth_revision: int


OperationAnswer = PutAnswer | RangeAnswer | DeleteAnswer | TxnAnswer
Answer = OperationAnswer | LeaseAnswer | AlarmAnswer | NamesAnswer | PermissionsAnswer | AuthStatusAnswer
