"""What a client over HTTP sees of a server that is told to stop in the middle of its call."""

from __future__ import annotations

import asyncio

from tests.serving import on_a_loop, serving
from tests.unit.server.inboxing import HeldJournal

PUT = b'POST /v3/kv/put HTTP/1.1\r\nHost: x\r\nContent-Length: 29\r\n\r\n{"key":"aw==","value":"dg=="}'
WATCH = b'POST /v3/watch HTTP/1.1\r\nHost: x\r\nContent-Length: 33\r\n\r\n{"create_request":{"key":"aw=="}}'


async def _submitted(journal: HeldJournal) -> None:
    while not journal.submitted:
        await asyncio.sleep(0)


def test_a_put_over_http_is_answered_when_the_server_stops_meanwhile() -> None:
    async def story() -> None:
        journal = HeldJournal()
        async with serving(journal=journal) as served:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(PUT)
            await _submitted(journal)
            stopping = asyncio.ensure_future(served.server.stop(20))
            await asyncio.wait((stopping,), timeout=0.5)
            assert not stopping.done()
            journal.sync()
            await stopping
            assert (await reader.read()).startswith(b"HTTP/1.1 200 OK")
            writer.close()

    on_a_loop(story)


def test_a_second_stop_does_not_wait_for_calls_over_http() -> None:
    async def story() -> None:
        journal = HeldJournal()
        async with serving(journal=journal) as served:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(PUT)
            await _submitted(journal)
            stopping = asyncio.ensure_future(served.server.stop(1000))
            await asyncio.sleep(0)
            await served.server.stop(0)
            await stopping
            assert await reader.read() == b""
            writer.close()

    on_a_loop(story)


def test_a_watch_over_http_does_not_keep_a_server_from_stopping() -> None:
    async def story() -> None:
        async with serving() as served:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(WATCH)
            while not served.handler.calls:
                await asyncio.sleep(0)
            await served.server.stop(1000)
            assert b"server stopped" in await reader.read()
            writer.close()

    on_a_loop(story)
