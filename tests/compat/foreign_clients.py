"""What people do with three Python clients of etcd that we did not write; a program of its own, run in their environment.

    python foreign_clients.py etcd3|aetcd|etcd3gw PORT [--user NAME PASSWORD] [--tls CA CERT KEY]

One JSON list on standard output: what each step gave, without ids, times and sizes. `test_foreign_clients` runs it against
backstay and a real etcd and compares. Nothing here knows which of the two it talks to, and nothing of backstay is imported.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

WAIT_SECONDS = 20

Steps = list[tuple[str, object]]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("client", choices=sorted(CLIENTS))
    parser.add_argument("port", type=int)
    parser.add_argument("--user", nargs=2, default=(None, None))
    parser.add_argument("--tls", nargs=3, default=(None, None, None))
    given = parser.parse_args(arguments)
    steps = CLIENTS[given.client](given.port, given.user, given.tls)
    sys.stdout.write(json.dumps([[name, plain(value)] for name, value in steps], indent=1))


def plain(value: Any) -> object:
    """A value as JSON has it; bytes as text."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def tried(steps: Steps, name: str, work: Callable[[], object]) -> None:
    """A step that may be refused: the kind of the refusal and its words count too."""
    try:
        steps.append((name, work()))
    except Exception as problem:
        steps.append((name, f"{type(problem).__name__}: {getattr(problem, 'detail_text', None) or problem}"))


# etcd3, by Louis Taylor (python-etcd3).


def with_etcd3(port: int, user: Any, tls: Any) -> Steps:
    import etcd3

    host = "localhost" if tls[0] else "127.0.0.1"
    authority, certificate, key = tls
    client = etcd3.client(host, port, authority, key, certificate, user=user[0], password=user[1], timeout=WAIT_SECONDS)
    steps: Steps = []

    def note(name: str, value: object) -> None:
        steps.append((name, value))

    def pairs(found: Iterator[Any]) -> object:
        return [(value, meta.key, meta.version, meta.mod_revision, meta.create_revision) for value, meta in found]

    note("nothing yet", client.get("app/a"))
    client.put("app/a", "1")
    client.put("app/b", b"\x00\xff")
    note("previous value", client.put("app/a", "2", prev_kv=True).prev_kv.value)
    note("one", pairs(iter([client.get("app/a")])))
    note("prefix", pairs(client.get_prefix("app/")))
    note("descending", pairs(client.get_prefix("app/", sort_order="descend", sort_target="mod")))
    note("keys only", pairs(client.get_prefix("app/", keys_only=True)))
    note("range", pairs(client.get_range("app/a", "app/b")))
    note("everything", pairs(client.get_all()))
    note("serializable", client.get("app/a", serializable=True)[0])
    note("created", [client.put_if_not_exists("app/c", "x"), client.put_if_not_exists("app/c", "y")])
    note("replaced", [client.replace("app/c", "x", "z"), client.replace("app/c", "x", "w")])
    of = client.transactions
    succeeded, answers = client.transaction(
        compare=[of.value("app/a") == "2", of.version("app/a") > 1, of.create("app/none") == 0, of.mod("app/a") > 1],
        success=[of.put("app/d", "4"), of.get("app/a"), of.txn([of.version("app/b") == 1], [of.delete("app/b")], [])],
        failure=[of.put("app/d", "no")],
    )
    note("transaction", [succeeded, len(answers), answers[1][0][0], client.get("app/b")[0], client.get("app/d")[0]])
    note("failing transaction", client.transaction([of.value("app/a") == "9"], [], [of.get("app/a")])[0])
    note("deleted", [client.delete("app/d"), client.delete("app/d")])

    lease = client.lease(600)
    client.put("leased/a", "1", lease=lease)
    client.put("leased/b", "2", lease=lease)
    note("lease", [lease.granted_ttl, lease.remaining_ttl >= 598, sorted(lease.keys), lease.refresh()[0].TTL])
    lease.revoke()
    note("after the lease", pairs(client.get_prefix("leased/")))
    note("lease of our own number", client.lease(600, lease_id=77).id)
    tried(steps, "the same number again", lambda: client.lease(600, lease_id=77))
    tried(steps, "no such lease", lambda: client.put("app/e", "1", lease=12345))

    first = client.get("app/a")[1].mod_revision
    events, cancel = client.watch_prefix("watched/", start_revision=first, prev_kv=True)
    client.put("watched/a", "1")
    client.put("watched/a", "2")
    client.delete("watched/a")
    client.transaction([], [of.put("watched/b", "3"), of.put("watched/c", "4")], [])
    seen = [next(events) for _ in range(5)]
    cancel()
    note("watched", [(type(e).__name__, e.key, e.value, e.prev_value, e.mod_revision, e.version) for e in seen])
    called = threading.Event()
    heard: list[object] = []

    def callback(response: Any) -> None:
        heard.extend(event.value for event in response.events)
        called.set()

    watch_id = client.add_watch_callback("watched/d", callback)
    client.put("watched/d", "5")
    note("called back", [called.wait(WAIT_SECONDS), heard])
    client.cancel_watch(watch_id)

    # Waiting for a lock fails in this client with every tenacity of our days, whatever the server says.
    lock, other = client.lock("door", ttl=30), client.lock("door", ttl=30)
    note("lock", [lock.acquire(), lock.is_acquired(), other.is_acquired(), lock.release(), other.acquire()])
    other.release()

    now = client.get("app/a", serializable=False)[1].response_header.revision
    client.compact(now, physical=True)
    tried(steps, "compacted again", lambda: client.compact(1))
    tried(steps, "compacted watch", lambda: client.watch_once("app/a", timeout=WAIT_SECONDS, start_revision=1))
    note("members", [(member.name, len(list(member.peer_urls))) for member in client.members])
    status = client.status()
    note("status", [status.version, status.leader is not None, status.db_size > 0])
    note("alarms", [len(list(client.list_alarms())), len(client.create_alarm()), len(list(client.list_alarms()))])
    tried(steps, "no space", lambda: client.put("app/f", "1"))
    note("disarmed", [len(list(client.disarm_alarm())), len(list(client.list_alarms()))])
    client.defragment()
    tried(steps, "hash", lambda: client.hash() > 0)  # it says nobody's name with that
    snapshot = io.BytesIO()
    client.snapshot(snapshot)
    note("snapshot", len(snapshot.getvalue()) % 512)
    client.revoke_lease(77)
    note("prefix deleted", client.delete_prefix("app/").deleted)
    client.close()
    return steps


# aetcd, by Andrey Martyanov.


def with_aetcd(port: int, user: Any, tls: Any) -> Steps:
    return asyncio.run(asyncio.wait_for(_with_aetcd(port, user), 3 * WAIT_SECONDS))


async def _with_aetcd(port: int, user: Any) -> Steps:
    import aetcd

    steps: Steps = []

    def note(name: str, value: object) -> None:
        steps.append((name, value))

    def pair(item: Any) -> object:
        return item and (item.key, item.value, item.version, item.mod_revision, item.create_revision)

    async with aetcd.Client("127.0.0.1", port, username=user[0], password=user[1], timeout=WAIT_SECONDS) as client:
        note("nothing yet", await client.get(b"app/a"))
        await client.put(b"app/a", b"1")
        note("previous value", pair((await client.put(b"app/a", b"2", prev_kv=True)).prev_kv))
        await client.put(b"app/b", b"\x00\xff")
        note("one", pair(await client.get(b"app/a")))
        note("prefix", [pair(each) for each in await client.get_prefix(b"app/")])
        found = await client.get_prefix(b"app/", sort_order="descend", sort_target="version")
        note("sorted", [[pair(each) for each in found], found.more, found.count])
        note("range", [pair(each) for each in await client.get_range(b"app/a", b"app/b")])
        note("everything", [pair(each) for each in await client.get_all()])
        note("replaced", [await client.replace(b"app/a", b"2", b"3"), await client.replace(b"app/a", b"2", b"4")])
        of = client.transactions
        succeeded, answers = await client.transaction(
            compare=[of.value(b"app/a") == b"3", of.version(b"app/a") > 1, of.create(b"app/none") == 0],
            success=[of.put(b"app/d", b"4"), of.get(b"app/a"), of.delete(b"app/b")],
            failure=[of.put(b"app/d", b"no")],
        )
        note("transaction", [succeeded, len(answers), answers[1][0][0], pair(await client.get(b"app/b"))])
        lease = await client.lease(600)
        await client.put(b"leased/a", b"1", lease=lease)
        info = await client.get_lease_info(lease.id)
        note("lease", [info.grantedTTL, info.TTL >= 598, list(info.keys), (await lease.refresh()).TTL])
        await lease.revoke()
        note("after the lease", pair(await client.get(b"leased/a")))

        watch = await client.watch_prefix(b"watched/", prev_kv=True)
        await client.put(b"watched/a", b"1")
        await client.put(b"watched/a", b"2")
        await client.delete(b"watched/a")
        seen = []
        async for event in watch:
            seen.append((str(event.kind), pair(event.kv), event.prev_kv and event.prev_kv.value))
            if len(seen) == 3:
                break
        await watch.cancel()
        note("watched", seen)
        now = (await client.get_all()).header.revision
        waiting = asyncio.create_task(client.watch_once(b"watched/b", timeout=WAIT_SECONDS, start_revision=now))
        await client.put(b"watched/b", b"9")
        note("watched once", pair((await waiting).kv))

        lock = client.lock(b"door", ttl=30)
        other = client.lock(b"door", ttl=30)
        waits = await lock.acquire()
        queued = asyncio.create_task(other.acquire(timeout=WAIT_SECONDS))
        note("lock", [waits, await lock.is_acquired(), await lock.release(), await queued])
        await other.release()
        note("members", [each.name async for each in client.members()])
        status = await client.status()
        note("status", [status.version, status.leader is not None])
        note("many at once", await _many(client))
        note("prefix deleted", (await client.delete_prefix(b"app/")).deleted)
        now = (await client.get_all()).header.revision
        await client.compact(now)
        try:
            note(
                "compacted watch",
                type(await client.watch_once(b"app/a", timeout=WAIT_SECONDS, start_revision=2)).__name__,
            )
        except Exception as problem:
            note("compacted watch", f"{type(problem).__name__}: {problem}")
    return steps


async def _many(client: Any) -> object:
    await asyncio.gather(*(client.put(b"many/%d" % number, b"x" * number) for number in range(200)))
    found = await client.get_prefix(b"many/")
    await client.delete_prefix(b"many/")  # which of them was first is nobody's promise
    return found.count, sum(len(each.value) for each in found)


# etcd3gw, by OpenStack, over JSON.


def with_etcd3gw(port: int, user: Any, tls: Any) -> Steps:
    import etcd3gw
    from etcd3gw.utils import _encode

    authority, certificate, key = tls
    scheme = "https" if authority else "http"
    host = "localhost" if authority else "127.0.0.1"
    client = etcd3gw.client(host, port, protocol=scheme, ca_cert=authority, cert_key=key, cert_cert=certificate)
    steps: Steps = []

    def note(name: str, value: object) -> None:
        steps.append((name, value))

    if user[0]:
        login = client.post(client.get_url("/auth/authenticate"), json={"name": user[0], "password": user[1]})
        client.session.headers["Authorization"] = login["token"]
    note("nothing yet", client.get("app/a"))
    note("put", [client.put("app/a", "1"), client.put("app/a", "2"), client.put("app/b", b"\x00\xff")])
    note("one", [(value, _without_lease(meta)) for value, meta in client.get("app/a", metadata=True)])
    note("prefix", [(value, meta["key"], meta["version"]) for value, meta in client.get_prefix("app/")])
    note("sorted", client.get("app/a", range_end="app/z", sort_order="descend", sort_target="mod", limit=1))
    note("everything", [value for value, _ in client.get_all()])
    note("created", [client.create("app/c", "x"), client.create("app/c", "y")])
    note("replaced", [client.replace("app/c", "x", "z"), client.replace("app/c", "x", "w")])
    nested = {"request_txn": {"success": [{"request_put": {"key": _encode("app/d"), "value": _encode("4")}}]}}
    answer = client.transaction({"compare": [], "success": [{"request_range": {"key": _encode("app/a")}}, nested]})
    note("transaction", json.dumps(_without_header(answer), sort_keys=True))
    note("deleted", [client.delete("app/d"), client.delete("app/d")])
    lease = client.lease(600)
    client.put("leased/a", "1", lease=lease)
    note("lease", [lease.ttl() >= 598, lease.keys(), lease.refresh(), lease.revoke(), client.get("leased/a")])
    tried(steps, "lease that is gone", lease.revoke)
    note("renewed though gone", lease.refresh())

    events, cancel = client.watch_prefix("watched/", prev_kv=True)
    client.put("watched/a", "1")
    client.put("watched/a", "2")
    client.delete("watched/a")
    note("watched", [json.dumps(next(events), sort_keys=True, default=plain) for _ in range(3)])
    cancel()

    lock = client.lock("door", ttl=30)
    other = client.lock("door", ttl=30)
    note("lock", [lock.acquire(), lock.is_acquired(), other.acquire(), lock.refresh(), lock.release(), other.acquire()])
    other.release()
    note("members", [(sorted(each), each["name"]) for each in client.members()])
    note("status", [sorted(client.status()), client.status()["version"]])
    tried(steps, "empty key", lambda: client.put("", "1"))
    tried(steps, "future", lambda: client.get("app/a", revision=1_000_000))
    compact = {"revision": 3, "physical": True}
    tried(steps, "compacted", lambda: _without_header(client.post(client.get_url("/kv/compaction"), json=compact)))
    tried(steps, "compacted again", lambda: client.post(client.get_url("/kv/compaction"), json=compact))
    tried(steps, "not JSON", lambda: client.post(client.get_url("/kv/range"), data="{"))
    tried(steps, "no such path", lambda: client.post(client.get_url("/kv/nothing"), json={}))
    note("prefix deleted", client.delete_prefix("app/"))
    return steps


def _without_lease(meta: dict[str, Any]) -> object:
    return sorted((name, plain(value)) for name, value in meta.items() if name != "lease")


def _without_header(answer: Any) -> Any:
    if isinstance(answer, dict):
        return {name: _without_header(value) for name, value in answer.items() if name != "header"}
    return [_without_header(each) for each in answer] if isinstance(answer, list) else answer


CLIENTS: dict[str, Callable[[int, Any, Any], Steps]] = {
    "etcd3": with_etcd3,
    "aetcd": with_aetcd,
    "etcd3gw": with_etcd3gw,
}

if __name__ == "__main__":
    main(sys.argv[1:])
