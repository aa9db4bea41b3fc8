"""Many writes at once to a server that may die of them, and what is there afterwards.

acknowledged = write_until_broken(server)       {key: value} of every write whose answer came
assert acknowledged.items() <= everything(server).items()
"""

from __future__ import annotations

import grpc

from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.formats import requests
from tests.etcd_process import EtcdProcess
from tests.model import wire

AT_ONCE = 16
PAGE = 30
Contents = dict[bytes, bytes]


def write_until_broken(
    server: EtcdProcess, *, limit: int = 1_000_000, value_size: int = 20, prefix: bytes = b"key"
) -> tuple[Contents, set[grpc.StatusCode]]:
    """Write numbered keys, several at once, until one fails or `limit` were acknowledged; those, and how others failed."""
    acknowledged: Contents = {}
    codes: set[grpc.StatusCode] = set()
    with grpc.insecure_channel(server.address) as channel:
        number = 0
        while not codes and len(acknowledged) < limit:
            bodies = []
            for _ in range(AT_ONCE):
                number += 1
                bodies.append(requests.Put(b"%s/%07d" % (prefix, number), (b"%d " % number * value_size)[:value_size]))
            calls = [(body, wire.begin(channel, body)) for body in bodies]
            for body, call in calls:
                try:
                    call.result()
                except grpc.RpcError as problem:
                    codes.add(problem.code())  # type: ignore[attr-defined]
                else:
                    acknowledged[body.key] = body.value
    return acknowledged, codes


def everything(server: EtcdProcess) -> Contents:
    """Every key and its value."""
    contents: Contents = {}
    with grpc.insecure_channel(server.address) as channel:
        start, more = b"\0", True
        while more:
            request = rpc.RangeRequest(key=start, range_end=b"\0", limit=PAGE)
            response = wire.ask_raw(channel, "KV/Range", request, rpc.RangeResponse)
            contents |= {item.key: item.value for item in response.kvs}
            more = response.more
            start = response.kvs[-1].key + b"\0" if response.kvs else start
    return contents


def hash_kv(server: EtcdProcess) -> tuple[int, int, int]:
    """The hash of everything, the revision it is of, and the compact revision."""
    with grpc.insecure_channel(server.address) as channel:
        answer = wire.ask_raw(channel, "Maintenance/HashKV", rpc.HashKVRequest(), rpc.HashKVResponse)
    return answer.hash, answer.hash_revision, answer.compact_revision
