"""Status, hashes, alarms and the snapshot stream, asynchronously; what changes a member is left to the synchronous client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType

import grpc

from backstay import errors
from backstay.etcd import methods, results
from backstay.etcd.asynchronous.calls import AsyncCaller, AsyncStream
from backstay.etcd.connection import Endpoint
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.etcd.snapshot_stream import SnapshotChunk, parse_chunk
from backstay.etcd.transport import failures
from backstay.values import Revision


class AsyncMaintenance:
    """etcd's Maintenance service, as far as it only looks. Reached as `client.maintenance`."""

    def __init__(self, caller: AsyncCaller) -> None:
        self._caller = caller

    async def status(self, *, endpoint: Endpoint | None = None) -> results.MemberStatus:
        """What the member says of itself; answered without a quorum."""
        return results.status_of(await self._caller.unary(methods.STATUS, rpc.StatusRequest(), endpoint=endpoint))

    async def hash_kv(self, revision: Revision | int = 0, *, endpoint: Endpoint | None = None) -> results.HashKV:
        """The hash of all records up to `revision` (0: the newest)."""
        request = rpc.HashKVRequest(revision=revision)
        return results.hash_kv_of(
            await self._caller.unary(methods.HASH_KV, request, endpoint=endpoint), Revision(revision)
        )

    async def alarms(self) -> tuple[results.Alarm, ...]:
        """The alarms of all members."""
        response = await self._caller.unary(methods.ALARM, rpc.AlarmRequest(action=rpc.AlarmRequest.GET))
        return tuple(results.alarm_of(alarm) for alarm in response.alarms)

    def snapshot(
        self, *, endpoint: Endpoint | None = None, idle_timeout_seconds: float | None = None
    ) -> AsyncSnapshotStream:
        """The member's database as a stream of chunks, the SHA-256 last. Use it in an `async with` block."""
        idle_seconds = idle_timeout_seconds or self._caller.options.idle_timeout_seconds
        return AsyncSnapshotStream(self._caller, endpoint, idle_seconds)


class AsyncSnapshotStream(AsyncIterator[SnapshotChunk]):
    """A running snapshot of one member, connected at its first step; leaving the `async with` block ends it.

    Iterating raises `DEADLINE_EXCEEDED` after a silence of the idle timeout, `STREAM_BROKEN` when the stream ends early,
    and what etcd's refusal means.
    """

    def __init__(self, caller: AsyncCaller, endpoint: Endpoint | None, idle_seconds: float) -> None:
        self._caller = caller
        self._wanted = endpoint
        self._idle_seconds = idle_seconds
        self._remaining: int | None = None
        self._may_renew_token = True
        self._stream: AsyncStream[rpc.SnapshotRequest, bytes] | None = None
        self._is_over = False

    @property
    def endpoint(self) -> Endpoint | None:
        """The member that sends, None before the first step."""
        return self._stream.link.endpoint if self._stream is not None else None

    async def __anext__(self) -> SnapshotChunk:
        if self._is_over:
            raise StopAsyncIteration
        stream = self._stream
        if stream is None:
            stream = self._stream = await self._caller.stream(
                methods.SNAPSHOT, rpc.SnapshotRequest(), endpoint=self._wanted
            )
        try:
            async with asyncio.timeout(self._idle_seconds):
                message = await stream.read()
        except TimeoutError as problem:
            self.cancel()
            raise errors.DEADLINE_EXCEEDED.error(
                "the snapshot stream stands still",
                where=str(stream.link.endpoint),
                why=f"no bytes for {self._idle_seconds:g} s",
            ) from problem
        except grpc.RpcError as problem:
            return await self._after(problem, stream)
        if message is None:
            self._is_over = True
            if self._remaining != 0:
                raise _broken(stream, "it ended before all bytes were sent")
            raise StopAsyncIteration
        chunk = parse_chunk(message)
        self._remaining = chunk.remaining_bytes
        stream.link.was_connected = True
        return chunk

    def cancel(self) -> None:
        """End the stream. May be called twice."""
        self._is_over = True
        if self._stream is not None:
            self._stream.cancel()

    async def __aenter__(self) -> AsyncSnapshotStream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cancel()

    async def _after(self, problem: grpc.RpcError, stream: AsyncStream[rpc.SnapshotRequest, bytes]) -> SnapshotChunk:
        if self._remaining is None and self._may_renew_token:
            self._may_renew_token = False
            if await self._caller.renew_token(problem, stream.link, stream.token):
                self._stream = None
                return await anext(self)
        self._is_over = True
        error = await self._caller.explain(problem, stream.link, methods.SNAPSHOT)
        if self._remaining is not None and failures.is_connection_failure(problem):
            raise _broken(stream, failures.text_of(problem)) from problem
        raise error from problem


def _broken(stream: AsyncStream[rpc.SnapshotRequest, bytes], why: str) -> errors.BackstayError:
    return errors.STREAM_BROKEN.error("the snapshot stream broke off", where=str(stream.link.endpoint), why=why)
