"""Watchers that do not read: the server goes on, does not keep everything for each of them, and they miss nothing."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import grpc
import pytest

from backstay.etcd.pb import rpc_pb2 as rpc
from tests.conftest import StartEtcd
from tests.etcd_process import EtcdProcess
from tests.model import wire
from tests.peers import Peer
from tests.writing_at_once import write_until_broken

WATCHERS = 12
WRITES = 8_000
VALUE_SIZE = 4_000
"""What is written is 32 MB, and what all watchers together must be given 384 MB."""
MOST_MEMORY = 420 << 20
"""The store itself, and 16 MiB for each of them, which is where a server stops giving to who does not take."""


def resident(server: EtcdProcess) -> int:
    """Bytes of memory of the server's process."""
    status = Path(f"/proc/{server.pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmRSS"))


def watch(server: EtcdProcess, stack: ExitStack) -> Any:
    """The responses of a watcher; nothing is read before somebody asks for one, but for a window of HTTP/2."""
    options = [("grpc.max_receive_message_length", 64 << 20), ("grpc.use_local_subchannel_pool", 1)]
    channel = stack.enter_context(grpc.insecure_channel(server.address, options))
    asked: SimpleQueue[rpc.WatchRequest | None] = SimpleQueue()
    stack.callback(asked.put, None)
    asked.put(rpc.WatchRequest(create_request=rpc.WatchCreateRequest(key=b"key/", range_end=b"key0", prev_kv=True)))
    call = channel.stream_stream(
        "/etcdserverpb.Watch/Watch",
        request_serializer=rpc.WatchRequest.SerializeToString,
        response_deserializer=rpc.WatchResponse.FromString,
    )(iter(asked.get, None), timeout=6 * wire.SECONDS)
    stack.callback(call.cancel)
    assert next(call).created
    return call


@pytest.mark.soak
@pytest.mark.parametrize("start", ["start_backstay", "start_etcd"])
def test_watchers_that_read_late_get_everything_once_and_cost_no_memory(
    newest_peer: Peer, start: str, request: pytest.FixtureRequest
) -> None:
    start_server: StartEtcd = request.getfixturevalue(start)
    server = start_server(newest_peer)
    with ExitStack() as stack:
        watchers = [watch(server, stack) for _ in range(WATCHERS)]
        acknowledged, _ = write_until_broken(server, limit=WRITES, value_size=VALUE_SIZE)
        assert resident(server) < MOST_MEMORY
        for watcher in watchers:
            seen: list[tuple[bytes, int]] = []
            while len(seen) < len(acknowledged):
                seen += [(each.kv.key, each.kv.mod_revision) for each in next(watcher).events]
            assert [revision for _, revision in seen] == list(range(2, 2 + len(acknowledged)))
            assert {key for key, _ in seen} == acknowledged.keys()
        assert resident(server) < MOST_MEMORY
