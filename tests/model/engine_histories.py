"""Random requests for the engine and a real etcd, sent as the same bytes, and answers brought into one form.

All histories of a run share one store on each side, so that revisions, compactions and leases pile up; each history uses
every option now and then and is named by its seed.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

import grpc

from backstay.clock import SystemClock
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.formats import requests, schema
from backstay.formats.bbolt import build, open_database
from backstay.formats.requests import Compare, Message, Operation
from backstay.store.answers import DeleteAnswer, LeaseAnswer, PutAnswer, RangeAnswer, TxnAnswer
from backstay.store.apply.transactions import operations_of
from backstay.store.engine import Engine, EngineOptions
from backstay.store.refusals import Refused
from backstay.store.state import load_state
from backstay.store.watching import WatchSpec
from backstay.values import ClusterId, LeaseId, MemberId
from tests.etcd_process import EtcdProcess
from tests.model import wire

STEPS = 25
KEYS = (b"a", b"ab", b"b", b"c", b"d\xff", b"\0", b"z")
ENDS = (b"", b"", b"\0", b"b", b"c", b"zz", b"a\xff")


def compare_histories(etcd: EtcdProcess, seeds: Iterable[int]) -> None:
    """Run one history for each seed; raise `AssertionError` at the first answer that differs."""
    pieces: list[bytes] = []
    built = build(((name, ()) for name in schema.BUCKETS), pieces.extend)
    state = load_state(open_database(built.meta_pages + b"".join(pieces)))
    engine = Engine(state, SystemClock(), random.Random(1), EngineOptions(MemberId(1), ClusterId(1)))
    with grpc.insecure_channel(etcd.address) as channel:
        for seed in seeds:
            chosen = random.Random(seed)
            for step in range(STEPS):
                body = _request(chosen, engine)
                expected, answered = wire.ask(channel, body), _ask_engine(engine, body)
                assert answered == expected, f"seed {seed}, step {step}: {answered} is not {expected}: {body}"
                engine.tick()
            _compare_leases(channel, engine)
            _compare_watches(channel, engine, chosen, f"seed {seed}")
            response = wire.ask_raw(channel, "Maintenance/HashKV", rpc.HashKVRequest(), rpc.HashKVResponse)
            hashed = engine.hash_kv(0)
            found = (hashed.hash, hashed.compact_revision, hashed.revision)
            assert found == (response.hash, response.compact_revision, response.hash_revision), f"seed {seed}"


def _compare_leases(channel: grpc.Channel, engine: Engine) -> None:
    """Which leases there are, and the keys of each. Remaining seconds are the clock's, and left out."""
    for lease in range(1, 6):
        request = rpc.LeaseTimeToLiveRequest(ID=lease, keys=True)
        response = wire.ask_raw(channel, "Lease/LeaseTimeToLive", request, rpc.LeaseTimeToLiveResponse)
        left = engine.time_to_live(LeaseId(lease), keys=True)
        assert (left.granted_ttl, left.keys) == (response.grantedTTL, tuple(sorted(response.keys))), f"lease {lease}"
        assert (left.ttl == -1) == (response.TTL == -1), f"lease {lease}"


def _compare_watches(channel: grpc.Channel, engine: Engine, chosen: random.Random, where: str) -> None:
    """One watcher over history, up to the newest revision: every event, and what came before it."""
    current = engine.state.revision
    start = chosen.randint(max(1, current - 40), current)
    spec = WatchSpec(chosen.choice(KEYS), chosen.choice(ENDS), start, previous=True)
    stream = engine.hub.open_stream()
    created = engine.watch(stream, spec)
    batches = [batch for _, batch in engine.hub.collect()]
    engine.hub.close_stream(stream)
    create = rpc.WatchCreateRequest(key=spec.key, range_end=spec.range_end, start_revision=start, prev_kv=True)
    wanted = sum(len(batch.events) for batch in batches)
    call = channel.stream_stream("/etcdserverpb.Watch/Watch", response_deserializer=rpc.WatchResponse.FromString)
    responses = call(iter((rpc.WatchRequest(create_request=create).SerializeToString(),)), timeout=20)
    first = next(responses)
    assert (first.watch_id, first.cancel_reason) == (created.watch_id, created.refusal), where
    events: list[object] = []
    compacted = None
    while not created.refusal and (len(events) < wanted or (batches and batches[-1].compact_revision != compacted)):
        response = next(responses)
        compacted = response.compact_revision or None
        events += map(wire.event, response.events)
    responses.cancel()
    own = [
        (each.is_deletion, wire.pair(each.item), wire.pair(each.previous) if each.previous is not None else None)
        for batch in batches
        for each in batch.events
    ]
    assert own == events, f"{where}: {spec}"


def _ask_engine(engine: Engine, body: Message) -> object:
    try:
        outcome = engine.execute(body)
    except Refused as refused:
        return refused.refusal.text
    return outcome.revision, _of_answer(outcome.answer)


def _of_answer(answer: object) -> object:
    if isinstance(answer, RangeAnswer):
        return tuple(map(wire.pair, answer.items)), answer.more, answer.total
    if isinstance(answer, PutAnswer):
        return wire.pair(answer.previous) if answer.previous is not None else None
    if isinstance(answer, DeleteAnswer):
        return answer.deleted, tuple(map(wire.pair, answer.previous))
    if isinstance(answer, TxnAnswer):
        return answer.succeeded, tuple(
            (0 if isinstance(each, TxnAnswer) else each.revision, _of_answer(each))
            for each in answer.answers
            if each is not None
        )
    return (answer.lease.id, answer.lease.ttl) if isinstance(answer, LeaseAnswer) else None


def _request(chosen: random.Random, engine: Engine) -> Message:
    kind = chosen.random()
    if kind < 0.30:
        return _put(chosen)
    if kind < 0.40:
        return _delete(chosen)
    if kind < 0.62:
        return _range(chosen, engine)
    if kind < 0.85:
        txn = _txn(chosen, engine, 0)
        while kills_etcd(txn):
            txn = _txn(chosen, engine, 0)
        return txn
    if kind < 0.91:
        return requests.LeaseGrant(chosen.choice((1_000, 5_000, 9_000_000_001)), chosen.randint(1, 4))
    if kind < 0.96:
        return requests.LeaseRevoke(chosen.randint(1, 5))
    return requests.Compaction(engine.state.revision + chosen.randint(-20, 1))


def kills_etcd(txn: requests.Txn) -> bool:
    """Whether etcd may panic of `txn`, and again at every start, because it is in its log by then.

    It lets a delete from a key on stand beside a put of a key in that range; a put that keeps the value or the lease of the
    key that has just been deleted finds nothing to keep. (We refuse it with "key not found".)
    """
    operations = list(operations_of(txn))
    deletes = any(each.delete_range is not None and each.delete_range.range_end == b"\0" for each in operations)
    return deletes and any(each.put and (each.put.ignore_value or each.put.ignore_lease) for each in operations)


def _key(chosen: random.Random) -> bytes:
    return chosen.choice(KEYS) if chosen.random() < 0.97 else b""


def _put(chosen: random.Random) -> requests.Put:
    rare = chosen.random()
    value = chosen.choice((b"", b"1", b"2", b"33"))
    lease = chosen.randint(1, 5) if chosen.random() < 0.2 else 0
    return requests.Put(_key(chosen), value, lease, chosen.random() < 0.3, rare < 0.08, 0.05 < rare < 0.13)


def _delete(chosen: random.Random) -> requests.DeleteRange:
    return requests.DeleteRange(_key(chosen), chosen.choice(ENDS), chosen.random() < 0.4)


def _range(chosen: random.Random, engine: Engine) -> requests.Range:
    newest = engine.state.revision

    def revision() -> int:
        return chosen.randint(max(0, newest - 15), newest + 1) if chosen.random() < 0.15 else 0

    # Equal elements have no order of their own, so only what is unique is sorted by: keys and mod revisions of one put.
    order, target = chosen.choice(((0, 0), (0, 0), (1, 0), (2, 0), (3, 0), (1, 9)))
    return requests.Range(
        _key(chosen),
        chosen.choice(ENDS),
        limit=chosen.choice((0, 0, 1, 2, 5, -1)),
        revision=revision(),
        sort_order=order,
        sort_target=target,
        serializable=chosen.random() < 0.2,
        keys_only=chosen.random() < 0.2,
        count_only=chosen.random() < 0.1,
        min_mod_revision=revision(),
        max_mod_revision=revision(),
        min_create_revision=revision(),
        max_create_revision=revision(),
    )


def _txn(chosen: random.Random, engine: Engine, depth: int) -> requests.Txn:
    def operations() -> tuple[Operation, ...]:
        return tuple(_operation(chosen, engine, depth) for _ in range(chosen.choice((0, 1, 1, 2, 3))))

    compares = tuple(_compare(chosen, engine) for _ in range(chosen.choice((0, 1, 1, 2))))
    return requests.Txn(compares, operations(), operations())


def _operation(chosen: random.Random, engine: Engine, depth: int) -> Operation:
    kind = chosen.random()
    if kind < 0.45:
        return Operation(put=_put(chosen))
    if kind < 0.6:
        return Operation(delete_range=_delete(chosen))
    if kind < 0.85 or depth == 2:
        return Operation(range=_range(chosen, engine))
    return Operation(txn=_txn(chosen, engine, depth + 1))


def _compare(chosen: random.Random, engine: Engine) -> Compare:
    key, range_end, result = _key(chosen), chosen.choice(ENDS), chosen.randint(0, 3)
    target = chosen.randint(0, 4)
    number = chosen.choice((0, 1, 2, max(1, engine.state.revision - chosen.randint(0, 9))))
    return Compare(
        result,
        target,
        key,
        version=number if target == 0 else None,
        create_revision=number if target == 1 else None,
        mod_revision=number if target == 2 else None,
        value=chosen.choice((b"", b"1", b"2")) if target == 3 else None,
        lease=number if target == 4 else None,
        range_end=range_end,
    )
