"""Puts, deletes, ranges, transactions and compactions: records, revisions, answers, and refusals in etcd's words."""

from __future__ import annotations

import pytest

from backstay.formats.mvcc import KeyValue, Record, RevisionKey
from backstay.formats.requests import (
    Compaction,
    Compare,
    CompareResult,
    CompareTarget,
    DeleteRange,
    LeaseGrant,
    Operation,
    Put,
    Range,
    SortOrder,
    SortTarget,
    Txn,
)
from backstay.store import refusals
from backstay.store.answers import DeleteAnswer, PutAnswer, RangeAnswer, TxnAnswer
from backstay.store.apply import Applied
from backstay.store.state import StoreState, load_state
from tests.unit.store.building import database, do, empty, refusal_of, shown


@pytest.fixture
def state() -> StoreState:
    """a=1 at 2, b=2 at 3, a=3 at 4, b deleted at 5, c=4 with lease 7 at 6."""
    state = empty()
    do(state, LeaseGrant(60, 7))
    for body in (Put(b"a", b"1"), Put(b"b", b"2"), Put(b"a", b"3"), DeleteRange(b"b"), Put(b"c", b"4", 7)):
        do(state, body)
    return state


def read(state: StoreState, request: Range) -> RangeAnswer:
    answer = do(state, request).answer
    assert isinstance(answer, RangeAnswer)
    return answer


def operation(body: Put | DeleteRange | Range | Txn) -> Operation:
    if isinstance(body, Put):
        return Operation(put=body)
    if isinstance(body, DeleteRange):
        return Operation(delete_range=body)
    return Operation(range=body) if isinstance(body, Range) else Operation(txn=body)


def txn(*success: Put | DeleteRange | Range | Txn, compare: tuple[Compare, ...] = ()) -> Txn:
    return Txn(compare, tuple(map(operation, success)), (operation(Put(b"else", b"")),))


# Puts and deletes.


def test_records_follow_the_life_of_a_key(state: StoreState) -> None:
    assert list(state.records()) == [
        Record(RevisionKey(2, 0), KeyValue(b"a", 2, 2, 1, b"1")),
        Record(RevisionKey(3, 0), KeyValue(b"b", 3, 3, 1, b"2")),
        Record(RevisionKey(4, 0), KeyValue(b"a", 2, 4, 2, b"3")),
        Record(RevisionKey(5, 0, True), KeyValue(b"b")),
        Record(RevisionKey(6, 0), KeyValue(b"c", 6, 6, 1, b"4", 7)),
    ]
    assert do(state, Put(b"b", b"5")).records[0].item == KeyValue(b"b", 7, 7, 1, b"5")


def test_a_base_counts_as_if_it_had_been_written_here(state: StoreState) -> None:
    again = load_state(database(state.records()))
    assert again.revision == 6 and again.record_count == 0
    assert do(again, Put(b"a", ignore_value=True)).records[0].item == KeyValue(b"a", 2, 7, 3, b"3")
    assert read(again, Range(b"\0", b"\0", revision=4)).items == (
        KeyValue(b"a", 2, 4, 2, b"3"),
        KeyValue(b"b", 3, 3, 1, b"2"),
    )


def test_ignoring_value_or_lease_keeps_what_is_there(state: StoreState) -> None:
    assert do(state, Put(b"c", b"5", ignore_lease=True)).records[0].item == KeyValue(b"c", 6, 7, 2, b"5", 7)
    assert do(state, Put(b"c", ignore_value=True)).records[0].item == KeyValue(b"c", 6, 8, 3, b"5", 0)
    assert refusal_of(state, Put(b"b", ignore_value=True)) == refusals.KEY_NOT_FOUND
    assert refusal_of(state, Put(b"b", ignore_lease=True)) == refusals.KEY_NOT_FOUND


def test_the_previous_pair_is_answered_where_it_is_asked_for(state: StoreState) -> None:
    assert do(state, Put(b"c", b"5", prev_kv=True)).answer == PutAnswer(7, KeyValue(b"c", 6, 6, 1, b"4", 7))
    assert do(state, Put(b"new", prev_kv=True)).answer == PutAnswer(8, None)


def test_a_put_with_an_unknown_lease_is_refused(state: StoreState) -> None:
    assert refusal_of(state, Put(b"a", b"", 8)).text == "etcdserver: requested lease not found"


def test_a_range_is_deleted_in_key_order_in_one_revision(state: StoreState) -> None:
    applied = do(state, DeleteRange(b"a", b"z", prev_kv=True))
    assert shown(applied.records) == ["7.0 a deleted", "7.1 c deleted"]
    assert isinstance(applied.answer, DeleteAnswer)
    assert applied.answer.deleted == 2 and [item.key for item in applied.answer.previous] == [b"a", b"c"]


@pytest.mark.parametrize("body", [DeleteRange(b"b"), DeleteRange(b"x", b"\0"), DeleteRange(b"c", b"a"), txn(), Txn()])
def test_what_changes_nothing_takes_no_revision(state: StoreState, body: DeleteRange | Txn) -> None:
    applied = do(state, body)
    assert (applied.revision, applied.records) == (6, ())


# Ranges.


def test_ranges_read_old_revisions_and_refuse_those_they_cannot_have(state: StoreState) -> None:
    assert [item.value for item in read(state, Range(b"a", b"z", revision=3)).items] == [b"1", b"2"]
    assert read(state, Range(b"a", revision=2)).revision == 6
    assert refusal_of(state, Range(b"a", revision=7)) == refusals.FUTURE_REVISION
    do(state, Compaction(4))
    assert read(state, Range(b"b", revision=4)).total == 1
    assert refusal_of(state, Range(b"b", revision=3)) == refusals.COMPACTED


def test_limit_count_and_filters(state: StoreState) -> None:
    everything = Range(b"\0", b"\0")
    assert [item.key for item in read(state, everything).items] == [b"a", b"c"]
    limited = read(state, Range(b"\0", b"\0", limit=1))
    assert (limited.more, limited.total, len(limited.items)) == (True, 2, 1)
    assert read(state, Range(b"\0", b"\0", limit=2)).more is False
    assert read(state, Range(b"\0", b"\0", count_only=True)) == RangeAnswer(6, total=2)
    newer = read(state, Range(b"\0", b"\0", min_mod_revision=5))
    assert [item.key for item in newer.items] == [b"c"] and newer.total == 2
    assert read(state, Range(b"\0", b"\0", max_create_revision=2, keys_only=True)).items[0].value == b""


def test_orders(state: StoreState) -> None:
    def keys(order: int, target: int, limit: int = 0) -> list[bytes]:
        return [
            item.key for item in read(state, Range(b"\0", b"\0", limit, sort_order=order, sort_target=target)).items
        ]

    do(state, Put(b"b", b"0"))
    assert keys(SortOrder.DESCEND, SortTarget.KEY) == [b"c", b"b", b"a"]
    assert keys(SortOrder.ASCEND, SortTarget.VALUE) == [b"b", b"a", b"c"]
    assert keys(SortOrder.DESCEND, SortTarget.VERSION, 1) == [b"a"]
    assert keys(SortOrder.NONE, SortTarget.VALUE, 1) == [b"b"], "cut to two keys first, then sorted, as etcd does"
    assert refusal_of(state, Range(b"a", sort_target=9)) == refusals.INVALID_SORT


# Transactions.


def test_all_of_a_transaction_shares_one_revision(state: StoreState) -> None:
    applied = do(state, txn(Put(b"d", b"1"), DeleteRange(b"a"), txn(Put(b"e", b"2"), Range(b"a", b"z"))))
    assert shown(applied.records) == ["7.0 d=1", "7.1 a deleted", "7.2 e=2"]
    assert isinstance(applied.answer, TxnAnswer)
    nested = applied.answer.answers[2]
    assert isinstance(nested, TxnAnswer) and isinstance(nested.answers[1], RangeAnswer)
    assert [item.key for item in nested.answers[1].items] == [b"c", b"d", b"e"]
    assert nested.answers[1].revision == 7


def test_reads_see_earlier_operations_and_know_the_revision(state: StoreState) -> None:
    answer = do(state, txn(Range(b"a"), Put(b"a", b"9"), Range(b"a"), Put(b"a2"), Range(b"a", revision=4))).answer
    assert isinstance(answer, TxnAnswer)
    before, _, after, _, old = answer.answers
    assert isinstance(before, RangeAnswer) and isinstance(after, RangeAnswer) and isinstance(old, RangeAnswer)
    assert (before.revision, before.items[0].value) == (6, b"3")
    assert (after.revision, after.items[0].value) == (7, b"9")
    assert old.items[0].value == b"3"


def test_every_compare_sees_the_state_before_the_transaction(state: StoreState) -> None:
    inner = txn(Put(b"seen", b"old"), compare=(Compare(CompareResult.EQUAL, CompareTarget.VALUE, b"a", value=b"3"),))
    assert shown(do(state, txn(Put(b"a", b"9"), inner)).records) == ["7.0 a=9", "7.1 seen=old"]


def test_a_refused_operation_drops_the_whole_transaction(state: StoreState) -> None:
    assert refusal_of(state, txn(Put(b"x"), Put(b"y", lease=99))) == refusals.LEASE_NOT_FOUND
    assert refusal_of(state, txn(Put(b"x"), txn(Put(b"none", ignore_value=True)))) == refusals.KEY_NOT_FOUND
    assert refusal_of(state, txn(Put(b"x"), Range(b"a", revision=7))) == refusals.FUTURE_REVISION
    # The key exists before, so the check lets it pass, but it is gone when its turn comes.
    assert refusal_of(state, txn(DeleteRange(b"a"), Put(b"a", ignore_value=True))) == refusals.KEY_NOT_FOUND


def test_the_branch_not_taken_is_not_checked(state: StoreState) -> None:
    never = Compare(CompareResult.EQUAL, CompareTarget.VERSION, b"a", version=9)
    applied = do(state, Txn((never,), (operation(Put(b"x", lease=99)),), (operation(Put(b"y")),)))
    assert shown(applied.records) == ["7.0 y="]
    assert isinstance(applied.answer, TxnAnswer) and not applied.answer.succeeded


def holds(state: StoreState, compare: Compare) -> bool:
    answer = do(state, Txn((compare,))).answer
    assert isinstance(answer, TxnAnswer)
    return answer.succeeded


@pytest.mark.parametrize(
    ("compare", "expected"),
    [
        (Compare(CompareResult.EQUAL, CompareTarget.VERSION, b"a", version=2), True),
        (Compare(CompareResult.GREATER, CompareTarget.CREATE, b"a", create_revision=1), True),
        (Compare(CompareResult.LESS, CompareTarget.MOD, b"a", mod_revision=4), False),
        (Compare(CompareResult.NOT_EQUAL, CompareTarget.VALUE, b"a", value=b"1"), True),
        (Compare(CompareResult.EQUAL, CompareTarget.LEASE, b"c", lease=7), True),
        # Absent keys count as zero, and no comparison of their values is true.
        (Compare(CompareResult.EQUAL, CompareTarget.VERSION, b"b", version=0), True),
        (Compare(CompareResult.GREATER, CompareTarget.VERSION, b"b", version=0), False),
        (Compare(CompareResult.NOT_EQUAL, CompareTarget.VALUE, b"b", value=b"x"), False),
        (Compare(CompareResult.EQUAL, CompareTarget.VALUE, b"b"), False),
        # Ranges must hold for every key; empty ones are compared once with zero.
        (Compare(CompareResult.GREATER, CompareTarget.MOD, b"a", mod_revision=3, range_end=b"z"), True),
        (Compare(CompareResult.GREATER, CompareTarget.MOD, b"a", mod_revision=4, range_end=b"\0"), False),
        (Compare(CompareResult.EQUAL, CompareTarget.VERSION, b"x", range_end=b"z"), True),
        (Compare(CompareResult.LESS, CompareTarget.VALUE, b"x", value=b"z", range_end=b"z"), False),
        # A value that does not belong to the target counts as zero, unknown numbers as equal and true.
        (Compare(CompareResult.GREATER, CompareTarget.VERSION, b"a", mod_revision=9), True),
        (Compare(CompareResult.EQUAL, 99, b"a", version=5), True),
        (Compare(99, CompareTarget.VERSION, b"a", version=5), True),
    ],
)
def test_compares(state: StoreState, compare: Compare, expected: bool) -> None:
    assert holds(state, compare) is expected


# Compactions.


def test_compaction_only_moves_forward_and_never_past_the_present(state: StoreState) -> None:
    assert do(state, Compaction(4)) == Applied(state.revision)
    assert state.compact_revision == 4
    assert refusal_of(state, Compaction(4)) == refusals.COMPACTED
    assert refusal_of(state, Compaction(7)) == refusals.FUTURE_REVISION
    do(state, Compaction(6))


def test_revision_0_can_be_compacted_once() -> None:
    state = empty()
    do(state, Compaction(0))
    assert refusal_of(state, Compaction(0)) == refusals.COMPACTED


def test_the_revision_of_a_store_is_never_below_its_compact_revision() -> None:
    marker = {b"scheduledCompactRev": bytes(7) + b"\x09_" + bytes(8)}
    state = load_state(database([Record(RevisionKey(4, 0), KeyValue(b"a", 4, 4, 1))], meta=marker))
    assert (state.revision, state.compact_revision) == (9, 9)
    assert do(state, Put(b"b")).revision == 10
