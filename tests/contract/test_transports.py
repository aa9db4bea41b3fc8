"""What every transport owes handler and client, over real sockets: grpcio alone, behind the front, behind it with TLS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import grpc
import pytest

from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.server.grpcio import GrpcTransport, TransportOptions
from backstay.server.listeners import Listener
from backstay.server.methods import PATHS, Op
from backstay.server.transport import (
    COUNT_ONLY,
    IGNORE_LEASE,
    KEYS_ONLY,
    PREV_KV,
    SERIALIZABLE,
    SORT_ORDER_SHIFT,
    SORT_TARGET_SHIFT,
)
from tests.serving import IDENTITY, Certificates, Served, answering, call, on_a_loop, serving
from tests.unit.server.inboxing import HeldJournal, QuickJournal, RecordingHandler

Pair = tuple[Served, grpc.aio.Channel]
Transports = Callable[..., AbstractAsyncContextManager[Pair]]

LIMIT = 2_097_152


@asynccontextmanager
async def _direct(journal: HeldJournal | None = None) -> AsyncIterator[Pair]:
    handler, journal = RecordingHandler(), journal or QuickJournal()
    transport = GrpcTransport(handler, journal, TransportOptions(IDENTITY, (Listener("127.0.0.1", 0),)))
    served = Served(transport, handler, journal)  # type: ignore[arg-type]  # it has the same life
    handler.answers = lambda calls: answering(served, calls)
    await transport.start()
    try:
        async with grpc.aio.insecure_channel(served.address) as channel:
            yield served, channel
    finally:
        await transport.stop(0)


@asynccontextmanager
async def _fronted(journal: HeldJournal | None = None) -> AsyncIterator[Pair]:
    async with serving(journal=journal) as served, grpc.aio.insecure_channel(served.address) as channel:
        yield served, channel


@pytest.fixture(params=["grpcio", "front", "front-tls"])
def transports(request: pytest.FixtureRequest, tmp_path: Path) -> Transports:
    """A function that opens a transport and a channel to it."""
    if request.param == "grpcio":
        return _direct
    if request.param == "front":
        return _fronted
    certificates = Certificates.make(tmp_path)

    @asynccontextmanager
    async def secure(journal: HeldJournal | None = None) -> AsyncIterator[Pair]:
        listener = certificates.listener()
        serves = serving(journal=journal, listeners=[listener])
        async with serves as served, certificates.channel(served.address) as channel:
            yield served, channel

    return secure


def test_a_range_and_a_put_arrive_as_tuples_and_leave_as_protobuf(transports: Transports) -> None:
    async def story() -> None:
        async with transports() as (served, channel):
            ranged = rpc.RangeRequest(
                key=b"a",
                range_end=b"b",
                limit=3,
                revision=4,
                sort_order=rpc.RangeRequest.DESCEND,
                sort_target=rpc.RangeRequest.MOD,
                serializable=True,
                keys_only=True,
                count_only=True,
            )
            response = rpc.RangeResponse.FromString(await call(channel, Op.RANGE, ranged.SerializeToString()))
            assert (response.header.cluster_id, response.header.member_id) == (7, 8)
            assert (response.header.revision, response.header.raft_term) == (5, 2)
            put = rpc.PutRequest(key=b"k", value=b"v", lease=9, prev_kv=True, ignore_lease=True)
            assert rpc.PutResponse.FromString(await call(channel, Op.PUT, put.SerializeToString())).header.revision == 6
            bits = SERIALIZABLE | KEYS_ONLY | COUNT_ONLY | 2 << SORT_ORDER_SHIFT | 3 << SORT_TARGET_SHIFT
            first, second = served.handler.calls
            assert first[0] is Op.RANGE and first[2:] == (None, b"a", b"b", 3, 4, bits)
            assert second[0] is Op.PUT and second[2:] == (None, b"k", b"v", 9, PREV_KV | IGNORE_LEASE)

    on_a_loop(story)


@pytest.mark.parametrize(
    "request_",
    [rpc.RangeRequest(key=b"a", min_mod_revision=1), rpc.RangeRequest(key=b"a", sort_order=7)],  # type: ignore[arg-type]
)
def test_a_range_that_says_more_than_its_tuple_arrives_as_it_came(
    transports: Transports, request_: rpc.RangeRequest
) -> None:
    async def story() -> None:
        async with transports() as (served, channel):
            body = request_.SerializeToString()
            await call(channel, Op.RANGE, body)
            (received,) = served.handler.calls
            assert len(received) == 5 and received[3] == body

    on_a_loop(story)


def test_a_refusal_arrives_with_its_code_and_its_very_words(transports: Transports) -> None:
    async def story() -> None:
        async with transports() as (_, channel):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(channel, Op.TXN)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert caught.value.details() == "etcdserver: nö, 100 %"

    on_a_loop(story)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/etcdserverpb.KV/Nope", "unknown method Nope for service etcdserverpb.KV"),
        ("/nosuch.Service/Method", "unknown service nosuch.Service"),
        ("/x", 'malformed method name: "/x"'),
    ],
)
def test_an_unknown_method_is_unimplemented_in_gos_words(transports: Transports, path: str, words: str) -> None:
    async def story() -> None:
        async with transports() as (_, channel):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary(path)(b"", timeout=10)
            assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.UNIMPLEMENTED, words)

    on_a_loop(story)


def test_a_message_that_is_too_large_is_refused_in_gos_words(transports: Transports) -> None:
    async def story() -> None:
        async with transports() as (served, channel):
            await call(channel, Op.STATUS, bytes(LIMIT))
            for op in (Op.STATUS, Op.PUT):
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await call(channel, op, bytes(LIMIT + 1))
                assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
                said = f"grpc: received message larger than max ({LIMIT + 1} vs. {LIMIT})"
                assert caught.value.details() == said
            stream = channel.stream_stream(PATHS[Op.WATCH])(timeout=10)
            await stream.write(bytes(LIMIT + 1))
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stream.read()
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert [each[0] for each in served.handler.calls if each[0] < 100] == [Op.STATUS]

    on_a_loop(story)


def test_bytes_that_are_no_message_are_refused(transports: Transports) -> None:
    async def story() -> None:
        async with transports() as (served, channel):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(channel, Op.PUT, b"\xff\xff")
            assert caught.value.code() is grpc.StatusCode.INTERNAL
            assert (caught.value.details() or "").startswith("grpc: error unmarshalling request")
            assert served.handler.calls == []

    on_a_loop(story)


@pytest.mark.parametrize(
    ("metadata", "token"),
    [
        ((), None),
        ((("token", "a"),), b"a"),
        ((("authorization", "Bearer b"),), b"Bearer b"),
        ((("authorization", "b"), ("token", "a")), b"a"),
    ],
)
def test_the_token_comes_from_its_metadata(
    transports: Transports, metadata: tuple[tuple[str, str], ...], token: bytes | None
) -> None:
    async def story() -> None:
        async with transports() as (served, channel):
            await call(channel, Op.STATUS, metadata=metadata)
            stream = channel.stream_stream(PATHS[Op.WATCH])(metadata=metadata, timeout=10)
            await stream.write(b"x")
            assert await stream.read() == b"x"
            assert {each[2] for each in served.handler.calls} == {token}
            stream.cancel()

    on_a_loop(story)


def test_a_stream_says_what_it_is_told_and_ends_with_a_status(transports: Transports) -> None:
    async def story() -> None:
        async with transports() as (_, channel):
            stream = channel.stream_stream(PATHS[Op.WATCH])(timeout=10)
            for body in (b"one", b"", b"three" * 1000):
                await stream.write(body)
                assert await stream.read() == body
            await stream.done_writing()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stream.read()
            assert (caught.value.code(), caught.value.details()) == (
                grpc.StatusCode.OUT_OF_RANGE,
                "etcdserver: enough",
            )

    on_a_loop(story)


def test_a_producer_streams_to_its_end(transports: Transports) -> None:
    async def story() -> None:
        async with transports() as (_, channel):
            got = [body async for body in channel.unary_stream(PATHS[Op.SNAPSHOT])(b"", timeout=10)]
            assert got == [b"one", b"two"]

    on_a_loop(story)


def test_a_client_that_cancels_a_stream_is_news_to_the_handler(transports: Transports) -> None:
    async def story() -> None:
        async with transports() as (served, channel):
            stream = channel.stream_stream(PATHS[Op.WATCH])(timeout=10)
            await stream.write(b"x")
            await stream.read()
            stream.cancel()
            await _until(lambda: served.handler.calls[-1][0] is Op.CANCEL)

    on_a_loop(story)


def test_a_deadline_ends_a_call_whose_handler_is_told(transports: Transports) -> None:
    async def story() -> None:
        async with transports() as (served, channel):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary(PATHS[Op.LOCK])(b"", timeout=0.3)
            assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            await _until(lambda: served.handler.calls[-1][0] is Op.CANCEL)
            lock, cancel = served.handler.calls
            assert lock[4] == cancel[3]

    on_a_loop(story)


def test_a_write_whose_client_left_is_done_all_the_same(transports: Transports) -> None:
    async def story() -> None:
        journal = HeldJournal()
        async with transports(journal=journal) as (_, channel):
            put = channel.unary_unary(PATHS[Op.PUT])(rpc.PutRequest(key=b"k").SerializeToString())
            await _until(lambda: bool(journal.submitted))
            put.cancel()
            journal.sync()
            assert journal.submitted[0][0] == [b"put"]
            again = asyncio.ensure_future(call(channel, Op.STATUS))
            assert rpc.StatusResponse.FromString(await again).version == "3.7.3"

    on_a_loop(story)


def test_nobody_hears_of_a_write_that_is_not_on_disk(transports: Transports) -> None:
    async def story() -> None:
        journal = HeldJournal()
        async with transports(journal=journal) as (_, channel):
            put = asyncio.ensure_future(call(channel, Op.PUT, rpc.PutRequest(key=b"k").SerializeToString()))
            await _until(lambda: bool(journal.submitted))
            read = asyncio.ensure_future(call(channel, Op.RANGE, rpc.RangeRequest(key=b"k").SerializeToString()))
            done, _ = await asyncio.wait((put, read), timeout=0.3)
            assert not done
            journal.sync()
            await asyncio.gather(put, read)

    on_a_loop(story)


def test_a_journal_that_fails_ends_the_wait_with_the_reason(transports: Transports) -> None:
    async def story() -> None:
        journal = HeldJournal()
        async with transports(journal=journal) as (served, channel):
            put = channel.unary_unary(PATHS[Op.PUT])(rpc.PutRequest(key=b"k").SerializeToString(), timeout=10)
            await _until(lambda: bool(journal.submitted))
            journal.fail()
            with pytest.raises(Exception, match="journal"):
                await served.server.wait()
            await served.server.stop(0)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await put
            assert caught.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)

    on_a_loop(story)


def test_a_server_that_stops_ends_streams_as_unavailable_and_finishes_calls(transports: Transports) -> None:
    async def story() -> None:
        journal = HeldJournal()
        async with transports(journal=journal) as (served, channel):
            stream = channel.stream_stream(PATHS[Op.WATCH])(timeout=10)
            await stream.write(b"x")
            await stream.read()
            put = asyncio.ensure_future(call(channel, Op.PUT, rpc.PutRequest(key=b"k").SerializeToString()))
            await _until(lambda: bool(journal.submitted))
            stopping = asyncio.ensure_future(served.server.stop(10))
            await asyncio.sleep(0)
            journal.sync()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stream.read()
            await stopping
            assert (caught.value.code(), caught.value.details()) == (
                grpc.StatusCode.UNAVAILABLE,
                "etcdserver: server stopped",
            )
            assert rpc.PutResponse.FromString(await put).header.revision == 6
            await served.server.wait()

    on_a_loop(story)


def test_a_connection_keeps_its_number_and_another_has_another(transports: Transports) -> None:
    async def story() -> None:
        async with transports() as (served, channel):
            for _ in range(3):
                await call(channel, Op.STATUS)
            numbers = {each[1] for each in served.handler.calls}
            assert len(numbers) == 1
            assert served.server.inbox.peer(numbers.pop()).address.startswith("127.0.0.1:")

    on_a_loop(story)


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.005)
