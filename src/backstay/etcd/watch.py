"""Watch: the changes of a range, in order, without a gap, across broken connections.

Reached as `client.watch(...)`; the asynchronous client uses the same values and the same bookkeeping. One stream carries
one watch here. The archive depends on two promises: an event is delivered once, and all events of a revision come before
any of the next.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from types import TracebackType
from typing import NamedTuple

import grpc

from backstay import errors
from backstay.clock import Clock
from backstay.etcd import methods
from backstay.etcd.connection import Endpoint
from backstay.etcd.pb import kv_pb2 as kv
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.etcd.results import Header, KeyValue, header_of, key_value_of
from backstay.etcd.transport import failures
from backstay.etcd.transport.calls import Caller, Stream
from backstay.values import Revision

RETRY_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Pauses between attempts to bring a broken watch back; the last one repeats."""

NOW = Revision(0)
"""As `start_revision`: only what changes from now on."""

_COMPACTED = "required revision has been compacted"


class EventType(IntEnum):
    """What happened to the key."""

    PUT = 0
    DELETE = 1


class Event(NamedTuple):
    """One change. A DELETE carries only `key` and `mod_revision`, the revision of the deletion."""

    type: EventType
    item: KeyValue
    previous: KeyValue | None

    @property
    def is_create(self) -> bool:
        """Whether the key did not exist before."""
        return self.type is EventType.PUT and self.item.create_revision == self.item.mod_revision


@dataclass(frozen=True, slots=True)
class WatchBatch:
    """One response. Without events it is progress: every event up to `header.revision` has been delivered.

    `is_fragment` says that more events of the last revision may follow in the next batch.
    """

    header: Header
    events: tuple[Event, ...]
    is_fragment: bool = False

    @property
    def is_progress(self) -> bool:
        """Whether this only tells how far etcd is."""
        return not self.events


@dataclass(frozen=True, slots=True)
class WatchRequest:
    """What to watch. `start_revision` 0 means changes from now on; `range_end` as in `kv.range`.

    `fragment` lets etcd split responses of more than about 2 MiB. `progress_notify` asks for a sign of life on an idle
    range, every 10 minutes unless the server is configured otherwise.
    """

    key: bytes
    range_end: bytes = b""
    start_revision: Revision = NOW
    previous: bool = False
    progress_notify: bool = False
    fragment: bool = False
    no_put: bool = False
    no_delete: bool = False

    def message(self) -> rpc.WatchRequest:
        """The request that creates this watch."""
        filters = [rpc.WatchCreateRequest.NOPUT] * self.no_put + [rpc.WatchCreateRequest.NODELETE] * self.no_delete
        return rpc.WatchRequest(
            create_request=rpc.WatchCreateRequest(
                key=self.key,
                range_end=self.range_end,
                start_revision=self.start_revision,
                progress_notify=self.progress_notify,
                filters=filters,
                prev_kv=self.previous,
                fragment=self.fragment,
            )
        )


PROGRESS_REQUEST = rpc.WatchRequest(progress_request=rpc.WatchProgressRequest())


class WatchPosition:
    """Where a watch is, so that it can be made again after a break: pure bookkeeping over responses.

    A response to an explicit progress request does not move the position, because releases before 3.4.31 and
    3.5.0-3.5.12 answer it too early; the periodic notification of the watch itself does.
    """

    def __init__(self, request: WatchRequest) -> None:
        self._request = request
        self._watch_id = 0
        self._next = request.start_revision
        self._delivered_of_next = 0
        self._to_skip = 0

    def request(self) -> WatchRequest:
        """The watch to create now."""
        return replace(self._request, start_revision=self._next)

    def accept(self, response: rpc.WatchResponse, endpoint: Endpoint) -> WatchBatch | None:
        """The batch to deliver, None when there is nothing to tell.

        Raises `REVISION_COMPACTED` (`compact_revision` in its text), `PERMISSION_DENIED`, `AUTHENTICATION_FAILED` or
        `REQUEST_REFUSED` when etcd cancelled the watch.
        """
        if response.canceled:
            raise self._cancelled(response, endpoint)
        if response.created:
            self._watch_id = response.watch_id
            if self._next == 0:
                self._next = Revision(response.header.revision + 1)
            return None
        header = header_of(response.header)
        if not response.events:
            if response.watch_id == self._watch_id and header.revision >= self._next:
                self._next, self._delivered_of_next = Revision(header.revision + 1), 0
            return WatchBatch(header, ())
        events = self._undelivered(response)
        last = Revision(response.events[-1].kv.mod_revision)
        if response.fragment:
            count = sum(1 for event in events if event.item.mod_revision == last)
            self._delivered_of_next = count + (self._delivered_of_next if last == self._next else 0)
            self._next = last
        else:
            self._next, self._delivered_of_next = Revision(last + 1), 0
        return WatchBatch(header, tuple(events), response.fragment) if events else None

    def begin_again(self) -> None:
        """Call before a watch is created anew: etcd will repeat the revision whose fragments were delivered in part."""
        self._to_skip = self._delivered_of_next
        self._delivered_of_next = 0

    def _undelivered(self, response: rpc.WatchResponse) -> list[Event]:
        events = [event_of(event) for event in response.events]
        if not self._to_skip:
            return events
        repeated = 0
        while repeated < min(self._to_skip, len(events)) and events[repeated].item.mod_revision == self._next:
            repeated += 1
        left = self._to_skip - repeated
        self._to_skip = left if repeated == len(events) else 0
        self._delivered_of_next += repeated
        return events[repeated:]

    def _cancelled(self, response: rpc.WatchResponse, endpoint: Endpoint) -> errors.BackstayError:
        reason, where = response.cancel_reason, str(endpoint)
        if response.compact_revision or _COMPACTED in reason:
            why = f"compact revision {response.compact_revision}, wanted {self._next}"
            return WatchCompacted(
                f"the watch needs revision {self._next}, which is compacted",
                where=where, why=why, compact_revision=Revision(response.compact_revision), wanted=self._next,
            )  # fmt: skip
        return failures.translate_text(
            grpc.StatusCode.UNKNOWN, reason or "etcd gave no reason", endpoint, doing="the watch"
        )


class WatchCompacted(errors.BackstayError):
    """`REVISION_COMPACTED` with the numbers: history before `compact_revision` is gone, `wanted` was to come next."""

    def __init__(self, what: str, *, where: str, why: str, compact_revision: Revision, wanted: Revision) -> None:
        super().__init__(errors.REVISION_COMPACTED, what, where=where, why=why)
        self.compact_revision = compact_revision
        self.wanted = wanted


def event_of(message: kv.Event) -> Event:
    """The values of an event."""
    previous = key_value_of(message.prev_kv) if message.HasField("prev_kv") else None
    return Event(
        EventType.DELETE if message.type == kv.Event.DELETE else EventType.PUT, key_value_of(message.kv), previous
    )


def message_of(batch: WatchBatch) -> rpc.WatchResponse:
    """The batch as etcd's message, for those who print or forward it."""
    header, events = batch.header, batch.events
    return rpc.WatchResponse(
        header=rpc.ResponseHeader(
            cluster_id=header.cluster_id,
            member_id=header.member_id,
            revision=header.revision,
            raft_term=header.raft_term,
        ),
        events=[
            kv.Event(
                type=kv.Event.DELETE if event.type is EventType.DELETE else kv.Event.PUT,
                kv=kv.KeyValue(**event.item._asdict()),
                prev_kv=kv.KeyValue(**event.previous._asdict()) if event.previous is not None else None,
            )
            for event in events
        ],
    )


def is_worth_resuming(problem: grpc.RpcError) -> bool:
    """Whether a broken stream may work again: etcd's own client halts on all other codes."""
    return failures.code_of(problem) in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL)


class Watcher(Iterator[WatchBatch]):
    """A watch as an iterator that blocks for the next batch and ends after `cancel()`.

    A broken connection is resumed at the next undelivered revision, on any endpoint; when that fails for
    `watch_resume_seconds`, the last problem is raised. For refusals see `WatchPosition.accept`.
    """

    def __init__(self, caller: Caller, request: WatchRequest) -> None:
        self._caller = caller
        self._clock: Clock = caller.clock
        self._position = WatchPosition(request)
        self._is_cancelled = threading.Event()
        self._may_renew_token = True
        self._requests: queue.SimpleQueue[rpc.WatchRequest | None] = queue.SimpleQueue()
        self._stream: Stream[rpc.WatchResponse] | None = None
        self._broken_since: float | None = None
        self._attempt = 0

    def __next__(self) -> WatchBatch:
        while not self._is_cancelled.is_set():
            try:
                stream = self._stream or self._open()
                response = next(stream)
            except StopIteration:
                self._pause(errors.STREAM_BROKEN.error("etcd ended the watch stream"))
            except grpc.RpcError as problem:
                self._after(problem)
            except errors.BackstayError as problem:
                if not problem.kind.retryable:
                    raise
                self._pause(problem)
            else:
                self._broken_since, self._attempt, self._may_renew_token = None, 0, True
                stream.link.was_connected = True
                try:
                    batch = self._position.accept(response, stream.link.endpoint)
                except errors.BackstayError:
                    self.cancel()
                    raise
                if batch is not None:
                    return batch
        raise StopIteration

    def request_progress(self) -> None:
        """Ask for a batch without events that tells the revision; etcd answers only when the watch has caught up."""
        self._requests.put(PROGRESS_REQUEST)

    def cancel(self) -> None:
        """End the watch. May be called from another thread, and twice."""
        self._is_cancelled.set()
        self._close_stream()

    def __enter__(self) -> Watcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cancel()

    def _open(self) -> Stream[rpc.WatchResponse]:
        requests: queue.SimpleQueue[rpc.WatchRequest | None] = queue.SimpleQueue()
        self._requests = requests
        self._position.begin_again()
        requests.put(self._position.request().message())
        stream = self._caller.stream(methods.WATCH, iter(requests.get, None))
        self._stream = stream
        if self._is_cancelled.is_set():  # the other thread may have looked before there was a stream
            self._close_stream()
        return stream

    def _close_stream(self) -> None:
        stream, self._stream = self._stream, None
        self._requests.put(None)  # ends the thread of gRPC that waits for requests
        if stream is not None:
            stream.cancel()

    def _after(self, problem: grpc.RpcError) -> None:
        stream = self._stream
        if self._is_cancelled.is_set() or stream is None:
            return
        if self._may_renew_token and self._caller.renew_token(problem, stream.link, stream.token):
            self._may_renew_token = False
            self._close_stream()
            return
        error = self._caller.explain(problem, stream.link, methods.WATCH)
        if not is_worth_resuming(problem):
            self._close_stream()
            raise error from problem
        self._pause(error)

    def _pause(self, problem: errors.BackstayError) -> None:
        self._close_stream()
        now = self._clock.monotonic()
        if self._broken_since is None:
            self._broken_since = now
        if now - self._broken_since >= self._caller.options.watch_resume_seconds:
            raise problem
        self._is_cancelled.wait(RETRY_SECONDS[min(self._attempt, len(RETRY_SECONDS) - 1)])
        self._attempt += 1
