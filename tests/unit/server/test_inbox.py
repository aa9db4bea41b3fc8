"""The inbox: what is in one list, and what leaves when."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import wraps
from typing import Any

import pytest

from backstay.errors import BackstayError
from backstay.server.inbox import LIST_LIMIT, Inbox, InboxLimits
from backstay.server.methods import Op
from backstay.server.statuses import SERVER_STOPPED, TOO_MANY_REQUESTS
from backstay.server.transport import Call, CallId, Peer, Reply, StreamId
from backstay.store.refusals import COMPACTED, Refused
from tests.unit.server.inboxing import HeldJournal, QuickJournal, RecordingHandler

SECONDS = 10.0


def on_a_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run a test on an event loop of its own, not longer than `SECONDS`."""

    @wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        asyncio.run(asyncio.wait_for(test(*arguments, **named), SECONDS))

    return run


class Opened:
    """An inbox at work, and what came out of it."""

    def __init__(
        self,
        handler: RecordingHandler | None = None,
        journal: HeldJournal | None = None,
        limits: InboxLimits | None = None,
    ) -> None:
        self.handler = handler or RecordingHandler()
        self.journal = journal if journal is not None else HeldJournal()
        self.failures: list[BackstayError] = []
        self.inbox = Inbox(self.handler, self.journal, failed=self.failures.append, limits=limits)
        self.inbox.start()
        self.conn = self.inbox.connect(Peer("127.0.0.1:1"))
        self.replies: list[Reply] = []

    def ask(self, body: bytes) -> CallId:
        return self.inbox.put_raw(Op.TXN, self.conn, None, body, self.replies.append)

    async def turn(self) -> None:
        """Let everything happen that is due."""
        for _ in range(5):
            await asyncio.sleep(0)


def silent(calls: list[Call]) -> tuple[list[Reply], Sequence[bytes]]:
    """Nothing is answered now."""
    return [None] * len(calls), ()


@on_a_loop
async def test_calls_of_one_turn_are_one_list_in_the_order_of_their_coming() -> None:
    opened = Opened()
    for body in (b"a", b"b", b"c"):
        opened.ask(body)
    await opened.turn()
    assert [[call[3] for call in calls] for calls in opened.handler.lists] == [[b"a", b"b", b"c"]]
    assert opened.replies == [b"0", b"1", b"2"]
    opened.inbox.close()


@on_a_loop
async def test_with_nothing_in_flight_an_answer_leaves_at_once() -> None:
    opened = Opened()
    opened.ask(b"read")
    await opened.turn()
    assert opened.replies == [b"0"]
    opened.inbox.close()


@on_a_loop
async def test_a_write_is_acknowledged_only_after_its_sync() -> None:
    opened = Opened()
    opened.ask(b"write")
    await opened.turn()
    assert opened.replies == []
    opened.journal.sync()
    await opened.turn()
    assert opened.replies == [b"0"]
    opened.inbox.close()


@on_a_loop
async def test_a_read_waits_for_a_write_it_could_have_seen() -> None:
    opened = Opened()
    opened.ask(b"write")
    await opened.turn()
    opened.ask(b"read")
    await opened.turn()
    assert opened.replies == [], "or a crash would make a value unhappen that somebody has read"
    opened.journal.sync()
    await opened.turn()
    assert opened.replies == [b"0", b"0"]
    opened.inbox.close()


@on_a_loop
async def test_answers_leave_as_far_as_the_disk_has_come() -> None:
    opened = Opened()
    for body in (b"write 1", b"write 2"):
        opened.ask(body)
        await opened.turn()
    opened.ask(b"read")
    await opened.turn()
    opened.journal.sync(1)
    await opened.turn()
    assert opened.replies == [b"0"]
    opened.journal.sync()
    await opened.turn()
    assert opened.replies == [b"0", b"0", b"0"]
    opened.inbox.close()


@on_a_loop
async def test_what_is_handled_during_a_sync_is_handled_once_and_journalled_after_it() -> None:
    opened = Opened()
    opened.ask(b"write 1")
    await opened.turn()
    opened.ask(b"write 2")
    opened.ask(b"write 3")
    await opened.turn()
    assert [entries for entries, _ in opened.journal.submitted] == [[b"write 1"], [b"write 2", b"write 3"]]
    opened.inbox.close()


@on_a_loop
async def test_messages_of_streams_are_held_as_answers_are() -> None:
    handler = RecordingHandler(silent)
    opened = Opened(handler)
    stream, outgoing = opened.inbox.open(Op.WATCH, opened.conn, None, b"")
    await opened.turn()
    sent: list[bytes] = []

    async def write(body: bytes) -> None:
        sent.append(body)

    draining = asyncio.ensure_future(outgoing.drain(write))
    handler.due = [b"write"]

    def settled() -> None:
        if handler.due == [] and not opened.inbox.waiting(stream):
            opened.inbox.send(stream, b"event")

    handler.when_settled = settled
    while not opened.journal.submitted:
        await asyncio.sleep(0.01)
    assert opened.inbox.waiting(stream) == len(b"event")
    assert sent == []
    handler.when_settled = lambda: None
    opened.journal.sync()
    await opened.turn()
    assert sent == [b"event"]
    assert opened.inbox.waiting(stream) == 0
    draining.cancel()
    opened.inbox.close()


@on_a_loop
async def test_a_journal_that_fails_acknowledges_nothing_and_says_so_once() -> None:
    opened = Opened()
    opened.ask(b"write 1")
    await opened.turn()
    opened.ask(b"write 2")
    opened.ask(b"read")
    await opened.turn()
    opened.journal.fail()
    await opened.turn()
    assert opened.replies == []
    assert [failure.kind.code for failure in opened.failures] == ["journal-stopped"]
    opened.ask(b"read")
    await opened.turn()
    assert opened.replies == [SERVER_STOPPED]
    assert len(opened.handler.lists) == 2, "nothing is handled any more"
    opened.inbox.close()


@on_a_loop
async def test_a_journal_that_refuses_to_take_more_is_a_failure_too() -> None:
    opened = Opened()
    opened.journal.fail()
    opened.ask(b"write")
    await opened.turn()
    assert opened.replies == []
    assert opened.inbox.failure is not None
    opened.inbox.close()


@on_a_loop
async def test_a_handler_that_raises_stops_the_store(caplog: pytest.LogCaptureFixture) -> None:
    def defective(calls: list[Call]) -> tuple[list[Reply], Sequence[bytes]]:
        raise ZeroDivisionError("a defect")

    opened = Opened(RecordingHandler(defective))
    opened.ask(b"read")
    await opened.turn()
    assert opened.replies == []
    assert [failure.kind.code for failure in opened.failures] == ["store-defect"]
    opened.inbox.close()


@on_a_loop
async def test_a_call_can_be_answered_later() -> None:
    opened = Opened(RecordingHandler(silent))
    call = opened.ask(b"lock")
    await opened.turn()
    assert opened.replies == []

    def wake() -> None:
        opened.inbox.answer(call, b"locked")

    opened.inbox.post(wake)
    await opened.turn()
    assert opened.replies == [b"locked"]
    opened.inbox.answer(call, b"again")
    await opened.turn()
    assert opened.replies == [b"locked"]
    opened.inbox.close()


@on_a_loop
async def test_what_a_posted_call_writes_is_journalled_before_its_answer_leaves() -> None:
    opened = Opened(RecordingHandler(silent))
    call = opened.ask(b"add a user")
    await opened.turn()

    def wake() -> list[bytes]:
        opened.inbox.answer(call, b"added")
        return [b"the user"]

    thread = threading.Thread(target=opened.inbox.post, args=(wake,))
    thread.start()
    thread.join()
    await opened.turn()
    assert opened.journal.submitted[0][0] == [b"the user"]
    assert opened.replies == []
    opened.journal.sync()
    await opened.turn()
    assert opened.replies == [b"added"]
    opened.inbox.close()


@on_a_loop
async def test_a_client_that_leaves_before_a_late_answer_is_news_to_the_handler() -> None:
    opened = Opened(RecordingHandler(silent))
    call = opened.ask(b"lock")
    await opened.turn()
    opened.inbox.abandon(call)
    await opened.turn()
    assert opened.handler.calls[-1] == (Op.CANCEL, opened.conn, None, call, Op.TXN, b"")
    opened.inbox.answer(call, b"locked")
    await opened.turn()
    assert opened.replies == []
    opened.inbox.close()


@on_a_loop
async def test_a_client_that_leaves_after_its_answer_is_no_news() -> None:
    opened = Opened()
    call = opened.ask(b"read")
    await opened.turn()
    opened.inbox.abandon(call)
    await opened.turn()
    assert len(opened.handler.calls) == 1
    opened.inbox.close()


@on_a_loop
async def test_events_of_a_stream_come_in_order_and_end_with_its_end() -> None:
    opened = Opened(RecordingHandler(silent))
    stream, _ = opened.inbox.open(Op.WATCH, opened.conn, b"token", b"")
    opened.inbox.event(Op.MESSAGE, stream, b"1")
    opened.inbox.event(Op.MESSAGE, stream, b"2")
    opened.inbox.event(Op.HALF_CLOSE, stream)
    opened.inbox.event(Op.CANCEL, stream)
    opened.inbox.event(Op.MESSAGE, stream, b"3")
    await opened.turn()
    assert [(call[0], call[5]) for call in opened.handler.calls] == [  # type: ignore[misc]
        (Op.OPEN, b""),
        (Op.MESSAGE, b"1"),
        (Op.MESSAGE, b"2"),
        (Op.HALF_CLOSE, b""),
        (Op.CANCEL, b""),
    ]
    assert opened.inbox.send(stream, b"too late") == 0
    opened.inbox.close()


@on_a_loop
async def test_a_stream_that_the_handler_ended_sends_no_more_events() -> None:
    opened = Opened(RecordingHandler(silent))
    stream, outgoing = opened.inbox.open(Op.WATCH, opened.conn, None, b"")
    await opened.turn()

    def wake() -> None:
        opened.inbox.send(stream, b"last words")
        opened.inbox.finish(stream, 3, "no")

    opened.inbox.post(wake)
    sent: list[bytes] = []

    async def write(body: bytes) -> None:
        sent.append(body)

    assert await outgoing.drain(write) == (3, "no")
    assert sent == [b"last words"]
    opened.inbox.event(Op.CANCEL, stream)
    await opened.turn()
    assert [call[0] for call in opened.handler.calls] == [Op.OPEN]
    opened.inbox.close()


@on_a_loop
async def test_a_producer_runs_elsewhere_no_faster_than_its_client() -> None:
    opened = Opened(RecordingHandler(silent))
    made: list[int] = []
    threads: set[int] = set()
    closed = threading.Event()

    def bodies() -> Iterator[bytes]:
        try:
            for number in range(1000):
                made.append(number)
                threads.add(threading.get_ident())
                yield b"%d" % number
        finally:
            closed.set()

    stream, outgoing = opened.inbox.open(Op.SNAPSHOT, opened.conn, None, b"")
    opened.inbox.post(lambda: opened.inbox.produce(stream, bodies()))
    taken: list[bytes] = []
    third = asyncio.Event()

    async def write(body: bytes) -> None:
        taken.append(body)
        if len(taken) == 3:
            third.set()
            await asyncio.Event().wait()  # a client that takes no more

    draining = asyncio.ensure_future(outgoing.drain(write))
    await third.wait()
    assert len(made) <= 5
    assert threading.get_ident() not in threads
    draining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await draining
    assert await asyncio.to_thread(closed.wait, SECONDS), "closed when the client goes"
    opened.inbox.close()


@on_a_loop
async def test_a_producer_that_fails_ends_its_stream_with_the_reason() -> None:
    opened = Opened(RecordingHandler(silent))

    def refused() -> Iterator[bytes]:
        yield b"one"
        raise Refused(COMPACTED)

    def broken() -> Iterator[bytes]:
        yield b"one"
        raise OSError("the disk")

    for bodies, status in ((refused(), (11, COMPACTED.text)), (broken(), (2, "the disk"))):
        stream, outgoing = opened.inbox.open(Op.SNAPSHOT, opened.conn, None, b"")
        opened.inbox.produce(stream, bodies)

        async def write(body: bytes) -> None:
            assert body == b"one"

        assert await outgoing.drain(write) == status
    opened.inbox.close()


@on_a_loop
async def test_an_inbox_that_is_full_refuses_calls_and_holds_streams_back() -> None:
    opened = Opened(limits=InboxLimits(calls=3))
    stream, _ = opened.inbox.open(Op.WATCH, opened.conn, None, b"")
    for _ in range(4):
        opened.ask(b"write")
    assert opened.replies == [TOO_MANY_REQUESTS, TOO_MANY_REQUESTS]
    waiting = asyncio.ensure_future(opened.inbox.room())
    await opened.turn()
    assert not opened.inbox.waiting(stream)
    opened.journal.sync()
    await waiting
    opened.ask(b"read")
    await opened.turn()
    assert opened.replies[2:] == [b"1", b"2", b"0"]
    opened.inbox.close()


@on_a_loop
async def test_bytes_on_their_way_to_the_disk_fill_the_inbox_too() -> None:
    opened = Opened(limits=InboxLimits(size_bytes=1000))
    opened.ask(b"write" + bytes(1000))
    await opened.turn()
    opened.ask(b"write")
    assert opened.replies == [TOO_MANY_REQUESTS]
    opened.journal.sync()
    await opened.turn()
    opened.ask(b"read")
    await opened.turn()
    assert opened.replies == [TOO_MANY_REQUESTS, b"0", b"0"]
    opened.inbox.close()


@on_a_loop
async def test_a_list_is_never_so_long_that_sockets_starve() -> None:
    opened = Opened(journal=QuickJournal())
    for _ in range(2 * LIST_LIMIT + 1):
        opened.ask(b"read")
    await opened.turn()
    assert [len(calls) for calls in opened.handler.lists] == [LIST_LIMIT, LIST_LIMIT, 1]
    assert len(opened.replies) == 2 * LIST_LIMIT + 1
    opened.inbox.close()


@on_a_loop
async def test_what_is_due_by_the_clock_is_journalled_and_settled() -> None:
    opened = Opened()
    opened.handler.due = [b"a lease has expired"]
    while not opened.journal.submitted:
        await asyncio.sleep(0.01)
    assert opened.journal.submitted[0][0] == [b"a lease has expired"]
    assert opened.handler.settlings >= 1
    opened.inbox.close()


@on_a_loop
async def test_a_server_that_stops_ends_its_streams_and_answers_what_it_took() -> None:
    opened = Opened()
    _, outgoing = opened.inbox.open(Op.WATCH, opened.conn, None, b"")
    opened.ask(b"write")
    await opened.turn()
    opened.inbox.refuse_new()
    opened.inbox.end_streams()
    opened.ask(b"write")

    async def write(body: bytes) -> None:
        raise AssertionError("nothing was sent")

    draining = asyncio.ensure_future(outgoing.drain(write))
    idle = asyncio.ensure_future(opened.inbox.idle())
    await opened.turn()
    assert not idle.done()
    opened.journal.sync()
    await idle
    assert await draining == SERVER_STOPPED
    assert opened.replies == [SERVER_STOPPED, b"1"]
    assert opened.handler.calls[-1][0] is Op.CANCEL
    opened.inbox.close()


@on_a_loop
async def test_whoever_is_at_the_other_end_is_known_while_connected() -> None:
    opened = Opened()
    assert opened.inbox.peer(opened.conn) == Peer("127.0.0.1:1")
    opened.inbox.disconnect(opened.conn)
    assert opened.inbox.peer(opened.conn) == Peer("")
    assert opened.inbox.send(StreamId(999), b"to nobody") == 0
    opened.inbox.close()
