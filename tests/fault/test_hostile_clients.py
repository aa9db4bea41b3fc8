"""Clients that mean no good, or are broken: the server answers everybody else as before."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from backstay import errors
from backstay.errors import BackstayError
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.server import front
from backstay.server.grpcio import CallOptions
from backstay.server.http import connection
from backstay.server.listeners import Listener, Serves
from backstay.server.methods import PATHS, Op
from tests import http2_bytes
from tests.serving import Certificates, Served, call, on_a_loop, serving

HEALTHY = b'{"health":"true","reason":""}'


async def _is_well(served: Served) -> None:
    """Somebody else is served, over gRPC and over HTTP."""
    async with grpc.aio.insecure_channel(served.address) as channel:
        assert (await call(channel, Op.STATUS)).endswith(b"3.7.3")
    assert (await _http(served, b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).endswith(HEALTHY)


async def _http(served: Served, data: bytes) -> bytes:
    """Everything that comes back until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(data)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def _closed(reader: asyncio.StreamReader) -> bytes:
    """What comes until the server closes, which is soon. Raises `TimeoutError`."""
    try:
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionError:
        return b""


@pytest.mark.parametrize(
    "data",
    [
        b"\x00" * 100,
        b"\xff\xfe\xfd" * 50,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 100,
        b"PRI",
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n" + b"garbage" * 100,
        http2_bytes.PREFACE + b"\xff" * 500,
        http2_bytes.PREFACE + http2_bytes.frame(4, 0, 0, b"") + http2_bytes.frame(1, 4, 1, b"\xff" * 40),
        b"GET",
        b"\r\n\r\n\r\n",
        b"GET /health HTTP/9.9\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST /v3/kv/range HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /v3/kv/range HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        b"GET /h\x80\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /health?" + b"a&" * 5000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"A" * 200_000,
    ],
    ids=range(17),
)
def test_garbage_harms_only_whoever_sends_it(data: bytes) -> None:
    async def story() -> None:
        async with serving() as served:
            _, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(data)
            await _is_well(served)
            writer.close()
            await _is_well(served)

    on_a_loop(story)


@pytest.mark.parametrize(
    "path", [b"/\xff\xfe/x", b"\xff", b"", b"*", b"/etcdserverpb.KV/Range\x00", b"/" + b"a" * 9000]
)
def test_a_path_of_any_bytes_does_not_end_the_server(path: bytes) -> None:
    async def story() -> None:
        async with serving() as served:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            block = http2_bytes.headers(1, http2_bytes.call(path), end_stream=True)
            writer.write(http2_bytes.PREFACE + http2_bytes.frame(4, 0, 0, b"") + block)
            await reader.read(1)
            await _is_well(served)
            writer.close()

    on_a_loop(story)


def test_a_grpc_server_that_ends_by_itself_ends_the_wait() -> None:
    async def story() -> None:
        async with serving() as served:
            inner = served.server._grpc._server
            assert inner is not None
            await inner.stop(0)
            with pytest.raises(BackstayError) as caught:
                await served.server.wait()
            assert caught.value.kind is errors.STORE_DEFECT

    on_a_loop(story)


def test_a_stranger_on_the_inner_socket_is_refused() -> None:
    async def story() -> None:
        async with serving() as served:
            path = served.server._fronts[0].inner.path
            async with grpc.aio.insecure_channel(f"unix:{path}") as channel:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await call(channel, Op.STATUS)
            assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
            assert served.handler.calls == []

    on_a_loop(story)


def test_the_inner_socket_leaves_nothing_that_could_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / ("long" * 30)
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))

    async def story() -> None:
        async with serving() as served:
            assert list(place.iterdir()) == []
            await _is_well(served)

    on_a_loop(story)
    assert list(place.iterdir()) == []


def test_no_place_for_the_inner_socket_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/proc")

    async def story() -> None:
        with pytest.raises(BackstayError) as caught:
            async with serving():
                pass
        assert caught.value.kind is errors.LISTENING_FAILED

    on_a_loop(story)


@pytest.mark.parametrize(
    "first", [b"", b"P", b"GET /health HTTP/1.1\r\nHost:", b"GET /health HTTP/1.1\r\nHost: a\r\nX: "]
)
def test_a_client_that_says_half_of_something_is_not_waited_for(first: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SILENCE_SECONDS", "HANDSHAKE_SECONDS"):
        monkeypatch.setattr(front, name, 0.2)
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.2)

    async def story() -> None:
        async with serving() as served:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            for byte in first:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.001)
            assert await _closed(reader) == b""
            writer.close()

    on_a_loop(story)


def test_a_head_that_trickles_is_not_waited_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.3)

    async def story() -> None:
        async with serving() as served:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(b"GET /health HTTP/1.1\r\nHost: a\r\n")
            closed = asyncio.ensure_future(_closed(reader))
            while not closed.done():
                writer.write(b"X: y\r\n")
                await asyncio.sleep(0.05)
            assert await closed == b""
            writer.close()

    on_a_loop(story)


def test_a_huge_head_is_refused() -> None:
    async def story() -> None:
        async with serving() as served:
            answer = await _http(served, b"GET /health HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 100_000)
            assert answer.startswith(b"HTTP/1.1 431 ")
            await _is_well(served)

    on_a_loop(story)


def test_huge_metadata_is_refused() -> None:
    async def story() -> None:
        async with serving() as served:
            async with grpc.aio.insecure_channel(served.address) as channel:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await call(channel, Op.STATUS, metadata=(("token", "x" * 300_000),))
                assert caught.value.code() in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE)
            await _is_well(served)

    on_a_loop(story)


def test_a_huge_body_is_refused_without_being_kept() -> None:
    async def story() -> None:
        async with serving(calls=CallOptions(max_request_bytes=1000)) as served:
            size = 100 << 20
            head = f"POST /v3/kv/put HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n".encode()
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(head + b'{"key":"' + b"A" * (3 << 20))
            answer = await reader.readline()
            assert answer == b"HTTP/1.1 429 Too Many Requests\r\n"
            writer.close()
            await _is_well(served)

    on_a_loop(story)


def test_requests_in_one_go_are_answered_in_their_order() -> None:
    async def story() -> None:
        async with serving() as served:
            one = b"POST /v3/kv/range HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s"
            body = b'{"key":"YQ=="}'
            data = b"".join(
                (
                    b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n",
                    one % (len(body), body),
                    b"GET /nope HTTP/1.1\r\nHost: a\r\n\r\n",
                    b"GET /version HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                )
            )
            answer = await _http(served, data)
            places = [answer.index(each) for each in (HEALTHY, b'"raft_term":"2"}}', b"404 page not found", b"3.7.3")]
            assert places == sorted(places)
            assert answer.count(b"HTTP/1.1 ") == 4

    on_a_loop(story)


def test_thousands_of_requests_in_one_go_do_not_pile_up() -> None:
    async def story() -> None:
        async with serving() as served:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(b"GET /version HTTP/1.1\r\nHost: a\r\n\r\n" * 3000)
            writer.write(b"GET /version HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            answer = await reader.read()
            assert answer.count(b"HTTP/1.1 200 OK") == 3001
            writer.close()

    on_a_loop(story)


def test_a_client_that_ends_its_side_still_gets_its_answer() -> None:
    async def story() -> None:
        async with serving() as served:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
            writer.write_eof()
            assert (await reader.read()).endswith(HEALTHY)
            writer.close()

    on_a_loop(story)


@pytest.mark.parametrize("length", [33, 1000], ids=["has said all", "could say more"])
@pytest.mark.parametrize("how", ["half-close", "close", "abort"])
def test_a_watch_over_http_ends_when_its_client_leaves(how: str, length: int) -> None:
    async def story() -> None:
        async with serving(lambda _, calls: ([None] * len(calls), ())) as served:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            body = b'{"create_request":{"key":"YQ=="}}'
            writer.write(b"POST /v3/watch HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (length, body))
            await _until(lambda: Op.MESSAGE in {each[0] for each in served.handler.calls})
            if how == "half-close":
                writer.write_eof()
            elif how == "close":
                writer.close()
            else:
                writer.transport.abort()
            await _until(lambda: served.handler.calls[-1][0] is Op.CANCEL)
            writer.close()
            await _closed(reader)

    on_a_loop(story)


def test_a_grpc_connection_that_breaks_cancels_its_streams() -> None:
    async def story() -> None:
        async with serving() as served:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            block = http2_bytes.headers(1, http2_bytes.call(b"/etcdserverpb.Watch/Watch"))
            message = http2_bytes.frame(0, 0, 1, b"\x00\x00\x00\x00\x02hi")
            writer.write(http2_bytes.PREFACE + http2_bytes.frame(4, 0, 0, b"") + block + message)
            await _until(lambda: bool(served.handler.calls) and served.handler.calls[-1][0] is Op.MESSAGE)
            writer.transport.abort()
            await _until(lambda: served.handler.calls[-1][0] is Op.CANCEL)
            await _closed(reader)
            await _is_well(served)

    on_a_loop(story)


def test_a_thousand_idle_connections_leave_room_for_work() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))

    async def story() -> None:
        async with serving() as served:
            idle = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(1000)]
            await _is_well(served)
            for _, writer in idle:
                writer.close()
            await asyncio.gather(*(writer.wait_closed() for _, writer in idle))

    try:
        on_a_loop(story)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_server_out_of_files_serves_again_when_some_are_closed(caplog: pytest.LogCaptureFixture) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def story() -> None:
        async with serving() as served:
            await _is_well(served)
            resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 40, hard))
            clients = []
            with pytest.raises(OSError):
                for _ in range(100):
                    client = socket.socket()
                    clients.append(client)
                    client.connect(("127.0.0.1", served.port))
                    client.send(http2_bytes.PREFACE)
                    await asyncio.sleep(0.005)
            await asyncio.sleep(0.1)
            for client in clients:
                client.close()
            await _is_well(served)

    try:
        on_a_loop(story)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_client_that_takes_nothing_is_not_sent_everything() -> None:
    async def story() -> None:
        made = 0

        def bodies() -> Any:
            nonlocal made
            for _ in range(400):
                made += 1
                yield bytes(1 << 20)

        def answers(served: Served, calls: Any) -> Any:
            for each in calls:
                if each[0] is Op.OPEN:
                    served.server.inbox.produce(each[3], bodies())
            return [None if each[0] > 100 else (1, [], False, 0) for each in calls], ()

        async with serving(answers) as served:
            _, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(b"POST /v3/maintenance/snapshot HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
            before = -1
            while made == 0 or made != before:
                before = made
                await asyncio.sleep(0.5)
            assert made < 100
            writer.transport.abort()

    on_a_loop(story)


@pytest.mark.parametrize("way", ["grpc", "http"])
def test_a_client_that_asks_on_and_reads_no_answer_is_not_listened_to_for_ever(way: str) -> None:
    long_answer = rpc.WatchResponse(canceled=True, cancel_reason="x" * (1 << 20)).SerializeToString()

    async def story() -> None:
        asked = 0

        def answers(served: Served, calls: Any) -> Any:
            nonlocal asked
            for each in calls:
                if each[0] is Op.MESSAGE:
                    asked += 1
                    served.server.inbox.send(each[3], long_answer)
            return [None] * len(calls), ()

        async def has_settled() -> None:
            before = -1
            while asked == 0 or asked != before:
                before = asked
                await asyncio.sleep(0.5)

        async with serving(answers) as served:
            if way == "http":
                _, writer = await asyncio.open_connection("127.0.0.1", served.port)
                said = b'{"progress_request":{}}' * 400
                writer.write(b"POST /v3/watch HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(said) + said)
                await has_settled()
                writer.transport.abort()
            else:
                async with grpc.aio.insecure_channel(served.address) as channel:
                    asking = channel.stream_stream(PATHS[Op.WATCH])()
                    for _ in range(400):
                        await asking.write(rpc.WatchRequest(progress_request={}).SerializeToString())
                    await has_settled()
                    asking.cancel()
            assert asked < 100

    on_a_loop(story)


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_an_address_that_is_taken_is_an_error_with_the_systems_reason(kind: str, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX if kind == "unix" else socket.AF_INET) as taken:
        if kind == "unix":
            taken.bind(str(tmp_path / "s"))
            listener = Listener(unix_path=str(tmp_path / "s"))
        else:
            taken.bind(("127.0.0.1", 0))
            listener = Listener("127.0.0.1", taken.getsockname()[1])
        taken.listen(1)

        async def story() -> None:
            with pytest.raises(BackstayError) as caught:
                async with serving(listeners=[Listener("127.0.0.1", 0), listener]):
                    pass
            assert caught.value.kind is errors.LISTENING_FAILED
            assert caught.value.why == "Address already in use"
            assert caught.value.where == listener.where

        on_a_loop(story)


def test_a_host_that_is_not_here_is_an_error() -> None:
    async def story() -> None:
        for host in ("192.0.2.1", "nosuch.invalid", "a" * 300):
            with pytest.raises(BackstayError) as caught:
                async with serving(listeners=[Listener(host, 0)]):
                    pass
            assert caught.value.kind is errors.LISTENING_FAILED

    on_a_loop(story)


def test_a_unix_socket_left_behind_is_taken_over_and_removed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))

    async def story() -> None:
        async with serving(listeners=[Listener(unix_path=str(path))]):
            assert path.stat().st_mode & 0o777 == 0o600
            async with grpc.aio.insecure_channel(f"unix:{path}") as channel:
                assert (await call(channel, Op.STATUS)).endswith(b"3.7.3")
        assert not path.exists()

    on_a_loop(story)


def test_a_port_for_one_thing_serves_nothing_else() -> None:
    async def story() -> None:
        listeners = [Listener("127.0.0.1", 0, serves=each) for each in (Serves.GRPC, Serves.HTTP, Serves.METRICS)]
        async with serving(listeners=listeners) as served:
            grpc_port, http_port, metrics_port = served.server.ports
            for port, works in ((grpc_port, True), (http_port, False), (metrics_port, False)):
                async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                    if works:
                        await call(channel, Op.STATUS)
                    else:
                        with pytest.raises(grpc.aio.AioRpcError):
                            await call(channel, Op.STATUS)
            found = {}
            for port in (grpc_port, http_port, metrics_port):
                for path in ("/health", "/metrics", "/version", "/v3/kv/range"):
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
                    line = await _closed(reader)
                    found[port, path] = line[9:12].decode()
                    writer.close()
            assert [found[grpc_port, path] for path in ("/health", "/metrics")] == ["", ""]
            assert [found[http_port, path] for path in ("/health", "/version", "/v3/kv/range")] == ["200", "200", "501"]
            assert [found[metrics_port, each] for each in ("/health", "/metrics")] == ["200", "200"]
            assert [found[metrics_port, each] for each in ("/version", "/v3/kv/range")] == ["404", "404"]

    on_a_loop(story)


def test_plaintext_on_a_port_for_tls_gets_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "HANDSHAKE_SECONDS", 0.5)
    certificates = Certificates.make(tmp_path)

    async def story() -> None:
        async with serving(listeners=[certificates.listener()]) as served:
            for data in (b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n", http2_bytes.PREFACE, b"\x00" * 100):
                reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
                writer.write(data)
                assert b"HTTP" not in await _closed(reader)
                writer.close()
            async with certificates.channel(served.address) as channel:
                await call(channel, Op.STATUS)
            assert len(served.handler.calls) == 1

    on_a_loop(story)


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.005)
