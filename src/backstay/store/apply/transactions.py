"""Transactions: compares, the choice of branches, the checks before the first write, and the writes.

Every compare at every depth sees the state *before* the transaction, so all branches are chosen first. Then every
operation of the chosen path is checked, and only then does anything run: a transaction happens as a whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backstay.formats import requests
from backstay.formats.mvcc import KeyValue
from backstay.formats.requests import CompareResult, CompareTarget
from backstay.store import reading, refusals
from backstay.store.answers import OperationAnswer, TxnAnswer
from backstay.store.ranges import key_range
from backstay.store.refusals import Refused
from backstay.store.state import StoreState
from backstay.store.writing import WriteBatch
from backstay.values import LeaseId

_ABSENT = KeyValue(b"")


@dataclass(frozen=True, slots=True)
class _Path:
    """A transaction with its branch chosen; nested ones are chosen too, in the order of the operations."""

    succeeded: bool
    operations: tuple[requests.Operation, ...]
    nested: tuple[_Path, ...]


def run_txn(state: StoreState, txn: requests.Txn, batch: WriteBatch) -> TxnAnswer:
    """Run `txn` on `batch`. Raises `Refused`; the batch is then to be dropped."""
    path = _choose(state, txn)
    _check(state, path)
    return _run(batch, path)


def operations_of(txn: requests.Txn) -> Iterator[requests.Operation]:
    """Every operation in every branch at every depth."""
    pending = [*txn.success, *txn.failure]
    while pending:
        operation = pending.pop()
        yield operation
        if operation.txn is not None:
            pending += (*operation.txn.success, *operation.txn.failure)


def _choose(state: StoreState, txn: requests.Txn) -> _Path:
    succeeded = all(_holds(state, compare) for compare in txn.compare)
    operations = txn.success if succeeded else txn.failure
    return _Path(succeeded, operations, tuple(_choose(state, each.txn) for each in operations if each.txn is not None))


def _holds(state: StoreState, compare: requests.Compare) -> bool:
    """Whether a compare is true for every key of its range."""
    found = False
    for key in state.keys(key_range(compare.key, compare.range_end)):
        found = True
        item = state.read(key)
        if item is not None and not _compare(compare, item):
            return False
    if found:
        return True
    # A missing value cannot be told from an empty one, so no comparison of values is true for it.
    return compare.target != CompareTarget.VALUE and _compare(compare, _ABSENT)


def _compare(compare: requests.Compare, item: KeyValue) -> bool:
    if compare.target == CompareTarget.VALUE:
        given_value = compare.value or b""
        order = (item.value > given_value) - (item.value < given_value)
    else:
        numbers: dict[int, tuple[int, int | None]] = {
            CompareTarget.VERSION: (item.version, compare.version),
            CompareTarget.CREATE: (item.create_revision, compare.create_revision),
            CompareTarget.MOD: (item.mod_revision, compare.mod_revision),
            CompareTarget.LEASE: (item.lease, compare.lease),
        }
        stored, given = numbers.get(compare.target, (0, 0))  # an unknown target counts as equal
        order = (stored > (given or 0)) - (stored < (given or 0))
    verdicts: dict[int, bool] = {
        CompareResult.EQUAL: order == 0,
        CompareResult.NOT_EQUAL: order != 0,
        CompareResult.GREATER: order > 0,
        CompareResult.LESS: order < 0,
    }
    return verdicts.get(compare.result, True)  # an unknown result counts as true


def _check(state: StoreState, path: _Path) -> None:
    """Refuse the transaction if an operation of the chosen path cannot run on the state before it."""
    nested = iter(path.nested)
    for operation in path.operations:
        if operation.range is not None:
            if operation.range.revision:
                reading.check_revision(state, operation.range.revision)
        elif operation.put is not None:
            put = operation.put
            if put.lease and LeaseId(put.lease) not in state.leases.granted:
                raise Refused(refusals.LEASE_NOT_FOUND)
            if (put.ignore_value or put.ignore_lease) and state.read(put.key) is None:
                raise Refused(refusals.KEY_NOT_FOUND)
        elif operation.txn is not None:
            _check(state, next(nested))


def _run(batch: WriteBatch, path: _Path) -> TxnAnswer:
    nested = iter(path.nested)
    answers: list[OperationAnswer | None] = []
    for operation in path.operations:
        if operation.range is not None:
            answers.append(reading.read_range(batch, operation.range))
        elif operation.put is not None:
            answers.append(batch.put(operation.put))
        elif operation.delete_range is not None:
            answers.append(batch.delete_range(operation.delete_range))
        elif operation.txn is not None:
            answers.append(_run(batch, next(nested)))
        else:
            answers.append(None)
    return TxnAnswer(path.succeeded, tuple(answers))
