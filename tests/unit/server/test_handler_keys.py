"""KV through the handler: the short ways answer and journal what the general way does; headers; streams of ranges."""

from __future__ import annotations

import random

import pytest

from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.formats import requests
from backstay.formats.protowire import bytes_field
from backstay.formats.requests import decode_request, encode_request
from backstay.server.handler.decoding import decode_range
from backstay.server.handler.encoding import range_response
from backstay.server.methods import Op
from backstay.server.transport import COUNT_ONLY, KEYS_ONLY, PREV_KV, SORT_ORDER_SHIFT, SORT_TARGET_SHIFT, CallId
from backstay.store.answers import RangeAnswer
from tests.unit.server.served import CLUSTER, CONN, MEMBER, TERM, Served


def update(key: bytes, mod_revision: int, value: bytes) -> rpc.TxnRequest:
    condition = rpc.Compare(target=rpc.Compare.MOD, key=key, mod_revision=mod_revision)
    put = rpc.RequestOp(request_put=rpc.PutRequest(key=key, value=value))
    read = rpc.RequestOp(request_range=rpc.RangeRequest(key=key))
    return rpc.TxnRequest(compare=[condition], success=[put], failure=[read])


def in_general(request: rpc.TxnRequest) -> rpc.TxnRequest:
    """The same, with a field that the shape does not have, and that changes nothing."""
    copy = rpc.TxnRequest()
    copy.CopyFrom(request)
    copy.failure[0].request_range.serializable = True
    return copy


def test_a_header_names_cluster_member_revision_and_term() -> None:
    served = Served()
    served.put(b"a", b"1")
    deleted = served.ask(Op.DELETE_RANGE, rpc.DeleteRangeRequest(key=b"a", prev_kv=True), rpc.DeleteRangeResponse)
    header = rpc.ResponseHeader(cluster_id=CLUSTER, member_id=MEMBER, revision=3, raft_term=TERM)
    assert deleted.header == header and deleted.deleted == 1 and deleted.prev_kvs[0].value == b"1"
    assert served.handler.context.header_bytes(3) == header.SerializeToString()
    members = served.ask(Op.MEMBER_LIST, rpc.MemberListRequest(), rpc.MemberListResponse)
    assert members.header.revision == 0 and members.header.raft_term == TERM


def test_puts_and_ranges_as_tuples() -> None:
    served = Served()
    assert served.put(b"a", b"1") == 2 and served.put(b"b", b"2") == 3
    replaced = served.put(b"a", b"3", bits=PREV_KV)
    assert isinstance(replaced, bytes)
    assert rpc.PutResponse.FromString(replaced).prev_kv.value == b"1"
    assert served.range(b"a") == (4, [(b"a", 2, 4, 2, b"3", 0)], False, 1)
    assert served.range(b"a", revision=2) == (4, [(b"a", 2, 2, 1, b"1", 0)], False, 1)
    assert served.range(b"a", b"\0", limit=1) == (4, [(b"a", 2, 4, 2, b"3", 0)], True, 2)
    assert served.range(b"a", b"\0", bits=COUNT_ONLY) == (4, [], False, 2)
    descending = 2 << SORT_ORDER_SHIFT | 3 << SORT_TARGET_SHIFT | KEYS_ONLY
    reply = served.range(b"a", b"\0", bits=descending)
    assert isinstance(reply, tuple) and len(reply) == 4 and [row.key for row in reply[1]] == [b"a", b"b"]
    assert len(served.journal) == 3


def test_the_list_is_handled_in_order() -> None:
    served = Served()
    call = (Op.PUT, 1, None, b"a", b"1", 0, 0)
    read = (Op.RANGE, 1, None, b"a", b"", 0, 0, 0)
    replies = served.handle(read, call, read)  # type: ignore[arg-type]
    assert replies == [(1, [], False, 0), 2, (2, [(b"a", 2, 2, 1, b"1", 0)], False, 1)]


@pytest.mark.parametrize("size", [0, 1, 100, 127, 128, 200, 20_000, 70_000])
def test_kubernetes_update_answers_and_journals_as_any_transaction(size: int) -> None:
    short, general = Served(), Served()
    key = b"/registry/" + b"k" * (size % 300)
    for mod_revision, value in [(0, b"a" * size), (2, b"b" * size), (1, b"c"), (3, b"")]:
        request = update(key, mod_revision, value)
        one = short.ask(Op.TXN, request, rpc.TxnResponse)
        other = general.ask(Op.TXN, in_general(request), rpc.TxnResponse)
        assert one == other
    del general.journal[2]  # what changed nothing is journalled by the general way only
    for entry, longer in zip(short.journal, general.journal, strict=True):
        body = decode_request(longer).body
        assert isinstance(body, requests.Txn)
        plain = requests.Operation(range=requests.Range(key))
        assert decode_request(entry).body == requests.Txn(body.compare, body.success, (plain,))


def test_only_the_exact_shape_goes_the_short_way() -> None:
    """Random variations: whatever is recognised must mean the same, so answers and contents stay equal."""
    chosen = random.Random(7)
    short, general = Served(), Served()
    for _ in range(400):
        request = update(chosen.choice((b"a", b"b")), chosen.randrange(6), chosen.choice((b"", b"x", b"yy")))
        for change in chosen.sample(range(8), chosen.randrange(3)):
            if change == 0:
                request.compare[0].result = chosen.randrange(4)  # type: ignore[assignment]
            elif change == 1:
                request.compare[0].ClearField("mod_revision")
            elif change == 2:
                request.compare[0].version = chosen.randrange(3)
            elif change == 3:
                request.success[0].request_put.prev_kv = True
            elif change == 4:
                request.failure[0].request_range.limit = 1
            elif change == 5:
                request.compare[0].range_end = b"\0"
            elif change == 6:
                request.success[0].request_put.key = chosen.choice((b"a", b"b"))
            else:
                request.failure[0].request_range.count_only = True
        one = short.ask(Op.TXN, request, rpc.TxnResponse)
        request.compare.add(target=rpc.Compare.CREATE, key=b"never", create_revision=0)  # holds, and spoils the shape
        assert one == general.ask(Op.TXN, request, rpc.TxnResponse)


def test_a_nested_transaction_has_etcds_headers() -> None:
    served = Served()
    inner = rpc.TxnRequest(success=[rpc.RequestOp(request_put=rpc.PutRequest(key=b"b"))])
    outer = rpc.TxnRequest(
        success=[
            rpc.RequestOp(request_range=rpc.RangeRequest(key=b"a")),
            rpc.RequestOp(request_put=rpc.PutRequest(key=b"a")),
            rpc.RequestOp(request_txn=inner),
            rpc.RequestOp(request_delete_range=rpc.DeleteRangeRequest(key=b"zz")),
        ]
    )
    answer = served.ask(Op.TXN, outer, rpc.TxnResponse)
    read, put, nested, deleted = answer.responses
    assert read.response_range.header == rpc.ResponseHeader(revision=1)
    assert put.response_put.header == rpc.ResponseHeader(revision=2)
    assert nested.response_txn.HasField("header") and nested.response_txn.header == rpc.ResponseHeader()
    assert deleted.response_delete_range.header == rpc.ResponseHeader(revision=2)


def test_a_physical_compaction_is_answered_when_memory_is_clean() -> None:
    served = Served()
    for number in range(5_000):
        served.put(b"%d" % (number % 2_500), b"v")
    request = rpc.CompactionRequest(revision=5_001, physical=True)
    assert served.handle((Op.COMPACT, 1, None, request.SerializeToString(), 9)) == [None]  # type: ignore[arg-type]
    served.run_posted()
    assert not served.transport.answered
    served.work()
    assert isinstance(served.transport.answered[9], bytes)  # type: ignore[index]
    assert served.engine.state.record_count == 2_500


def test_a_stream_of_chunks_is_the_range_cut_into_growing_pieces() -> None:
    served = Served()
    for number in range(100):
        served.put(b"%03d" % number, b"v" * 50)
    stream = served.open(Op.RANGE_STREAM, rpc.RangeRequest(key=b"0", range_end=b"9"))
    served.put(b"099x", b"later")
    served.run_posted()
    chunks = [each.range_response for each in served.received(stream, rpc.RangeStreamResponse)]
    assert [len(chunk.kvs) for chunk in chunks] == [10, 20, 40, 30]
    assert [chunk.HasField("header") for chunk in chunks] == [False, False, False, True]
    assert chunks[-1].count == 100 and chunks[-1].header.revision == 101
    merged = rpc.RangeResponse()
    for chunk in chunks:
        merged.MergeFrom(chunk)
    asked = rpc.RangeRequest(key=b"0", range_end=b"9", revision=101)
    whole = served.ask(Op.RANGE, asked, rpc.RangeResponse)
    assert list(merged.kvs) == list(whole.kvs)
    assert served.transport.finished[stream] == (0, "")


def test_a_stream_of_chunks_ends_with_a_compaction_that_passes_it_and_refuses_orders() -> None:
    served = Served()
    for number in range(100):
        served.put(b"%03d" % number)
    stream = served.open(Op.RANGE_STREAM, rpc.RangeRequest(key=b"0", range_end=b"9"))
    served.put(b"zz")
    served.ask(Op.COMPACT, rpc.CompactionRequest(revision=102), rpc.CompactionResponse)
    served.run_posted()
    assert served.transport.finished[stream] == (11, "etcdserver: mvcc: required revision has been compacted")
    ordered = served.open(Op.RANGE_STREAM, rpc.RangeRequest(key=b"0", sort_order=rpc.RangeRequest.DESCEND))
    assert served.transport.finished[ordered] == (12, "RangeStream does not support custom sort orders")
    bounded = served.open(Op.RANGE_STREAM, rpc.RangeRequest(key=b"0", min_mod_revision=3))
    assert served.transport.finished[bounded] == (12, "RangeStream does not support revision filters")


def test_a_slow_reader_of_chunks_is_waited_for() -> None:
    served = Served()
    for number in range(30):
        served.put(b"%03d" % number)
    served.transport.backlog = 64 << 20
    stream = served.open(Op.RANGE_STREAM, rpc.RangeRequest(key=b"0", range_end=b"9"))
    served.run_posted()
    served.tick()
    assert not served.received(stream, rpc.RangeStreamResponse)
    served.transport.backlog = 0
    served.tick()
    served.run_posted()
    assert len(served.received(stream, rpc.RangeStreamResponse)) == 2


def test_the_hash_at_a_physical_compaction_is_that_of_before() -> None:
    served = Served()
    for number in range(20):
        served.put(b"%d" % (number % 3), b"v")
    served.call(Op.DELETE_RANGE, rpc.DeleteRangeRequest(key=b"1"))
    asked = rpc.HashKVRequest(revision=22)
    before = rpc.HashKVResponse.FromString(served.call(Op.HASH_KV, asked))  # type: ignore[arg-type]
    served.call(Op.COMPACT, rpc.CompactionRequest(revision=22, physical=True))
    after = rpc.HashKVResponse.FromString(served.call(Op.HASH_KV, asked))  # type: ignore[arg-type]
    assert (after.hash, after.compact_revision, after.hash_revision) == (before.hash, before.compact_revision, 22)


def test_transactions_are_as_deep_as_operations_allow() -> None:
    """protobuf's decoder and encoder give up earlier, and a refusal after the change would end the store."""

    def nested(depth: int) -> bytes:
        body = rpc.TxnRequest(success=[rpc.RequestOp(request_put=rpc.PutRequest(key=b"deep"))]).SerializeToString()
        for _ in range(depth):
            body = bytes_field(2, bytes_field(4, body))
        return body

    for depth in (48, 49, 50, 127):
        served = Served()
        reply = served.call(Op.TXN, nested(depth))
        assert isinstance(reply, bytes) and served.engine.state.revision == 2
        assert encode_request(decode_request(served.journal[0])) == served.journal[0]
    assert Served().call(Op.TXN, nested(128)) == (3, "etcdserver: too many operations in txn request")
    too_deep = Served().call(Op.TXN, nested(20_000))
    assert isinstance(too_deep, tuple) and too_deep[0] == 13


def _filled(count: int) -> Served:
    served = Served()
    for number in range(count):
        served.put(b"%05d" % number, b"%d" % number)
        if number % 3 == 0:
            served.put(b"%05d" % number, b"again")
    return served


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"limit": 1_200},
        {"limit": 5_000},
        {"keys_only": True},
        {"revision": 1_500, "sort_order": 1},
        {"revision": 2_000, "limit": 1_001},
    ],
    ids=str,
)
def test_a_long_range_read_in_pieces_is_the_range(asked: dict[str, int]) -> None:
    served = _filled(2_500)
    whole = rpc.RangeRequest(key=b"0", range_end=b"9", **asked)  # type: ignore[arg-type]
    expected = served.engine.execute(decode_range(whole)).answer
    (later,) = served.handle((Op.RANGE, CONN, None, whole.SerializeToString(), CallId(5)))
    assert later is None
    served.put(b"00000x", b"in between"), served.call(Op.DELETE_RANGE, rpc.DeleteRangeRequest(key=b"02000"))
    served.run_posted()
    reply = served.transport.answered[CallId(5)]
    assert isinstance(reply, bytes) and isinstance(expected, RangeAnswer)
    header = served.handler.context.header(expected.revision)
    assert rpc.RangeResponse.FromString(reply) == range_response(header, expected)


def test_a_long_range_that_a_compaction_overtakes_begins_again_or_is_refused() -> None:
    served = _filled(2_500)
    for number, revision in ((5, 0), (6, 3_000)):
        asked = rpc.RangeRequest(key=b"0", range_end=b"9", revision=revision)
        assert served.handle((Op.RANGE, CONN, None, asked.SerializeToString(), CallId(number))) == [None]
    served.put(b"00000x", b"new")
    newest = served.engine.state.revision
    served.ask(Op.COMPACT, rpc.CompactionRequest(revision=newest), rpc.CompactionResponse)
    served.run_posted()
    assert served.transport.answered[CallId(6)] == (11, "etcdserver: mvcc: required revision has been compacted")
    reply = served.transport.answered[CallId(5)]
    assert isinstance(reply, bytes)
    response = rpc.RangeResponse.FromString(reply)
    assert (response.header.revision, response.count, len(response.kvs)) == (newest, 2_501, 2_501)


def test_a_short_range_is_answered_at_once() -> None:
    served = _filled(900)
    response = served.ask(Op.RANGE, rpc.RangeRequest(key=b"0", range_end=b"9"), rpc.RangeResponse)
    assert len(response.kvs) == response.count == 900 and not served.transport.posted


def _random_txn(chosen: random.Random, depth: int) -> rpc.TxnRequest:
    def key() -> bytes:
        return chosen.choice((b"a", b"b", b"c" * 200))

    def operation() -> rpc.RequestOp:
        kind = chosen.randrange(4 if depth else 3)
        if kind == 0:
            value = chosen.choice((b"", b"x" * 300))
            put = rpc.PutRequest(key=key(), value=value, lease=chosen.choice((0, 7, -9)), prev_kv=chosen.random() < 0.5)
            return rpc.RequestOp(request_put=put)
        if kind == 1:
            return rpc.RequestOp(request_range=rpc.RangeRequest(key=key(), limit=chosen.randrange(3), revision=0))
        if kind == 2:
            return rpc.RequestOp(request_delete_range=rpc.DeleteRangeRequest(key=key(), range_end=b"a", prev_kv=True))
        return rpc.RequestOp(request_txn=_random_txn(chosen, depth - 1))

    def compare() -> rpc.Compare:
        made = rpc.Compare(key=key(), result=chosen.randrange(5), target=chosen.randrange(6))  # type: ignore[arg-type]
        field = chosen.choice(("version", "create_revision", "mod_revision", "lease", "value", ""))
        if field:
            setattr(made, field, b"" if field == "value" else chosen.choice((0, 5, -1)))
        made.range_end = chosen.choice((b"", b"\0", b"z"))
        return made

    return rpc.TxnRequest(
        compare=[compare() for _ in range(chosen.randrange(3))],
        success=[operation() for _ in range(chosen.randrange(3))],
        failure=[operation() for _ in range(chosen.randrange(3))],
    )


def test_entries_are_the_bytes_that_our_own_encoder_writes() -> None:
    chosen = random.Random(11)
    served = Served()
    for lease in (7, -9):
        served.ask(Op.LEASE_GRANT, rpc.LeaseGrantRequest(TTL=600, ID=lease), rpc.LeaseGrantResponse)
    for _ in range(600):
        body = _random_txn(chosen, 3).SerializeToString()
        served.call(Op.TXN, body + chosen.choice((b"", b"\xc0\x3e\x01")))  # a field that nobody knows
    assert len(served.journal) > 100
    for entry in served.journal:
        assert encode_request(decode_request(entry)) == entry
