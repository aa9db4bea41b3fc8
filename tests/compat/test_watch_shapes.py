"""The shape of watch responses, which random histories cannot compare: fragments, batches of history, notes of progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue

import grpc

from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.formats import requests
from tests.conftest import StartEtcd
from tests.etcd_process import EtcdProcess
from tests.model import wire
from tests.peers import Peer
from tests.writing_at_once import write_until_broken

BIG = [("grpc.max_receive_message_length", 64 << 20)]
Shape = list[tuple[bool, list[bytes]]]


@contextmanager
def watching(server: EtcdProcess, **create: object) -> Iterator[Iterator[rpc.WatchResponse]]:
    """The responses to one watcher, after the one that says it was created."""
    asked: SimpleQueue[rpc.WatchRequest | None] = SimpleQueue()
    asked.put(rpc.WatchRequest(create_request=rpc.WatchCreateRequest(**create)))  # type: ignore[arg-type]
    with grpc.insecure_channel(server.address, BIG) as channel:
        call = channel.stream_stream(
            "/etcdserverpb.Watch/Watch",
            request_serializer=rpc.WatchRequest.SerializeToString,
            response_deserializer=rpc.WatchResponse.FromString,
        )(iter(asked.get, None), timeout=wire.SECONDS)
        try:
            assert next(call).created
            yield call
        finally:
            asked.put(None)
            call.cancel()


def put(server: EtcdProcess, count: int, size: int) -> None:
    with grpc.insecure_channel(server.address) as channel:
        for number in range(count):
            assert isinstance(wire.ask(channel, requests.Put(b"big/%04d" % number, b"x" * size)), tuple)


def shape_of(responses: Iterator[rpc.WatchResponse], events: int) -> Shape:
    """Whether more of it follows, and the keys, for each response until so many events have come."""
    shape: Shape = []
    while sum(len(keys) for _, keys in shape) < events:
        response = next(responses)
        shape.append((response.fragment, [each.kv.key for each in response.events]))
    return shape


def same(servers: list[EtcdProcess], look: Callable[[EtcdProcess], object]) -> object:
    ours, real = (look(server) for server in servers)
    assert ours == real
    return real


def test_history_that_is_large_comes_in_the_same_fragments(
    newest_peer: Peer, start_etcd: StartEtcd, start_backstay: StartEtcd
) -> None:
    arguments = ("--max-request-bytes=100000",)  # a response may have 512 KiB more
    servers = [start(newest_peer, extra_args=arguments) for start in (start_backstay, start_etcd)]
    for server in servers:
        put(server, 20, 90_000)

    def look(fragment: bool) -> Callable[[EtcdProcess], object]:
        def shape(server: EtcdProcess) -> Shape:
            with watching(server, key=b"big/", range_end=b"big0", start_revision=2, fragment=fragment) as responses:
                return shape_of(responses, 20)

        return shape

    fragments = same(servers, look(True))
    assert isinstance(fragments, list) and len(fragments) > 2
    assert same(servers, look(False)) == [(False, [b"big/%04d" % number for number in range(20)])]


def test_history_comes_in_batches_of_a_thousand_revisions(
    newest_peer: Peer, start_etcd: StartEtcd, start_backstay: StartEtcd
) -> None:
    servers = [start(newest_peer) for start in (start_backstay, start_etcd)]
    for server in servers:
        acknowledged, _ = write_until_broken(server, limit=2_304)
        assert len(acknowledged) == 2_304

    def look(server: EtcdProcess) -> list[int]:
        with watching(server, key=b"key/", range_end=b"key0", start_revision=2) as responses:
            return [len(keys) for _, keys in shape_of(responses, 2_304)]

    assert same(servers, look) == [1_000, 1_000, 304]


def test_an_idle_watcher_is_told_how_far_the_store_is(
    newest_peer: Peer, start_etcd: StartEtcd, start_backstay: StartEtcd
) -> None:
    arguments = ("--watch-progress-notify-interval=200ms",)
    servers = [start(newest_peer, extra_args=arguments) for start in (start_backstay, start_etcd)]

    def look(server: EtcdProcess) -> list[tuple[int, int, int]]:
        put(server, 3, 1)
        with watching(server, key=b"idle", progress_notify=True) as responses:
            notes = [next(responses) for _ in range(2)]
        return [(note.watch_id, note.header.revision, len(note.events)) for note in notes]

    assert same(servers, look) == [(0, 4, 0), (0, 4, 0)]
