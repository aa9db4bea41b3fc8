"""Eight clients and three watchers at a living server that is killed in the middle: the history they bring home.

    calls, watched = run_history(server, seed)      the server has been killed again when this returns

Nothing sleeps: who has lost its connection waits until the server was started again.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from contextlib import ExitStack
from typing import Any

import grpc

from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.formats import requests
from tests.etcd_process import EtcdProcess
from tests.linearizability.calls import Call
from tests.linearizability.requests_of_clients import EVERYTHING, KEYS, endless
from tests.linearizability.verdict import judge, logged_requests
from tests.linearizability.watched import Response, Watched, problems_of_watch
from tests.model import wire

CLIENTS = 8
CALLS = 1_000
WAIT_SECONDS = 60.0
THE_END = b"the end"
"""What the last write of a history writes; every watcher waits for it."""
PROGRESS_EVERY = 40
"""Responses after which a watcher asks how far the server is."""
BROKEN = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
}
"""Codes after which nobody knows whether the request was done."""
RECONNECT_AT_ONCE = [
    ("grpc.initial_reconnect_backoff_ms", 20),
    ("grpc.min_reconnect_backoff_ms", 20_000),  # as long may one attempt take
    ("grpc.max_reconnect_backoff_ms", 100),
    ("grpc.use_local_subchannel_pool", 1),
]

PROGRESS = rpc.WatchRequest(progress_request=rpc.WatchProgressRequest())


def problems_of_history(server: EtcdProcess, seed: int) -> list[str]:
    """Run one history on a fresh server and judge it. The server does not run any more afterwards."""
    try:
        calls, watched = run_history(server, seed)
    finally:
        server.kill()
    verdict = judge(calls, logged_requests(server.data_dir))
    problems = list(verdict.problems)
    for each in watched:
        problems += problems_of_watch(each, verdict.events, verdict.revision)
    acknowledged = sum(isinstance(call.answer, tuple) for call in calls)
    if acknowledged < CALLS * 9 // 10:
        problems.append(f"only {acknowledged} calls were answered")
    return problems


def run_history(server: EtcdProcess, seed: int) -> tuple[list[Call], list[Watched]]:
    """A thousand calls by eight clients, a kill at a random one of them, and a last write that every watcher sees."""
    history = _History(server, random.Random(seed))
    history.run()
    return history.calls, history.watched


class _History:
    def __init__(self, server: EtcdProcess, chosen: random.Random) -> None:
        self.calls: list[Call] = []
        self.watched = [
            Watched(*EVERYTHING, 2, previous=True),
            Watched(*EVERYTHING, 2),
            Watched(KEYS[0], b"", 2, previous=True),
        ]
        self._server = server
        self._seeds = [chosen.random() for _ in range(CLIENTS)]
        self._kill_at = chosen.randrange(CALLS // 10, CALLS * 9 // 10)
        self._lock = threading.Lock()
        self._starts = 0
        self._started = threading.Condition()
        self._is_time_to_kill = threading.Event()
        self._failures: list[BaseException] = []

    def run(self) -> None:
        """Begin to end."""
        self._server.start()
        self._announce_start()
        watchers = [self._thread(self._watch, watched) for watched in self.watched]
        clients = [self._thread(self._work, number) for number in range(CLIENTS)]
        assert self._is_time_to_kill.wait(WAIT_SECONDS), self._failures
        self._server.kill()
        self._server.start()
        self._announce_start()
        for thread in clients:
            self._join(thread)
        with grpc.insecure_channel(self._server.address) as channel:
            assert self._call(channel, CLIENTS, requests.Put(KEYS[0], THE_END))
        for thread in watchers:
            self._join(thread)
        self._server.kill()

    def _thread(self, work: Any, argument: object) -> threading.Thread:
        def guarded() -> None:
            try:
                work(argument)
            except BaseException as failure:
                self._failures.append(failure)
                self._is_time_to_kill.set()

        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        return thread

    def _join(self, thread: threading.Thread) -> None:
        thread.join(WAIT_SECONDS)
        assert not self._failures, self._failures
        assert not thread.is_alive(), f"a thread waits for ever\n{self._server.log_tail()}"

    def _announce_start(self) -> None:
        with self._started:
            self._starts += 1
            self._started.notify_all()

    def _wait_for_start(self, number: int) -> int:
        """Wait until the server has been started so many times; how often it has been."""
        with self._started:
            assert self._started.wait_for(lambda: self._starts >= number, WAIT_SECONDS)
            return self._starts

    # Clients.

    def _work(self, number: int) -> None:
        asked = endless(number, random.Random(self._seeds[number]))
        with ExitStack() as stack:
            channel = stack.enter_context(grpc.insecure_channel(self._server.address, RECONNECT_AT_ONCE))
            while len(self.calls) < CALLS:
                if self._call(channel, number, next(asked)) is None:
                    self._wait_for_start(2)
                    stack.close()  # a new channel: no attempt from before the restart holds it up
                    channel = stack.enter_context(grpc.insecure_channel(self._server.address, RECONNECT_AT_ONCE))

    def _call(self, channel: grpc.Channel, client: int, request: requests.Message) -> int | None:
        """One call, noted; its revision (0 after a refusal), None when the connection broke."""
        begun = time.monotonic()
        try:
            answer: wire.Answered | str = wire.answered(wire.begin(channel, request).result())
        except grpc.RpcError as problem:
            if problem.code() in BROKEN:  # type: ignore[attr-defined]
                self._note(Call(client, request, begun))
                return None
            answer = wire.refusal_of(problem)
        self._note(Call(client, request, begun, time.monotonic(), answer))
        return answer[0] if isinstance(answer, tuple) else 0

    def _note(self, call: Call) -> None:
        with self._lock:
            self.calls.append(call)
            if len(self.calls) == self._kill_at:
                self._is_time_to_kill.set()

    # Watchers.

    def _watch(self, watched: Watched) -> None:
        """Read until the last write came; over a broken connection again from the revision that is next."""
        connection = 1
        while not _has_everything(watched):
            with grpc.insecure_channel(self._server.address, RECONNECT_AT_ONCE) as channel:
                try:
                    self._read_stream(channel, watched, connection)
                except grpc.RpcError as problem:
                    assert problem.code() in BROKEN, problem  # type: ignore[attr-defined]
                    assert connection == 1, f"broken though nobody was killed: {problem}"
                    connection = self._wait_for_start(2)

    def _read_stream(self, channel: grpc.Channel, watched: Watched, connection: int) -> None:
        asked: queue.SimpleQueue[rpc.WatchRequest | None] = queue.SimpleQueue()
        asked.put(_creation(watched))
        call = channel.stream_stream(
            "/etcdserverpb.Watch/Watch",
            request_serializer=rpc.WatchRequest.SerializeToString,
            response_deserializer=rpc.WatchResponse.FromString,
        )(iter(asked.get, None))
        try:
            for count, response in enumerate(call):
                assert not response.canceled, response
                if not response.created:
                    events = tuple(map(wire.event, response.events))
                    watched.responses.append(Response(connection, response.header.revision, events))
                if _has_everything(watched):
                    return
                if count % PROGRESS_EVERY == 0:
                    asked.put(PROGRESS)
        finally:
            asked.put(None)
            call.cancel()


def _has_everything(watched: Watched) -> bool:
    """Whether the last thing that came is the last write of the history."""
    last = watched.responses[-1] if watched.responses else None
    return last is not None and any(event[1][4] == THE_END for event in last.events)


def _creation(watched: Watched) -> rpc.WatchRequest:
    create = rpc.WatchCreateRequest(
        key=watched.key,
        range_end=watched.range_end,
        start_revision=watched.next_revision,
        prev_kv=watched.previous,
    )
    return rpc.WatchRequest(create_request=create)
