"""The server side by side with real etcd, over the wire: `python -m bench.server [--write]`.

    calls       puts and gets at 1, 16, 64 and 256 connections, one call at a time on each (h2load): rate, p50, p99, CPU a call
    watchers    one key, 500 watchers on 20 connections, 100 puts: events per second
    memory      what a process holds after 100,000 keys of 1 KiB, and after a restart on them
    start       from exec to the first answer, on a store of 1 GiB
    checkpoint  p99 of puts while a checkpoint of 100 MiB is made, against the quiet store

Both sides write to the same disk and wait for it. Needs h2load (Debian: nghttp2-client) and a real etcd with etcdutl, and a
machine that does nothing else; the load average is printed with the results because it never quite does. Processor time per call
is what other work changes least.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any

import grpc

from backstay.etcd import Client, ConnectionOptions, Operation
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.testing import Etcd
from bench import stores
from bench.__main__ import newest_peer
from bench.document import DOCUMENT, put_section
from tests.etcd_process import EtcdProcess
from tests.peers import Peer

CONNECTIONS = (1, 16, 64, 256)
SECONDS = 2.0
VALUE = b"v" * 256
KEY = b"/registry/bench/key"
BATCH = 100
KEYS, KEY_VALUE_BYTES = 100_000, 1024
WATCH_CONNECTIONS, WATCHERS_EACH, WATCHED_PUTS = 20, 25, 100
QUOTA = str(8 << 30)

_TICKS = os.sysconf("SC_CLK_TCK")
_GRPC_HEADERS = ("te: trailers", "content-type: application/grpc")


@dataclass(frozen=True, slots=True)
class Served:
    """A server that runs."""

    endpoint: str
    pid: int

    def client(self) -> Client:
        """A client of it."""
        return Client(ConnectionOptions.of([self.endpoint]))

    def processor_seconds(self) -> float:
        """What its process has used, without its children."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory(self) -> tuple[int, int]:
        """Private and file-mapped bytes."""
        lines = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8").splitlines()
        found = {line.split(":")[0]: int(line.split()[1]) << 10 for line in lines if line.startswith("Rss")}
        return found["RssAnon"], found["RssFile"]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two servers, and how to start it on a directory."""

    name: str
    start: Callable[[Path], Iterator[Served]]

    @contextmanager
    def on(self, directory: Path) -> Iterator[Served]:
        """The server on `directory`."""
        yield from self.start(directory)


@dataclass(slots=True)
class Results:
    """Lines of Markdown, in the order of the page."""

    lines: list[str] = field(default_factory=list)

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """One table; all columns but the first are numbers."""
        self.lines += [f"| {' | '.join(heads)} |", f"|---|{'---:|' * (len(heads) - 1)}"]
        self.lines += [f"| {' | '.join(row)} |" for row in rows]
        self.lines.append("")

    def say(self, text: str) -> None:
        """A line of text."""
        self.lines += [text, ""]


def main(arguments: list[str]) -> int:
    """Measure what was asked for; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.server", description=__doc__)
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {','.join(PARTS)}")
    parser.add_argument("--write", action="store_true", help=f"put the results into {DOCUMENT.name}")
    chosen = parser.parse_args(arguments)
    peer = newest_peer()
    if peer is None or shutil.which("h2load") is None:
        print("bench needs a real etcd with etcdutl (`make peers`) and h2load (Debian: nghttp2-client)")
        return 1
    sides = (Side("backstay", _backstay), Side(str(peer), lambda directory: _etcd(peer, directory)))
    results = Results()
    results.say(f"## The server, beside {peer}")
    with tempfile.TemporaryDirectory(prefix="backstay-bench-", dir=stores.cache_directory().parent) as place:
        for part in chosen.parts.split(","):
            print(f"measuring {part}", file=sys.stderr)
            PARTS[part](sides, Path(place) / part, results)
    load = os.getloadavg()
    results.say(
        f"Load average of the last five and fifteen minutes: {load[1]:.1f}, {load[2]:.1f}; {os.cpu_count()} processors."
    )
    text = "\n".join(results.lines)
    print(text)
    if chosen.write:
        put_section("server", text)
    return 0


# --- the parts ---


def calls(sides: Sequence[Side], place: Path, results: Results) -> None:
    """Puts and gets of one key, by connections."""
    requests = {
        "put": ("Put", rpc.PutRequest(key=KEY, value=VALUE).SerializeToString()),
        "get": ("Range", rpc.RangeRequest(key=KEY).SerializeToString()),
    }
    measured: dict[tuple[str, int, str], Load] = {}
    for side in sides:
        with side.on(place / side.name) as served:
            with served.client() as client:
                client.kv.put(KEY, VALUE)
            for what, (method, body) in requests.items():
                for connections in CONNECTIONS:
                    measured[what, connections, side.name] = load(served, place, method, body, connections)
    rows = []
    for what in requests:
        for connections in CONNECTIONS:
            ours, theirs = (measured[what, connections, side.name] for side in sides)
            cells = [f"{ours.rate:,.0f}", f"{theirs.rate:,.0f}", f"{ours.p50 * 1e3:.1f}", f"{theirs.p50 * 1e3:.1f}"]
            cells += [
                f"{ours.p99 * 1e3:.1f}",
                f"{theirs.p99 * 1e3:.1f}",
                f"{ours.processor * 1e6:.0f}",
                f"{theirs.processor * 1e6:.0f}",
            ]
            rows.append([f"{what}, {connections} clients", *cells])
    heads = ["call", "calls/s", "etcd", "p50 ms", "etcd", "p99 ms", "etcd", "CPU µs a call", "etcd"]
    results.table(heads, rows)


def watchers(sides: Sequence[Side], place: Path, results: Results) -> None:
    """How fast one key's changes reach many watchers."""
    rows = []
    for side in sides:
        with side.on(place / side.name) as served:
            before = served.processor_seconds()
            seconds = asyncio.run(watched(served))
            processor = served.processor_seconds() - before
        events = WATCH_CONNECTIONS * WATCHERS_EACH * WATCHED_PUTS
        rows.append([side.name, f"{events / seconds:,.0f}", f"{processor / events * 1e6:.1f}"])
    results.say(
        f"{WATCH_CONNECTIONS * WATCHERS_EACH} watchers of one key on {WATCH_CONNECTIONS} streams, {WATCHED_PUTS} puts:"
    )
    results.table(["watch", "events/s", "CPU µs an event"], rows)


def memory(sides: Sequence[Side], place: Path, results: Results) -> None:
    """What a process holds for 100,000 keys of 1 KiB."""
    rows = []
    for side in sides:
        directory = place / side.name
        held = []
        with side.on(directory) as served:
            fill(served)
            held.append(served.memory())
        with side.on(directory) as served:
            with served.client() as client:
                client.kv.get(KEY)
            held.append(served.memory())
        cells = [f"{private / stores.MIB:.0f}, {mapped / stores.MIB:.0f}" for private, mapped in held]
        rows.append([side.name, *cells])
    results.say(f"{KEYS:,} keys of 1 KiB, private and mapped MiB:")
    results.table(["memory", "after writing them", "after a restart"], rows)


def start(sides: Sequence[Side], place: Path, results: Results) -> None:
    """From exec to the first answer on 1 GiB."""
    store = stores.prepare(stores.GIB, stores.cache_directory())
    rows = []
    for side in sides:
        directory = place / side.name
        place.mkdir(parents=True, exist_ok=True)
        restored = ["snapshot", "restore", str(store.path), "--data-dir", str(directory), "--keep-revision"]
        subprocess.run([sys.executable, "-m", "backstay", *restored], check=True, capture_output=True)
        times = []
        for _ in range(3):
            begun = time.perf_counter()
            with side.on(directory) as served, served.client() as client:
                client.kv.get(KEY)
                times.append(time.perf_counter() - begun)
                private, mapped = served.memory()
                processor = served.processor_seconds()
        rows.append(
            [
                side.name,
                f"{min(times):.1f}",
                f"{processor:.1f}",
                f"{private / stores.MIB:.0f}, {mapped / stores.MIB:.0f}",
            ]
        )
        shutil.rmtree(directory)
    results.say(f"Start on a store of {store.label} ({store.live_keys:,} keys), to the first answered get; best of 3:")
    results.table(["start", "seconds", "CPU s", "private, mapped MiB"], rows)


def checkpoint(sides: Sequence[Side], place: Path, results: Results) -> None:
    """Puts while our store makes a checkpoint, against before."""
    side = sides[0]
    body = rpc.PutRequest(key=KEY, value=VALUE).SerializeToString()
    with side.on(place / side.name) as served:
        fill(served)
        quiet = load(served, place, "Put", body, 16)
        over = threading.Event()

        def checkpoints() -> None:
            with served.client() as client:
                while not over.is_set():
                    client.maintenance.defragment(timeout_seconds=120)

        thread = threading.Thread(target=checkpoints)
        thread.start()
        try:
            busy = load(served, place, "Put", body, 16)
        finally:
            over.set()
            thread.join()
    results.say(
        f"Puts of 16 clients while checkpoints of {KEYS * KEY_VALUE_BYTES // stores.MIB} MiB are made one after the other:"
    )
    rows = [
        [what, f"{each.rate:,.0f}", f"{each.p50 * 1e3:.1f}", f"{each.p99 * 1e3:.1f}"]
        for what, each in (("without", quiet), ("with", busy))
    ]
    results.table(["checkpoint", "puts/s", "p50 ms", "p99 ms"], rows)


PARTS: dict[str, Callable[[Sequence[Side], Path, Results], None]] = {
    "calls": calls,
    "watchers": watchers,
    "memory": memory,
    "start": start,
    "checkpoint": checkpoint,
}


# --- how ---


@dataclass(frozen=True, slots=True)
class Load:
    """What came of one run: calls a second, seconds of a call, processor seconds of the server per call."""

    rate: float
    p50: float
    p99: float
    processor: float


def load(served: Served, place: Path, method: str, body: bytes, connections: int) -> Load:
    """Call as fast as `connections` clients can for some seconds. Raises when a call fails."""
    place.mkdir(parents=True, exist_ok=True)
    data, log = place / "request", place / "calls.log"
    data.write_bytes(b"\0" + len(body).to_bytes(4) + body)
    log.unlink(missing_ok=True)
    headers = [part for each in _GRPC_HEADERS for part in ("-H", each)]
    command = ["h2load", "-D", f"{SECONDS:.0f}", "--warm-up-time=1", "-c", str(connections), "-m", "1", *headers]
    before, begun = served.processor_seconds(), time.perf_counter()
    command += ["-d", str(data), f"--log-file={log}", f"{served.endpoint}/etcdserverpb.KV/{method}"]
    subprocess.run(command, check=True, capture_output=True)
    processor, seconds = served.processor_seconds() - before, time.perf_counter() - begun
    # Microseconds since 1970 of the start, HTTP status, microseconds it took; calls of the warm-up are not in it.
    answers = [line.split() for line in log.read_text(encoding="utf-8").splitlines()]
    failed = Counter(status for _, status, _ in answers if status != "200")
    if failed or len(answers) < 100:
        raise RuntimeError(f"{method} over {connections} connections: {len(answers)} answers, not well {dict(failed)}")
    times = quantiles((int(took) / 1e6 for _, _, took in answers), n=100)
    moments = [int(moment) for moment, _, _ in answers]
    rate = len(answers) / ((max(moments) - min(moments)) / 1e6)
    return Load(rate, times[49], times[98], processor / (rate * seconds))


def fill(served: Served) -> None:
    """Write the keys, in transactions."""
    with served.client() as client:
        for first in range(0, KEYS, BATCH):
            puts = (
                Operation.put(b"/bench/%08d" % number, os.urandom(KEY_VALUE_BYTES))
                for number in range(first, first + BATCH)
            )
            client.kv.txn((), tuple(puts))


async def watched(served: Served) -> float:
    """Seconds from the first put to the last event."""
    address = served.endpoint.removeprefix("http://")
    create = rpc.WatchRequest(create_request=rpc.WatchCreateRequest(key=KEY)).SerializeToString()
    wanted = WATCHERS_EACH * WATCHED_PUTS
    created = [asyncio.Event() for _ in range(WATCH_CONNECTIONS)]

    async def watch(number: int) -> None:
        async with grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            stream: Any = channel.stream_stream("/etcdserverpb.Watch/Watch")()
            for _ in range(WATCHERS_EACH):
                await stream.write(create)
            answers = events = 0
            while events < wanted:
                answer = rpc.WatchResponse.FromString(await stream.read())
                answers += answer.created
                events += len(answer.events)
                if answers == WATCHERS_EACH:
                    created[number].set()
            stream.cancel()

    tasks = [asyncio.create_task(watch(number)) for number in range(WATCH_CONNECTIONS)]
    for each in created:
        await each.wait()
    async with grpc.aio.insecure_channel(address) as channel:
        put: Any = channel.unary_unary("/etcdserverpb.KV/Put")
        body = rpc.PutRequest(key=KEY, value=VALUE).SerializeToString()
        begun = time.perf_counter()
        for _ in range(WATCHED_PUTS):
            await put(body)
        await asyncio.gather(*tasks)
        return time.perf_counter() - begun


def _backstay(directory: Path) -> Iterator[Served]:
    flags = {"quota-backend-bytes": QUOTA, "log-level": "error"}
    with Etcd(directory, flags=flags, waits_for_disk=True) as etcd:
        assert etcd.pid is not None
        yield Served(etcd.endpoint, etcd.pid)


def _etcd(peer: Peer, directory: Path) -> Iterator[Served]:
    with EtcdProcess(peer, directory, extra_args=[f"--quota-backend-bytes={QUOTA}", "--log-level=error"]) as etcd:
        assert etcd.pid is not None
        yield Served(etcd.endpoint, etcd.pid)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
