"""Watch through the handler: what is sent on the stream, in which order, with which headers; slow clients lose nothing."""

from __future__ import annotations

from collections.abc import Iterable

from backstay.etcd.pb import kv_pb2
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.formats.requests import Request
from backstay.server.handler.decoding import decode_txn
from backstay.server.methods import Op
from backstay.server.transport import StreamId
from backstay.store.apply import apply_request
from tests.unit.server.served import CONN, MEMBER, TERM, Served, grant_everything_to_root, log_in

SLOW = 64 << 20


def create(served: Served, stream: StreamId, **fields: object) -> rpc.WatchResponse:
    """Begin to watch; the answer."""
    request = rpc.WatchRequest(create_request=rpc.WatchCreateRequest(**fields))  # type: ignore[arg-type]
    served.message(stream, Op.WATCH, request)
    first, *rest = served.received(stream, rpc.WatchResponse)
    served.transport.sent[stream] = [each.SerializeToString() for each in rest]
    return first


def events(responses: Iterable[rpc.WatchResponse]) -> list[str]:
    return [
        ("-" if event.type == kv_pb2.Event.DELETE else "+") + event.kv.key.decode()
        for response in responses
        for event in response.events
    ]


def got(served: Served, stream: StreamId) -> list[rpc.WatchResponse]:
    served.run_posted()
    return served.received(stream, rpc.WatchResponse)


def test_creation_is_answered_first_and_events_follow_one_response_per_revision() -> None:
    served = Served()
    stream = served.open(Op.WATCH)
    created = create(served, stream, key=b"a", range_end=b"c", prev_kv=True)
    assert created.created and created.watch_id == 0 and created.header.revision == 1
    served.put(b"a", b"1")
    served.put(b"a", b"2")
    served.call(Op.DELETE_RANGE, rpc.DeleteRangeRequest(key=b"a"))
    responses = got(served, stream)
    assert [each.header.revision for each in responses] == [2, 3, 4]
    assert (responses[0].header.member_id, responses[0].header.raft_term) == (MEMBER, TERM)
    assert events(responses) == ["+a", "+a", "-a"]
    deletion = responses[2].events[0]
    assert deletion.kv == kv_pb2.KeyValue(key=b"a", mod_revision=4) and deletion.prev_kv.value == b"2"
    assert not responses[0].events[0].HasField("prev_kv")


def test_history_is_replayed_in_batches_of_whole_revisions() -> None:
    served = Served()
    for number in range(2_300):
        served.put(b"k", b"%d" % number)
    stream = served.open(Op.WATCH)
    create(served, stream, key=b"k", start_revision=28)
    responses = got(served, stream)
    assert [len(each.events) for each in responses] == [1000, 1000, 274]
    assert {each.header.revision for each in responses} == {2301}


def test_ids_filters_and_cancel() -> None:
    served = Served()
    stream = served.open(Op.WATCH)
    assert create(served, stream, key=b"a", watch_id=7, filters=[1]).watch_id == 7
    twice = create(served, stream, key=b"b", watch_id=7)
    assert twice.canceled and twice.watch_id == -1 and twice.cancel_reason.startswith("mvcc: duplicate watch ID")
    empty = create(served, stream, key=b"b", range_end=b"a")
    assert empty.canceled and empty.created and empty.cancel_reason == "mvcc: watcher range is empty"
    served.put(b"a")
    served.call(Op.DELETE_RANGE, rpc.DeleteRangeRequest(key=b"a"))
    assert events(got(served, stream)) == ["+a"]
    served.message(stream, Op.WATCH, rpc.WatchRequest(cancel_request=rpc.WatchCancelRequest(watch_id=7)))
    served.message(stream, Op.WATCH, rpc.WatchRequest(cancel_request=rpc.WatchCancelRequest(watch_id=99)))
    (ended,) = got(served, stream)
    assert ended.canceled and ended.watch_id == 7 and not ended.cancel_reason and ended.header.revision == 3


def test_a_watcher_overtaken_by_a_compaction_is_told_the_revision() -> None:
    served = Served()
    served.put(b"a"), served.put(b"a"), served.put(b"a")
    served.ask(Op.COMPACT, rpc.CompactionRequest(revision=4), rpc.CompactionResponse)
    stream = served.open(Op.WATCH)
    assert create(served, stream, key=b"a", start_revision=2).created
    (ended,) = got(served, stream)
    assert ended.canceled and ended.compact_revision == 4 and ended.header.revision == 0 and not ended.cancel_reason


def test_fragments_stay_below_the_largest_message() -> None:
    served = Served(max_request_bytes=100_000)
    stream = served.open(Op.WATCH)
    create(served, stream, key=b"k", range_end=b"l", fragment=True, start_revision=1)
    operations = [
        rpc.RequestOp(request_put=rpc.PutRequest(key=b"k%02d" % each, value=b"v" * 900)) for each in range(99)
    ]
    served.put(b"kx", b"x" * 40_000)
    whole = Served(max_request_bytes=8 << 20)
    big = whole.open(Op.WATCH)
    create(whole, big, key=b"k", range_end=b"l", fragment=True)
    value = b"v" * 1_000_000
    operations = [rpc.RequestOp(request_put=rpc.PutRequest(key=b"k%d" % each, value=value)) for each in range(8)]
    whole.ask(Op.TXN, rpc.TxnRequest(success=operations[:7]), rpc.TxnResponse)
    (single,) = got(whole, big)
    assert not single.fragment and len(single.events) == 7
    small = Served(max_request_bytes=(2 << 20) - (512 << 10))
    narrow = small.open(Op.WATCH)
    create(small, narrow, key=b"k", range_end=b"l", fragment=True)
    small.engine.execute(decode_txn(rpc.TxnRequest(success=operations[:1])))
    apply_request(small.engine.state, Request(decode_txn(rpc.TxnRequest(success=operations[:7])), 1))
    small.engine.hub.publish(list(small.engine.state.records())[1:])
    small.handler.settled()
    first, *parts = got(small, narrow)
    assert len(first.events) == 1
    assert [len(part.events) for part in parts] == [2, 2, 2, 1]
    assert [part.fragment for part in parts] == [True, True, True, False]
    assert {part.header.revision for part in parts} == {3}


def test_progress_is_told_when_everybody_has_everything() -> None:
    served = Served()
    stream = served.open(Op.WATCH)
    ask = rpc.WatchRequest(progress_request=rpc.WatchProgressRequest())
    served.message(stream, Op.WATCH, ask)
    assert not got(served, stream)
    create(served, stream, key=b"a")
    served.put(b"b")
    served.message(stream, Op.WATCH, ask)
    (note,) = got(served, stream)
    assert note.watch_id == -1 and note.header.revision == 2 and not note.events
    create(served, stream, key=b"a", start_revision=50)
    served.message(stream, Op.WATCH, ask)
    assert not got(served, stream)


def test_notes_of_progress_come_after_the_events_they_speak_of() -> None:
    served = Served()
    stream = served.open(Op.WATCH)
    create(served, stream, key=b"a", progress_notify=True)
    served.tick()
    served.put(b"b")
    served.tick(seconds=700)
    (note,) = got(served, stream)
    assert note.watch_id == 0 and note.header.revision == 2 and not note.events


def test_a_client_that_does_not_read_is_stalled_and_misses_nothing() -> None:
    served = Served()
    stream, other = served.open(Op.WATCH), served.open(Op.WATCH)
    create(served, stream, key=b"k", prev_kv=True)
    create(served, other, key=b"k")
    served.transport.backlog = SLOW
    served.put(b"k", b"0")
    first = got(served, stream)
    assert len(first) == 1
    served.transport.backlog = 0
    for number in range(1, 50):
        served.put(b"k", b"%d" % number)
    assert not got(served, stream), "nothing more is given to it"
    served.message(stream, Op.WATCH, rpc.WatchRequest(progress_request=rpc.WatchProgressRequest()))
    assert not got(served, stream), "and no progress is claimed"
    assert served.engine.hub.slow_count == 2
    served.tick()
    rest = got(served, stream)
    assert [event.kv.value for each in rest for event in each.events] == [b"%d" % number for number in range(1, 50)]
    assert served.engine.hub.slow_count == 0


def test_rights_are_checked_when_a_watcher_is_created() -> None:
    served = Served()
    grant_everything_to_root(served)
    alice = log_in(served, "alice", "a")
    stream = served.open(Op.WATCH, token=alice)
    denied = create(served, stream, key=b"b")
    assert denied.canceled and denied.watch_id == -1
    assert denied.cancel_reason == "rpc error: code = PermissionDenied desc = etcdserver: permission denied"
    assert create(served, stream, key=b"a").watch_id == 0
    bad = served.open(Op.WATCH, token=b"nonsense")
    refused = create(served, bad, key=b"a")
    assert refused.cancel_reason == "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token"


def test_a_client_that_left_leaves_nothing_behind() -> None:
    served = Served()
    stream = served.open(Op.WATCH)
    create(served, stream, key=b"a")
    served.handle((Op.HALF_CLOSE, CONN, None, stream, Op.WATCH, b""))
    served.put(b"a")
    assert events(got(served, stream)) == ["+a"]
    served.handle((Op.CANCEL, CONN, None, stream, Op.WATCH, b""))
    served.put(b"a")
    assert not got(served, stream) and served.engine.hub.watcher_count == 0


def test_a_stalled_client_still_hears_that_a_compaction_overtook_its_watcher() -> None:
    served = Served()
    stream = served.open(Op.WATCH)
    served.put(b"a"), served.put(b"b"), served.put(b"a"), served.put(b"b"), served.put(b"a")
    served.ask(Op.COMPACT, rpc.CompactionRequest(revision=5), rpc.CompactionResponse)
    served.transport.backlog = SLOW
    for key, start in ((b"a", 5), (b"b", 2)):
        fields = rpc.WatchCreateRequest(key=key, start_revision=start)
        served.handler.context.entries += served.handler(
            [(Op.MESSAGE, CONN, None, stream, Op.WATCH, rpc.WatchRequest(create_request=fields).SerializeToString())]
        )[1]
    served.handler.settled()
    responses = got(served, stream)
    assert [(each.watch_id, each.compact_revision) for each in responses if not each.created] == [(0, 0), (1, 5)]
