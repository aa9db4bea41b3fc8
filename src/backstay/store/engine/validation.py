"""The shape of a request, checked before anything is looked up: empty keys, options that exclude each other, transactions.

Both branches at every depth count, taken or not. The texts and their order are etcd's.
"""

from __future__ import annotations

from backstay.formats import requests
from backstay.formats.requests import AlarmAction, Message, Operation, SortOrder, SortTarget
from backstay.store import refusals
from backstay.store.ranges import FROM_KEY_ON, RangeSet, key_range
from backstay.store.refusals import Refused

_ORDERS = frozenset(SortOrder)
_TARGETS = frozenset(SortTarget)


def check_shape(body: Message, max_operations: int) -> None:
    """Raise `Refused` for a request that no state could make valid."""
    if isinstance(body, requests.Txn):
        _check_txn(body, max_operations)
        for branch in (body.success, body.failure):
            if not _cannot_collide(branch):
                _written(branch)
    else:
        _check_operation(body)


def is_read_only(txn: requests.Txn) -> bool:
    """Whether only ranges stand in its branches: a nested transaction counts as writing."""
    return all(each.range is not None for each in (*txn.success, *txn.failure))


_LOOKS = (requests.UserGet, requests.UserList, requests.RoleGet, requests.RoleList, requests.AuthStatus, requests.Range)


def only_looks(body: Message) -> bool:
    """Whether `body` asks and changes nothing, so that it needs no entry."""
    if isinstance(body, requests.Alarm):
        return body.action == AlarmAction.GET
    return isinstance(body, _LOOKS) or (isinstance(body, requests.Txn) and is_read_only(body))


def refuse_writes(body: Message) -> None:
    """Raise `Refused` for whatever would change a store that is only looked at."""
    if not only_looks(body):
        raise Refused(refusals.READ_ONLY)


def _check_operation(body: Message) -> None:
    if isinstance(body, requests.Range):
        if not body.key:
            raise Refused(refusals.KEY_NOT_PROVIDED)
        if body.sort_order not in _ORDERS or body.sort_target not in _TARGETS:
            raise Refused(refusals.INVALID_SORT)
    elif isinstance(body, requests.Put):
        if not body.key:
            raise Refused(refusals.KEY_NOT_PROVIDED)
        if body.ignore_value and body.value:
            raise Refused(refusals.VALUE_PROVIDED)
        if body.ignore_lease and body.lease:
            raise Refused(refusals.LEASE_PROVIDED)
    elif isinstance(body, requests.DeleteRange) and not body.key:
        raise Refused(refusals.KEY_NOT_PROVIDED)


def _check_txn(txn: requests.Txn, limit: int) -> None:
    size = max(len(txn.compare), len(txn.success), len(txn.failure))
    if size > limit:
        raise Refused(refusals.TOO_MANY_OPERATIONS)
    if not all(compare.key for compare in txn.compare):
        raise Refused(refusals.KEY_NOT_PROVIDED)
    for operation in (*txn.success, *txn.failure):
        if operation.txn is not None:
            _check_txn(operation.txn, limit - size)
            continue
        part = operation.range or operation.put or operation.delete_range
        if part is None:
            raise Refused(refusals.KEY_NOT_FOUND)
        _check_operation(part)


def _cannot_collide(operations: tuple[Operation, ...]) -> bool:
    """Whether the branch has one operation, or only reads and puts, each key once, as most do."""
    if len(operations) <= 1:
        return not operations or operations[0].txn is None
    puts = [each.put.key for each in operations if each.put is not None]
    others = sum(each.range is not None for each in operations)
    return len(puts) + others == len(operations) and len(set(puts)) == len(puts)


def _written(operations: tuple[Operation, ...]) -> tuple[set[bytes], RangeSet]:
    """The keys that a branch puts and the ranges it deletes. Raises `Refused` where two of them collide.

    etcd's rule has holes, and clients may rely on them: the deletes of this level are known before anything else, those
    of nested transactions only to what follows; a delete from a key on collides with nothing.
    """
    deleted = [RangeSet(key_range(*_deleted(each)) for each in operations if _deleted(each)[0])]
    puts: set[bytes] = set()
    for operation in operations:
        if operation.txn is None:
            continue
        then_puts, then_deleted = _written(operation.txn.success)
        else_puts, else_deleted = _written(operation.txn.failure)
        nested = then_puts | else_puts
        if nested & puts or _hit(nested, deleted):
            raise Refused(refusals.DUPLICATE_KEY)
        puts |= nested
        deleted += (then_deleted, else_deleted)
    for operation in operations:
        if operation.put is not None:
            key = operation.put.key
            if key in puts or _hit({key}, deleted):
                raise Refused(refusals.DUPLICATE_KEY)
            puts.add(key)
    return puts, RangeSet(each for ranges in deleted for each in ranges)


def _deleted(operation: Operation) -> tuple[bytes, bytes]:
    delete = operation.delete_range
    if delete is None or delete.range_end == FROM_KEY_ON:
        return b"", b""
    return delete.key, delete.range_end


def _hit(keys: set[bytes], deleted: list[RangeSet]) -> bool:
    return any(ranges.holds(key) for ranges in deleted for key in keys)
