"""Leases, asynchronously, and kept alive for as long as somebody iterates."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc

from backstay import errors
from backstay.etcd import methods, results
from backstay.etcd.asynchronous.calls import AsyncCaller, AsyncStream
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.etcd.watch import is_worth_resuming
from backstay.values import LeaseId

REOPEN_SECONDS = 0.5
"""Pause before a broken renewal is taken up again, as in etcd's own client."""

_Stream = AsyncStream[rpc.LeaseKeepAliveRequest, rpc.LeaseKeepAliveResponse]


class AsyncLease:
    """etcd's Lease service. Times are whole seconds. Reached as `client.lease`."""

    def __init__(self, caller: AsyncCaller) -> None:
        self._caller = caller

    async def grant(self, ttl_seconds: int, *, lease_id: LeaseId | int = 0) -> results.LeaseGrant:
        """A new lease; id 0 lets etcd choose. Raises `REQUEST_REFUSED` when the id exists."""
        response = await self._caller.unary(methods.LEASE_GRANT, rpc.LeaseGrantRequest(TTL=ttl_seconds, ID=lease_id))
        return results.LeaseGrant(results.header_of(response.header), LeaseId(response.ID), response.TTL)

    async def revoke(self, lease_id: LeaseId | int) -> results.Header:
        """End a lease now and delete its keys. Raises `REQUEST_REFUSED` when it does not exist."""
        response = await self._caller.unary(methods.LEASE_REVOKE, rpc.LeaseRevokeRequest(ID=lease_id))
        return results.header_of(response.header)

    async def keep_alive(self, lease_id: LeaseId | int) -> AsyncIterator[int]:
        """Renew a lease again and again, at a third of its time; yields the seconds that each renewal gave.

        Renewing happens while the next value is awaited, so iterate without long pauses (a task of its own is best).
        Ends when the lease has expired or does not exist. A broken connection is taken up again for
        `watch_resume_seconds`, since a server that restarts gives its leases their whole time again; then the last
        problem is raised. Whoever must stop when the lease may be gone watches the time since the last value.
        """
        request = rpc.LeaseKeepAliveRequest(ID=lease_id)
        stream: _Stream | None = None
        loop = asyncio.get_running_loop()
        patience = self._caller.options.watch_resume_seconds
        ends = loop.time() + patience
        has_new_token = False
        try:
            while True:
                try:
                    if stream is None:
                        stream = await self._caller.stream(methods.LEASE_KEEP_ALIVE, request)
                    else:
                        await stream.write(request)
                    ttl_seconds = await self._answer(stream)
                except grpc.RpcError as problem:
                    if stream is None:  # cannot be: only a stream fails in this way
                        raise
                    if not has_new_token and await self._caller.renew_token(problem, stream.link, stream.token):
                        has_new_token, stream = True, None
                        continue
                    error = await self._caller.explain(problem, stream.link, methods.LEASE_KEEP_ALIVE)
                    if not is_worth_resuming(problem):
                        raise error from problem
                    await self._pause(stream, error, ends)
                    stream = None
                except errors.BackstayError as problem:
                    if not problem.kind.retryable:
                        raise
                    await self._pause(stream, problem, ends)
                    stream = None
                else:
                    if ttl_seconds <= 0:
                        return
                    stream.link.was_connected, has_new_token = True, False
                    yield ttl_seconds
                    await asyncio.sleep(max(ttl_seconds / 3, REOPEN_SECONDS))
                    ends = loop.time() + patience
        finally:
            if stream is not None:
                stream.cancel()

    async def _answer(self, stream: _Stream) -> int:
        try:
            async with asyncio.timeout(self._caller.options.command_timeout_seconds):
                response = await stream.read()
        except TimeoutError as problem:
            raise errors.DEADLINE_EXCEEDED.error(
                "no answer to the renewal of a lease in time", where=str(stream.link.endpoint)
            ) from problem
        if response is None:
            raise errors.STREAM_BROKEN.error("etcd ended the renewal of a lease", where=str(stream.link.endpoint))
        return response.TTL

    async def _pause(self, stream: _Stream | None, problem: errors.BackstayError, ends: float) -> None:
        """Wait before the renewal is taken up on a new stream; raises `problem` when patience is over."""
        if stream is not None:
            stream.cancel()
        if asyncio.get_running_loop().time() >= ends:
            raise problem
        await asyncio.sleep(REOPEN_SECONDS)
