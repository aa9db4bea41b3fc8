"""The engine: entries that say what was applied, quota and alarms, leases that end, tokens, and memory that is given back."""

from __future__ import annotations

import random

from backstay.formats import requests
from backstay.formats.requests import (
    Alarm,
    AlarmAction,
    AuthEnable,
    Compaction,
    Compare,
    CompareTarget,
    DeleteRange,
    LeaseCheckpoint,
    LeaseGrant,
    LeaseRevoke,
    Operation,
    Put,
    Range,
    RemainingTime,
    Request,
    Txn,
    UserAdd,
    UserChangePassword,
    UserGrantRole,
    decode_request,
)
from backstay.formats.schema import AlarmType
from backstay.store import refusals
from backstay.store.answers import LeaseAnswer, RangeAnswer, TxnAnswer
from backstay.store.apply import apply_request
from backstay.store.apply.permissions import Identity
from backstay.store.engine import Engine
from backstay.store.tokens import SimpleTokens
from backstay.values import LeaseId, MemberId
from tests.unit.store.building import empty, observable
from tests.unit.store.engine.engines import HandClock, engine, refusal, refused, run


def test_replaying_the_entries_gives_the_same_store() -> None:
    store = engine()
    bodies = (Put(b"a", b"1"), LeaseGrant(60), Put(b"b", b"2"), DeleteRange(b"a"), UserAdd("root", "secret"))
    entries = [each.entry for each in run(store, *bodies)]
    entries.append(store.put(b"c", b"3")[1])
    again = empty()
    for entry in entries:
        assert entry is not None
        assert apply_request(again, decode_request(entry)).refused is None
    assert observable(again) == observable(store.state)


def test_the_log_has_no_password() -> None:
    store = engine()
    assert b"secret" not in (store.execute(UserAdd("alice", "secret")).entry or b"").replace(b"hash of secret", b"")
    entry = store.execute(UserChangePassword("alice", "other")).entry
    assert entry is not None
    body = decode_request(entry).body
    assert isinstance(body, UserChangePassword) and body.password == "" and body.hashed_password


def test_a_read_needs_no_entry() -> None:
    store = engine()
    assert store.execute(Range(b"a")).entry is None
    assert store.execute(Txn()).entry is None
    assert store.execute(Alarm()).entry is None


def test_the_short_ways_do_what_the_long_ways_do() -> None:
    short, long = engine(), engine()
    for number in range(50):
        key, value = b"key%d" % (number % 7), b"" if number % 5 == 0 else b"value%d" % number
        revision, entry = short.put(key, value)
        outcome = long.execute(Put(key, value))
        assert (revision, decode_request(entry).body) == (outcome.revision, Put(key, value))
        if number % 11 == 0:
            run(short, DeleteRange(key))
            run(long, DeleteRange(key))
        answer = long.execute(Range(key)).answer
        assert isinstance(answer, RangeAnswer)
        assert short.get(key) == (answer.revision, answer.items[0] if answer.items else None)
    assert observable(short.state) == observable(long.state)


def test_the_short_update_is_the_transaction_that_it_stands_for() -> None:
    short, long = engine(), engine()
    for number in range(60):
        key, value = b"key%d" % (number % 5), b"" if number % 4 == 0 else b"value%d" % number
        before = short.get(key)[1]
        expected = (before.mod_revision if before is not None else 0) + (number % 3 == 0)
        succeeded, revision, item, entry = short.update(key, expected, value)
        condition = Compare(target=CompareTarget.MOD, key=key, mod_revision=expected)
        txn = Txn((condition,), (Operation(put=Put(key, value)),), (Operation(range=Range(key)),))
        outcome = long.execute(txn)
        assert isinstance(outcome.answer, TxnAnswer)
        (answer,) = outcome.answer.answers
        seen = answer.items[0] if isinstance(answer, RangeAnswer) and answer.items else None
        assert (succeeded, revision, item) == (outcome.answer.succeeded, outcome.revision, seen)
        if succeeded:
            assert entry is not None and decode_request(entry).body == txn
    assert observable(short.state) == observable(long.state)
    assert refusal(lambda: short.update(b"", 0, b"")) == refusals.KEY_NOT_PROVIDED
    assert refusal(lambda: short.put(b"", b"")) == refusals.KEY_NOT_PROVIDED


def test_the_short_put_takes_a_key_from_its_lease() -> None:
    store = engine()
    run(store, LeaseGrant(60, 7), Put(b"a", b"1", lease=7))
    store.put(b"a", b"2")
    run(store, LeaseRevoke(7))
    assert store.get(b"a")[1] is not None


def test_a_request_that_is_too_large_changes_nothing() -> None:
    store = engine()
    assert refused(store, Put(b"a", bytes(1_572_864))) == refusals.REQUEST_TOO_LARGE
    assert refusal(lambda: store.put(b"a", bytes(1_572_864))) == refusals.REQUEST_TOO_LARGE
    assert store.state.revision == 1


def test_a_missing_lease_is_named_before_a_missing_key() -> None:
    put = Put(b"a", lease=7, ignore_value=True)
    assert refused(engine(), put) == refusals.LEASE_NOT_FOUND
    assert refused(engine(), Txn((), (Operation(put=put),))) == refusals.LEASE_NOT_FOUND


def test_a_full_store_raises_its_alarm_once_and_still_deletes() -> None:
    store = engine(quota_bytes=1000)
    run(store, Put(b"a", b"1"))
    store.size = 999
    assert refusal(lambda: store.put(b"a", b"2")) == refusals.NO_SPACE
    assert refused(store, LeaseGrant(60)) == refusals.NO_SPACE
    raised = [decode_request(entry).body for entry in store.take_raised()]
    assert raised == [Alarm(AlarmAction.ACTIVATE, MemberId(0xABC), AlarmType.NOSPACE)]
    run(store, DeleteRange(b"a"))
    store.size = 0
    assert refused(store, Put(b"a", b"2")) == refusals.NO_SPACE
    run(store, Alarm(AlarmAction.DEACTIVATE, MemberId(0xABC), AlarmType.NOSPACE), Put(b"a", b"2"))


def test_a_corrupt_store_is_still_read() -> None:
    store = engine()
    run(store, Put(b"a", b"1"), Alarm(AlarmAction.ACTIVATE, MemberId(1), AlarmType.CORRUPT), Range(b"a"), Txn())
    for body in (Put(b"a", b"2"), DeleteRange(b"a"), Compaction(1), LeaseGrant(60)):
        assert refused(store, body) == refusals.CORRUPT


def test_a_lease_ends_when_its_time_is_over_and_not_before() -> None:
    clock = HandClock()
    store = engine(clock)
    answer = store.execute(LeaseGrant(10)).answer
    assert isinstance(answer, LeaseAnswer)
    lease = answer.lease.id
    run(store, Put(b"a", b"1", lease=lease))
    clock.seconds = 9.5
    assert store.tick() == []
    assert store.time_to_live(lease, keys=True) == (0, 10, (b"a",))
    assert store.keep_alive(lease) == 10
    clock.seconds = 19.0
    assert store.tick() == []
    clock.seconds = 19.6
    assert store.keep_alive(lease) == 0
    (entry,) = store.tick()
    assert decode_request(entry).body == LeaseRevoke(lease)
    assert store.get(b"a")[1] is None and store.leases() == []
    assert store.time_to_live(lease).ttl == -1


def test_after_a_start_a_lease_has_its_whole_time_again() -> None:
    clock = HandClock()
    before = engine(clock)
    run(before, LeaseGrant(10, 7))
    clock.seconds = 9.0
    after = Engine(before.state, clock, random.Random(1), before.options)
    assert after.time_to_live(LeaseId(7)).ttl == 11


def test_a_lease_that_is_kept_alive_is_not_short_again_after_the_next_start() -> None:
    """What an etcd has noted as left of a lease counts until its owner is heard of, and no longer."""
    clock = HandClock()
    before = engine(clock)
    before.state.cluster.version = "3.6.0"
    run(before, LeaseGrant(3_600, 7))
    apply_request(before.state, Request(LeaseCheckpoint((RemainingTime(7, 5),))))
    store = Engine(before.state, clock, random.Random(1), before.options)
    assert store.time_to_live(LeaseId(7)).ttl == 6
    assert store.keep_alive(LeaseId(7)) == 3_600
    (entry,) = store.take_raised()
    assert decode_request(entry).body == LeaseCheckpoint((RemainingTime(7, 0),))
    assert store.keep_alive(LeaseId(7)) == 3_600 and store.take_raised() == []
    after = Engine(store.state, clock, random.Random(1), store.options)
    assert after.time_to_live(LeaseId(7)).ttl == 3_601


def test_history_that_is_compacted_leaves_memory_and_the_rest_reads_the_same() -> None:
    store = engine()
    for number in range(100):
        store.put(b"key%d" % (number % 10), b"%d" % number)
    run(store, DeleteRange(b"key3"), Compaction(95))
    before = store.execute(Range(b"\0", b"\0", revision=95)).answer
    hashed = store.hash_kv(0)
    assert store.state.record_count == 101
    for _ in range(3):
        store.tick()
    assert store.state.record_count == 10 + 102 - 95
    assert store.execute(Range(b"\0", b"\0", revision=95)).answer == before
    assert store.hash_kv(0) == hashed
    assert refused(store, Range(b"a", revision=94)) == refusals.COMPACTED


def test_a_key_written_while_its_history_is_dropped_stays_in_order_once() -> None:
    store = engine()
    run(store, Put(b"a"), Put(b"b"), DeleteRange(b"a"), Put(b"c"), Compaction(5))
    store.tick()
    store.put(b"a", b"new")
    store.tick()
    answer = store.execute(Range(b"\0", b"\0")).answer
    assert isinstance(answer, RangeAnswer)
    assert [item.key for item in answer.items] == [b"a", b"b", b"c"]


def _secured(tokens: SimpleTokens) -> Engine:
    store = engine(tokens=tokens)
    run(store, UserAdd("root", "r"), UserGrantRole("root", "root"), UserAdd("alice", "a"), AuthEnable())
    return store


def test_who_asks_is_known_by_token_or_certificate() -> None:
    clock = HandClock()
    store = _secured(SimpleTokens(clock, random.Random(1)))
    assert refused(store, Range(b"a")) == refusals.USER_EMPTY
    assert refusal(lambda: store.get(b"a")) == refusals.USER_EMPTY
    assert refusal(lambda: store.put(b"a", b"1")) == refusals.USER_EMPTY
    root = store.identify(store.log_in("root", store.password_hash("root")))
    store.execute(Put(b"a", b"1"), root)
    alice = store.identify(None, "alice")
    assert alice.username == "alice"
    assert refused(store, Range(b"a"), alice) == refusals.PERMISSION_DENIED
    assert refused(store, Compaction(2), alice) == refusals.PERMISSION_DENIED
    assert refused(store, LeaseGrant(60)) == refusals.USER_EMPTY
    assert refusal(lambda: store.identify("nonsense")) == refusals.INVALID_TOKEN
    assert refusal(lambda: store.password_hash("nobody")) == refusals.AUTH_FAILED


def test_a_changed_password_ends_the_users_tokens() -> None:
    store = _secured(SimpleTokens(HandClock(), random.Random(1)))
    token = store.log_in("alice", store.password_hash("alice"))
    root = Identity("root", store.state.access.revision)
    store.execute(requests.UserChangePassword("alice", "b"), root)
    assert refusal(lambda: store.identify(token)) == refusals.INVALID_TOKEN
