"""The asynchronous client against the oldest and the newest release: streams above all, across a restart of the server."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine

import pytest

from backstay import errors
from backstay.etcd import AsyncClient, Compare, ConnectionOptions, Credentials, EventType, Operation, prefix_end
from backstay.etcd.asynchronous import AsyncWatcher
from backstay.etcd.watch import WatchBatch, WatchCompacted
from tests import peers
from tests.conftest import StartEtcd
from tests.etcd_process import EtcdProcess, free_ports

OLDEST, NEWEST = peers.VERSIONS[0], peers.VERSIONS[-1]
STEP_SECONDS = 20.0


@pytest.fixture(params=[OLDEST, NEWEST], ids=lambda version: f"etcd-{version}")
def etcd(request: pytest.FixtureRequest, start_etcd: StartEtcd) -> EtcdProcess:
    return start_etcd(peers.peer(request.param))


def run(etcd: EtcdProcess, scenario: Callable[[AsyncClient], Coroutine[None, None, None]]) -> None:
    """Run a scenario with a client of `etcd` on a loop of its own."""

    async def main() -> None:
        async with AsyncClient(ConnectionOptions.of([etcd.endpoint])) as client, asyncio.timeout(60):
            await scenario(client)

    asyncio.run(main())


def test_keys_are_written_read_in_pages_and_compared(etcd: EtcdProcess) -> None:
    async def scenario(client: AsyncClient) -> None:
        for number in range(7):
            last = await client.kv.put(b"kv/%d" % number, b"value %d" % number)
        pages = [page async for page in client.kv.range_pages(b"kv/", page_keys=3)]
        assert [len(page.items) for page in pages] == [3, 3, 1]
        assert (await client.kv.range(b"kv/", range_end=prefix_end(b"kv/"), count_only=True)).count == 7
        item = await client.kv.get(b"kv/6")
        assert item is not None
        assert item.value == b"value 6"
        done = await client.kv.txn(
            (Compare.value(b"kv/6", "=", b"value 6"),), (Operation.put(b"kv/6", b"new"), Operation.range(b"kv/0"))
        )
        assert (done.succeeded, len(done.responses)) == (True, 2)
        deleted = await client.kv.delete_range(b"kv/1", previous=True)
        assert [each.value for each in deleted.previous] == [b"value 1"]
        await client.kv.compact(last.header.revision)
        with pytest.raises(errors.BackstayError) as caught:
            await client.kv.get(b"kv/6", revision=last.header.revision - 1)
        assert caught.value.kind is errors.REVISION_COMPACTED

    run(etcd, scenario)


def test_a_watch_delivers_everything_once_across_a_restart_of_the_server(etcd: EtcdProcess) -> None:
    async def scenario(client: AsyncClient) -> None:
        first = await client.kv.put(b"w/0", b"0")
        seen: list[bytes] = []
        async with client.watch(b"w/", range_end=b"w0", start_revision=first.header.revision) as watcher:
            while len(seen) < 1:
                seen += [event.item.value for event in (await step(watcher)).events]
            await asyncio.to_thread(etcd.kill)
            await asyncio.to_thread(etcd.start)
            for number in range(1, 4):
                await client.kv.put(b"w/%d" % number, b"%d" % number)
            await client.kv.delete_range(b"w/0")
            while len(seen) < 5:
                batch = await step(watcher)
                seen += [event.item.value for event in batch.events]
            assert batch.events[-1].type is EventType.DELETE
        assert seen == [b"0", b"1", b"2", b"3", b""]
        assert [batch async for batch in watcher] == []

    run(etcd, scenario)


def test_a_time_limit_around_one_step_of_a_watch_loses_nothing(etcd: EtcdProcess) -> None:
    async def scenario(client: AsyncClient) -> None:
        async with client.watch(b"limit", start_revision=1) as watcher:
            for value in (b"1", b"2"):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.3):
                        await anext(watcher)
                await client.kv.put(b"limit", value)
                assert [event.item.value for event in (await step(watcher)).events] == [value]

    run(etcd, scenario)


def test_a_watch_tells_its_progress_when_asked(etcd: EtcdProcess) -> None:
    async def scenario(client: AsyncClient) -> None:
        put = await client.kv.put(b"progress", b"1")
        async with client.watch(b"progress", start_revision=put.header.revision) as watcher:
            assert (await step(watcher)).events
            await client.kv.put(b"elsewhere", b"1")
            await watcher.request_progress()
            batch = await step(watcher)
        assert batch.is_progress
        assert batch.header.revision == put.header.revision + 1

    run(etcd, scenario)


def test_a_watch_of_compacted_history_says_where_history_begins(etcd: EtcdProcess) -> None:
    async def scenario(client: AsyncClient) -> None:
        for _ in range(5):
            last = await client.kv.put(b"compacted", b"1")
        await client.kv.compact(last.header.revision)
        with pytest.raises(WatchCompacted) as caught:
            await step(client.watch(b"compacted", start_revision=2))
        assert (caught.value.compact_revision, caught.value.wanted) == (last.header.revision, 2)

    run(etcd, scenario)


def test_a_cancelled_watch_ends_the_task_that_waits_for_it(etcd: EtcdProcess) -> None:
    async def scenario(client: AsyncClient) -> None:
        watcher = client.watch(b"cancelled")

        async def wait_for_events() -> list[object]:
            return [batch async for batch in watcher]

        waiting = asyncio.create_task(wait_for_events())
        await client.kv.put(b"other", b"1")
        watcher.cancel()
        async with asyncio.timeout(STEP_SECONDS):
            assert await waiting == []

    run(etcd, scenario)


def test_a_lease_lives_as_long_as_it_is_renewed_and_a_restart_does_not_matter(etcd: EtcdProcess) -> None:
    async def scenario(client: AsyncClient) -> None:
        lease = await client.lease.grant(5)
        await client.kv.put(b"leased", b"1", lease=lease.lease_id)
        renewals = client.lease.keep_alive(lease.lease_id)
        for number in range(5):  # longer than the five seconds that the lease has
            assert await anext(renewals) >= 5
            if number == 2:
                await asyncio.to_thread(etcd.kill)
                await asyncio.to_thread(etcd.start)
        assert await client.kv.get(b"leased") is not None
        await client.lease.revoke(lease.lease_id)
        assert [seconds async for seconds in renewals] == []
        assert await client.kv.get(b"leased") is None

    run(etcd, scenario)


def test_a_snapshot_streams_to_its_end_and_its_hash_is_right(etcd: EtcdProcess) -> None:
    async def scenario(client: AsyncClient) -> None:
        for number in range(20):
            await client.kv.put(b"big/%d" % number, b"x" * 50_000)
        content = bytearray()
        async with client.maintenance.snapshot() as stream:
            async for chunk in stream:
                content += chunk.blob
        assert len(content) > 1_000_000
        assert content[-32:] == hashlib.sha256(content[:-32]).digest()
        status = await client.maintenance.status()
        assert status.version == etcd.peer.version
        hashed = await client.maintenance.hash_kv()
        assert hashed.revision == status.header.revision
        assert await client.maintenance.alarms() == ()

    run(etcd, scenario)


def test_users_log_in_and_a_token_that_died_with_the_server_is_renewed(etcd: EtcdProcess) -> None:
    for words in (("user", "add", "root:secret"), ("role", "add", "root"), ("user", "grant-role", "root", "root")):
        etcd.etcdctl(*words, check=words[:2] != ("role", "add"))
    etcd.etcdctl("auth", "enable")

    async def scenario() -> None:
        options = ConnectionOptions.of([etcd.endpoint], Credentials(user="root", password="secret"))
        async with AsyncClient(options) as client, asyncio.timeout(60):
            await client.kv.put(b"auth", b"1")
            async with client.watch(b"auth", start_revision=1) as watcher:
                assert (await step(watcher)).events
                await asyncio.to_thread(etcd.kill)
                await asyncio.to_thread(etcd.start)
                await client.kv.put(b"auth", b"2")
                assert (await step(watcher)).events[-1].item.value == b"2"
        wrong = ConnectionOptions.of([etcd.endpoint], Credentials(user="root", password="wrong"))
        async with AsyncClient(wrong) as client:
            with pytest.raises(errors.BackstayError) as caught:
                await client.kv.get(b"auth")
        assert caught.value.kind is errors.AUTHENTICATION_FAILED

    asyncio.run(scenario())


def test_an_endpoint_that_is_down_is_passed_over(etcd: EtcdProcess) -> None:
    async def scenario() -> None:
        down = f"http://127.0.0.1:{free_ports(1)[0]}"
        async with AsyncClient(ConnectionOptions.of([down, etcd.endpoint])) as client:
            await client.kv.put(b"over", b"1")
        async with AsyncClient(ConnectionOptions.of([down])) as client:
            with pytest.raises(errors.BackstayError) as caught:
                await client.kv.get(b"over")
        assert caught.value.kind is errors.ENDPOINT_UNREACHABLE

    asyncio.run(scenario())


async def step(watcher: AsyncWatcher) -> WatchBatch:
    """The next batch, within a time that only a hang exceeds."""
    async with asyncio.timeout(STEP_SECONDS):
        return await anext(watcher)
