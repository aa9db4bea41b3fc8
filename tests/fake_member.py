"""A member that answers the little that a save asks for, and whose snapshot stream does what a test wants.

    with FakeMember(content) as member:                 # content: the bytes of a sound database
        member.script = [Send(3), Stall()]              # three chunks, then silence
        Client(ConnectionOptions.of([member.endpoint]))

It is a gRPC server in this process, on loopback. Hashes are those of the content, unless `hash_offset` falsifies them.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import grpc

from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.formats import schema
from backstay.formats.bbolt import open_database
from backstay.formats.hashkv import RecordPage, hash_kv
from backstay.snapshot.inspect import inspect_database
from backstay.values import Revision

CHUNK_BYTES = 32 << 10
MEMBER_ID, CLUSTER_ID = 0xA1, 0xC1


@dataclass(frozen=True, slots=True)
class Send:
    """The next `count` chunks as they should be; None is all that are left, the SHA-256 included."""

    count: int | None = None


@dataclass(frozen=True, slots=True)
class Stall:
    """Silence until the member is closed or the stream is cancelled; `reached` is set when it begins."""


@dataclass(frozen=True, slots=True)
class Break:
    """The stream ends with an error, as when a member dies."""


@dataclass(frozen=True, slots=True)
class Say:
    """One message of the test's own."""

    remaining: int
    blob: bytes


Step = Send | Stall | Break | Say


def chunks_of(content: bytes) -> list[rpc.SnapshotResponse]:
    """The stream of an honest member."""
    pieces = [content[start : start + CHUNK_BYTES] for start in range(0, len(content), CHUNK_BYTES)]
    messages, sent = [], 0
    for piece in pieces:
        sent += len(piece)
        messages.append(rpc.SnapshotResponse(remaining_bytes=len(content) - sent, blob=piece, version="3.6.0"))
    return [*messages, rpc.SnapshotResponse(blob=hashlib.sha256(content).digest(), version="3.6.0")]


class FakeMember:
    """See the module; use as a context manager."""

    def __init__(self, content: bytes, *, version: str = "3.6.99", credentials: grpc.ServerCredentials | None = None):
        self.content = content
        self.version = version
        self.script: Sequence[Step] = (Send(),)
        self.hash_offset = 0
        self.reached = threading.Event()
        self._over = threading.Event()
        self._credentials = credentials
        self._inspection = inspect_database(open_database(content))

    @property
    def revision(self) -> Revision:
        """The newest revision of the content."""
        return self._inspection.current_revision

    def __enter__(self) -> FakeMember:
        self._server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers([_handlers(self)])
        if self._credentials is None:
            port, scheme = self._server.add_insecure_port("127.0.0.1:0"), "http"
        else:
            port, scheme = self._server.add_secure_port("127.0.0.1:0", self._credentials), "https"
        self.endpoint = f"{scheme}://127.0.0.1:{port}"
        self._server.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._over.set()
        self._server.stop(None).wait()

    # --- what it answers ---

    def _header(self) -> rpc.ResponseHeader:
        return rpc.ResponseHeader(
            cluster_id=CLUSTER_ID, member_id=MEMBER_ID, revision=self.revision, raft_term=2
        )  # fmt: skip

    def status(self, request: rpc.StatusRequest) -> rpc.StatusResponse:
        size = len(self.content)
        return rpc.StatusResponse(
            header=self._header(), version=self.version, dbSize=size, leader=MEMBER_ID, raftAppliedIndex=9
        )

    def range(self, request: rpc.RangeRequest) -> rpc.RangeResponse:
        return rpc.RangeResponse(header=self._header())

    def alarm(self, request: rpc.AlarmRequest) -> rpc.AlarmResponse:
        return rpc.AlarmResponse(header=self._header())

    def members(self, request: rpc.MemberListRequest) -> rpc.MemberListResponse:
        own = rpc.Member(ID=MEMBER_ID, name="fake", clientURLs=[self.endpoint])
        return rpc.MemberListResponse(header=self._header(), members=[own])

    def hash_kv(self, request: rpc.HashKVRequest) -> rpc.HashKVResponse:
        compact = self._inspection.compact_revision
        got = hash_kv(self._pages, Revision(request.revision or self.revision), compact)
        return rpc.HashKVResponse(
            header=self._header(),
            hash=got.hash + self.hash_offset,
            compact_revision=compact,
            hash_revision=got.revision,
        )

    def _pages(self) -> Iterator[RecordPage]:
        bucket = open_database(self.content).bucket(schema.KEY)
        assert bucket is not None
        for leaf in bucket.leaves():
            yield RecordPage(*leaf.load()[:2])

    def snapshot(self, request: rpc.SnapshotRequest, context: grpc.ServicerContext) -> Iterator[rpc.SnapshotResponse]:
        honest = iter(chunks_of(self.content))
        context.add_callback(self._over.set)
        for step in self.script:
            match step:
                case Send(count):
                    for _, message in zip(range(count if count is not None else 1 << 30), honest, strict=False):
                        yield message
                case Say(remaining, blob):
                    yield rpc.SnapshotResponse(remaining_bytes=remaining, blob=blob)
                case Stall():
                    self.reached.set()
                    self._over.wait()
                case Break():
                    context.abort(grpc.StatusCode.UNAVAILABLE, "transport is closing")


def _handlers(member: FakeMember) -> grpc.GenericRpcHandler:
    unary: dict[str, tuple[type, Callable[..., object]]] = {
        "Maintenance/Status": (rpc.StatusRequest, member.status),
        "Maintenance/Alarm": (rpc.AlarmRequest, member.alarm),
        "Maintenance/HashKV": (rpc.HashKVRequest, member.hash_kv),
        "KV/Range": (rpc.RangeRequest, member.range),
        "Cluster/MemberList": (rpc.MemberListRequest, member.members),
    }

    class Handlers(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
            name = details.method.removeprefix("/etcdserverpb.")
            if name == "Maintenance/Snapshot":
                return grpc.unary_stream_rpc_method_handler(
                    member.snapshot, rpc.SnapshotRequest.FromString, rpc.SnapshotResponse.SerializeToString
                )
            if name not in unary:
                return None
            request, answer = unary[name]
            return grpc.unary_unary_rpc_method_handler(
                lambda message, _: answer(message), request.FromString, lambda message: message.SerializeToString()
            )

    return Handlers()
