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
from backstay.formats import schema
from backstay.formats.bbolt import build, open_database
from backstay.formats.requests import Message
from backstay.store.answers import DeleteAnswer, LeaseAnswer, PutAnswer, RangeAnswer, TxnAnswer
from backstay.store.engine import Engine, EngineOptions
from backstay.store.refusals import Refused
from backstay.store.state import load_state
from backstay.store.watching import WatchSpec
from backstay.values import ClusterId, LeaseId, MemberId
from tests.etcd_process import EtcdProcess
from tests.model import wire
from tests.model.random_requests import ENDS, KEYS, random_request

STEPS = 25


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
                body = random_request(chosen, engine.state.revision)
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
        return "{}: {}".format(*refused.refusal)
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
