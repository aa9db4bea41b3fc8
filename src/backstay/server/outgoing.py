"""What waits to be sent on one stream, and how it ends.

The inbox releases messages into it, on the store's thread; the door that holds the client's connection drains it as fast
as the client takes it. `waiting_bytes` counts a message from the moment the handler gave it out until the door has passed it
on, so it includes what is held for the journal. A client that asks on and reads no answer is not listened to meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Executor, Future

from backstay.server.statuses import OK, UNKNOWN, status_of
from backstay.server.transport import Status
from backstay.store.refusals import Refused

Write = Callable[[bytes], Awaitable[object]]
"""Passes one message to the client; returns when there is room for another."""

UNREAD_BYTES = 4 << 20
"""With more than this waiting for a client, what it says next stays with the transport, as with etcd."""

_FINISHED: Status = (OK, "")


class Outgoing:
    """The server's half of one stream. All methods belong to the event loop's thread."""

    def __init__(self, workers: Executor) -> None:
        self.waiting_bytes = 0
        self._workers = workers
        self._released: deque[bytes] = deque()
        self._produced: Iterator[bytes] | None = None
        self._end: Status | None = None
        self._sleeper: asyncio.Future[None] | None = None
        self._has_room = asyncio.Event()

    def release(self, body: bytes) -> None:
        """Let a message go. Its size was counted before."""
        self._released.append(body)
        self._wake()

    def release_all(self, bodies: Iterator[bytes]) -> None:
        """Let everything of `bodies` go, made on a worker as the client takes it; then end the stream."""
        self._produced = bodies
        self._wake()

    def release_end(self, status: Status) -> None:
        """End the stream after what was released."""
        self._end = status
        self._wake()

    async def room(self) -> None:
        """Return when the client has taken most of what it was answered: a door waits here before it reads on from it."""
        while self.waiting_bytes > UNREAD_BYTES:
            self._has_room.clear()
            await self._has_room.wait()

    async def drain(self, write: Write) -> Status:
        """Pass on everything, until the end; returns the status to end with."""
        while True:
            while self._released:
                body = self._released.popleft()
                await write(body)
                self.waiting_bytes -= len(body)
                if self.waiting_bytes <= UNREAD_BYTES:
                    self._has_room.set()
            if self._produced is not None:
                return await self._produce(self._produced, write)
            if self._end is not None:
                return self._end
            self._sleeper = asyncio.get_running_loop().create_future()
            await self._sleeper

    async def _produce(self, bodies: Iterator[bytes], write: Write) -> Status:
        try:
            async for body in _made_elsewhere(bodies, self._workers):
                await write(body)
        except Refused as refused:
            return status_of(refused.refusal)
        except Exception as problem:  # whatever it is belongs to this stream alone, and its client shall hear it
            return UNKNOWN, str(problem)
        return _FINISHED

    def _wake(self) -> None:
        if self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(None)


async def _made_elsewhere(bodies: Iterator[bytes], workers: Executor) -> AsyncIterator[bytes]:
    """`bodies`, each made on a worker while the one before is on its way; closed there when nobody wants more."""
    making: Future[bytes | None] = workers.submit(next, bodies, None)
    try:
        while (body := await asyncio.wrap_future(making)) is not None:
            making = workers.submit(next, bodies, None)
            yield body
    finally:
        making.add_done_callback(lambda _: _close(bodies))


def _close(bodies: Iterator[bytes]) -> None:
    close = getattr(bodies, "close", None)
    if close is not None:
        close()
