"""Watch, asynchronously: the promises, values and bookkeeping of `backstay.etcd.watch`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType

import grpc

from backstay import errors
from backstay.etcd import methods
from backstay.etcd.asynchronous.calls import AsyncCaller, AsyncStream
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.etcd.watch import (
    PROGRESS_REQUEST,
    RETRY_SECONDS,
    WatchBatch,
    WatchPosition,
    WatchRequest,
    is_worth_resuming,
)

_Stream = AsyncStream[rpc.WatchRequest, rpc.WatchResponse]


class AsyncWatcher(AsyncIterator[WatchBatch]):
    """A watch as an asynchronous iterator that ends after `cancel()`; one task iterates.

    A broken connection is resumed at the next undelivered revision, on any endpoint; when that fails for
    `watch_resume_seconds`, the last problem is raised. A time limit around one step loses nothing. For refusals see
    `WatchPosition.accept`.
    """

    def __init__(self, caller: AsyncCaller, request: WatchRequest) -> None:
        self._caller = caller
        self._position = WatchPosition(request)
        self._cancelled = asyncio.Event()
        self._may_renew_token = True
        self._stream: _Stream | None = None
        self._broken_since: float | None = None
        self._attempt = 0

    async def __anext__(self) -> WatchBatch:
        while not self._cancelled.is_set():
            try:
                stream = self._stream or await self._open()
                response = await stream.read()
            except asyncio.CancelledError:
                if self._cancelled.is_set() and not _is_task_cancelled():
                    break
                raise
            except grpc.RpcError as problem:
                await self._after(problem)
                continue
            except errors.BackstayError as problem:
                if not problem.kind.retryable:
                    raise
                await self._pause(problem)
                continue
            if response is None:
                await self._pause(errors.STREAM_BROKEN.error("etcd ended the watch stream"))
                continue
            self._broken_since, self._attempt, self._may_renew_token = None, 0, True
            stream.link.was_connected = True
            try:
                batch = self._position.accept(response, stream.link.endpoint)
            except errors.BackstayError:
                self.cancel()
                raise
            if batch is not None:
                return batch
        raise StopAsyncIteration

    async def request_progress(self) -> None:
        """Ask for a batch without events that tells the revision; etcd answers only when the watch has caught up.

        Nothing is asked before the first step of the iteration has opened the stream.
        """
        if self._stream is not None:
            await self._stream.write(PROGRESS_REQUEST)

    def cancel(self) -> None:
        """End the watch; a task that iterates comes to its end. May be called twice."""
        self._cancelled.set()
        self._close_stream()

    async def __aenter__(self) -> AsyncWatcher:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cancel()

    async def _open(self) -> _Stream:
        self._position.begin_again()
        stream = await self._caller.stream(methods.WATCH, self._position.request().message())
        self._stream = stream
        if self._cancelled.is_set():  # while the connection was made
            self._close_stream()
        return stream

    def _close_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.cancel()

    async def _after(self, problem: grpc.RpcError) -> None:
        stream = self._stream
        if self._cancelled.is_set() or stream is None:
            return
        if self._may_renew_token and await self._caller.renew_token(problem, stream.link, stream.token):
            self._may_renew_token = False
            self._close_stream()
            return
        error = await self._caller.explain(problem, stream.link, methods.WATCH)
        if not is_worth_resuming(problem):
            self._close_stream()
            raise error from problem
        await self._pause(error)

    async def _pause(self, problem: errors.BackstayError) -> None:
        self._close_stream()
        now = asyncio.get_running_loop().time()
        if self._broken_since is None:
            self._broken_since = now
        if now - self._broken_since >= self._caller.options.watch_resume_seconds:
            raise problem
        seconds = RETRY_SECONDS[min(self._attempt, len(RETRY_SECONDS) - 1)]
        self._attempt += 1
        try:
            async with asyncio.timeout(seconds):
                await self._cancelled.wait()
        except TimeoutError:
            return


def _is_task_cancelled() -> bool:
    """Whether the iterating task itself is being cancelled, and not only the watch."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
