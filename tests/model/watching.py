"""A watcher at each of two servers, asked for the same and given the same: creation, every event, and the end."""

from __future__ import annotations

import queue
import threading
from typing import Any

import grpc

from backstay.etcd.pb import rpc_pb2 as rpc
from tests.model import wire

ASK_AGAIN_SECONDS = 0.05
"""A server says nothing to a request for progress while a watcher catches up; clients ask again."""
TRIES = 400
PROGRESS = rpc.WatchRequest(progress_request=rpc.WatchProgressRequest())


class WatchEnd(Exception):
    """The stream or the watcher has ended; its argument says how, in a form that can be compared."""


class Watching:
    """One watcher on a stream of its own."""

    def __init__(self, channel: grpc.Channel, create: rpc.WatchCreateRequest, metadata: wire.Metadata = ()) -> None:
        self.events: list[tuple[object, ...]] = []
        self.revision = 0
        """Everything up to here has come."""
        self.end: object = None
        self._asked: queue.SimpleQueue[rpc.WatchRequest | None] = queue.SimpleQueue()
        self._heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._asked.put(rpc.WatchRequest(create_request=create))
        method = channel.stream_stream(
            "/etcdserverpb.Watch/Watch",
            request_serializer=rpc.WatchRequest.SerializeToString,
            response_deserializer=rpc.WatchResponse.FromString,
        )
        self._call = method(iter(self._asked.get, None), metadata=metadata)
        threading.Thread(target=self._listen, daemon=True).start()
        first = self._heard.get(timeout=wire.SECONDS)
        self.created = self._as_end(first) if not isinstance(first, rpc.WatchResponse) else self._creation(first)

    def catch_up(self, revision: int) -> None:
        """Read until everything up to `revision` has come, or until the watcher has ended."""
        for _ in range(TRIES):
            if self.end is not None or self.revision >= revision:
                return
            self._asked.put(PROGRESS)
            try:
                while self.end is None and self.revision < revision:
                    self._take(self._heard.get(timeout=ASK_AGAIN_SECONDS))
            except queue.Empty:
                continue
        raise AssertionError(f"nothing said that revision {revision} was reached; the last is {self.revision}")

    def close(self) -> None:
        """End the stream."""
        self._asked.put(None)
        self._call.cancel()

    def _listen(self) -> None:
        try:
            for response in self._call:
                self._heard.put(response)
            self._heard.put("the server ended the stream")
        except grpc.RpcError as problem:
            self._heard.put(wire.refusal_of(problem))

    def _creation(self, response: rpc.WatchResponse) -> object:
        if response.canceled:
            self.end = "never began"
        return (
            response.created,
            response.canceled,
            response.watch_id,
            response.cancel_reason,
            response.compact_revision,
            response.header.revision,
        )

    def _as_end(self, heard: object) -> object:
        self.end = heard
        return heard

    def _take(self, response: Any) -> None:
        if not isinstance(response, rpc.WatchResponse):
            self._as_end(response)
        elif response.canceled:
            self.end = (response.cancel_reason, response.compact_revision, response.header.revision)
        elif not response.events:
            self.revision = max(self.revision, response.header.revision)
        else:
            events = list(map(wire.event, response.events))
            revisions = [each[1][2] for each in events]  # type: ignore[index]
            before = self.events[-1][1][2] if self.events else 0  # type: ignore[index]
            assert revisions == sorted(revisions) and before < revisions[0], "out of order, or a revision was split"
            assert revisions[-1] <= response.header.revision, "the header is older than the events"
            self.events += events
