"""Leases and alarms: attachment, revoking, checkpoints, and what stops while an alarm is raised."""

from __future__ import annotations

import pytest

from backstay.formats.requests import (
    Alarm,
    AlarmAction,
    Compaction,
    DeleteRange,
    LeaseCheckpoint,
    LeaseGrant,
    LeaseRevoke,
    Message,
    Operation,
    Put,
    Range,
    RemainingTime,
    Txn,
)
from backstay.formats.schema import AlarmType, Lease, encode_lease
from backstay.store import refusals
from backstay.store.answers import AlarmAnswer, LeaseAnswer
from backstay.store.state import load_state
from backstay.values import LeaseId
from tests.unit.store.building import database, do, empty, refusal_of, shown


def test_a_lease_lives_at_least_as_long_as_an_election_allows() -> None:
    state = empty()
    assert do(state, LeaseGrant(1, 5)).answer == LeaseAnswer(Lease(LeaseId(5), 2))
    assert do(state, LeaseGrant(9_000_000_000, -6)).revision == 1
    assert refusal_of(state, LeaseGrant(60, 5)) == refusals.LEASE_EXISTS
    assert refusal_of(state, LeaseGrant(9_000_000_001, 7)) == refusals.LEASE_TTL_TOO_LARGE
    assert refusal_of(state, LeaseGrant(60, 0)) == refusals.LEASE_NOT_FOUND


def test_revoking_deletes_the_attached_keys_in_order_in_one_revision() -> None:
    state = empty()
    do(state, LeaseGrant(60, 5))
    do(state, LeaseGrant(60, 6))
    for key in (b"c", b"a", b"b", b"d"):
        do(state, Put(key, lease=5))
    do(state, Put(b"b", lease=6))
    do(state, Put(b"d"))
    assert shown(do(state, LeaseRevoke(5)).records) == ["8.0 a deleted", "8.1 c deleted"]
    assert refusal_of(state, LeaseRevoke(5)) == refusals.LEASE_NOT_FOUND
    assert state.bucket_items(b"lease") == [encode_lease(Lease(LeaseId(6), 60))]


def test_a_lease_without_keys_goes_without_a_revision() -> None:
    state = empty()
    do(state, LeaseGrant(60, 5))
    do(state, Put(b"a", lease=5))
    do(state, DeleteRange(b"a"))
    assert do(state, LeaseRevoke(5)).records == ()
    assert state.revision == 3


def test_attachments_of_the_base_are_those_of_the_newest_records() -> None:
    state = empty()
    do(state, LeaseGrant(60, 5))
    for body in (
        Put(b"a", b"x" * 200, lease=5),
        Put(b"b", lease=5),
        Put(b"k" * 200, lease=5),
        Put(b"b", b"now without"),
    ):
        do(state, body)
    leases = dict(state.bucket_items(b"lease"))
    again = load_state(database(state.records(), lease=leases))
    assert shown(do(again, LeaseRevoke(5)).records) == ["6.0 a deleted", f"6.1 {'k' * 200} deleted"]


def test_an_attachment_to_a_lease_that_does_not_exist_is_none() -> None:
    state = empty()
    do(state, LeaseGrant(60, 5))
    do(state, Put(b"a", lease=5))
    again = load_state(database(state.records()))
    do(again, LeaseGrant(60, 5))
    assert do(again, LeaseRevoke(5)).records == ()


@pytest.mark.parametrize(("version", "kept"), [("", 0), ("3.5.0", 0), ("3.6.0", 30), ("3.10.0", 30)])
def test_checkpoints_are_stored_from_cluster_version_3_6_on(version: str, kept: int) -> None:
    state = empty()
    state.cluster.version = version
    do(state, LeaseGrant(60, 5))
    do(state, LeaseCheckpoint((RemainingTime(5, 30),)))
    assert state.leases.granted[LeaseId(5)].remaining_ttl == kept


def test_alarms_are_raised_listed_and_lowered_by_name() -> None:
    state = empty()
    raised = do(state, Alarm(AlarmAction.ACTIVATE, 7, AlarmType.NOSPACE)).answer
    assert do(state, Alarm(AlarmAction.GET)).answer == raised
    assert do(state, Alarm(AlarmAction.GET, kind=AlarmType.CORRUPT)).answer == AlarmAnswer(())
    assert do(state, Alarm(AlarmAction.ACTIVATE, 8, AlarmType.NONE)).answer == AlarmAnswer(())
    assert do(state, Alarm(AlarmAction.DEACTIVATE, 8, AlarmType.NOSPACE)).answer == AlarmAnswer(())
    assert state.bucket_items(b"alarm") == [(b"\x08\x07\x10\x01", b"")]
    assert do(state, Alarm(AlarmAction.DEACTIVATE, 7, AlarmType.NOSPACE)).answer == raised
    assert state.bucket_items(b"alarm") == []
    assert refusal_of(state, Alarm(9)) == refusals.UNKNOWN_ACTION


PUT_IN_THE_BRANCH_NOT_TAKEN = Txn(failure=(Operation(txn=Txn(success=(Operation(put=Put(b"x")),))),))
DELETE_ONLY = Txn(success=(Operation(delete_range=DeleteRange(b"a")),))


@pytest.mark.parametrize(
    ("body", "no_space", "corrupt"),
    [
        (Put(b"x"), True, True),
        (LeaseGrant(60, 9), True, True),
        (PUT_IN_THE_BRANCH_NOT_TAKEN, True, True),
        (DELETE_ONLY, False, True),
        (DeleteRange(b"a"), False, True),
        (Compaction(2), False, True),
        (LeaseRevoke(5), False, True),
        (Range(b"a"), False, True),
        (Alarm(), False, False),
        (LeaseCheckpoint(), False, False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_an_alarm_stops(body: Message, no_space: bool, corrupt: bool) -> None:
    for kind, stops, refusal in (
        (AlarmType.NOSPACE, no_space, refusals.NO_SPACE),
        (AlarmType.CORRUPT, corrupt, refusals.CORRUPT),
    ):
        state = empty()
        do(state, LeaseGrant(60, 5))
        do(state, Put(b"a"))
        do(state, Alarm(AlarmAction.ACTIVATE, 7, kind))
        if stops:
            assert refusal_of(state, body) == refusal
            do(state, Alarm(AlarmAction.DEACTIVATE, 7, kind))
        do(state, body)
