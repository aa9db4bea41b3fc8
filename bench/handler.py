"""What one Python thread takes for a call, without transport and disk: microseconds over lists of 64 calls.

python -m bench.handler        put, get and Kubernetes' update transaction on 100,000 keys, through the handler and below it
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from backstay.clock import SystemClock
from backstay.errors import BackstayError
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.formats import schema
from backstay.formats.bbolt import build, open_database
from backstay.formats.requests import Put, Range
from backstay.server.handler import ServedMember, Sizes, StoreHandler
from backstay.server.handler.hosting import Snapshot
from backstay.server.methods import Op
from backstay.server.transport import Call, CallId, Conn
from backstay.store.engine import Engine, EngineOptions
from backstay.store.state import load_state
from backstay.values import ClusterId, MemberId

KEYS = 100_000
CALLS = 64
ROUNDS = 300
VALUE = b"v" * 256

CONN, NUMBER = Conn(1), CallId(2)


class Nowhere:
    """Surroundings of a handler that has no files."""

    sizes = Sizes(0, 0)

    def tick(self) -> None:
        """Nothing is due."""

    def elsewhere(self, work: Callable[[], None]) -> None:
        """Run it here."""
        work()

    def defragment(self, done: Callable[[BackstayError | None], None]) -> None:
        """There is nothing to do."""
        done(None)

    def snapshot(self) -> Callable[[], Snapshot]:
        """An empty one."""
        return lambda: Snapshot(0, iter(()))


def microseconds(prepare: Callable[[bytes], object], run: Callable[[list[object]], object], keys: list[bytes]) -> float:
    """The median time of one call."""
    chosen = random.Random(1)
    times = []
    for _ in range(ROUNDS):
        calls = [prepare(key) for key in chosen.sample(keys, CALLS)]
        before = time.perf_counter()
        run(calls)
        times.append((time.perf_counter() - before) / CALLS)
    return sorted(times)[ROUNDS // 2] * 1e6


def one_by_one(run: Callable[..., object]) -> Callable[[list[object]], object]:
    """A list of calls to something that takes one."""

    def each(calls: list[object]) -> None:
        for call in calls:
            run(call)

    return each


def main() -> None:
    """Print the table."""
    pieces: list[bytes] = []
    built = build(((name, ()) for name in schema.BUCKETS), pieces.extend)
    state = load_state(open_database(built.meta_pages + b"".join(pieces)))
    engine = Engine(state, SystemClock(), random.Random(1), EngineOptions(MemberId(1), ClusterId(1)))
    handler = StoreHandler(engine, Nowhere(), ServedMember("bench", (), ()), term=1)
    keys = [b"/registry/pods/default/pod-%07d" % number for number in range(KEYS)]
    for key in keys:
        engine.put(key, VALUE)

    def update(key: bytes) -> Call:
        item = engine.get(key)[1]
        assert item is not None
        condition = rpc.Compare(target=rpc.Compare.MOD, key=key, mod_revision=item.mod_revision)
        put = rpc.RequestOp(request_put=rpc.PutRequest(key=key, value=VALUE))
        read = rpc.RequestOp(request_range=rpc.RangeRequest(key=key))
        txn = rpc.TxnRequest(compare=[condition], success=[put], failure=[read])
        return Op.TXN, CONN, None, txn.SerializeToString(), NUMBER

    def handle(calls: list[object]) -> None:
        handler(calls)  # type: ignore[arg-type]
        handler.settled()

    put: Callable[[bytes], Call] = lambda key: (Op.PUT, CONN, None, key, VALUE, 0, 0)  # noqa: E731
    get: Callable[[bytes], Call] = lambda key: (Op.RANGE, CONN, None, key, b"", 0, 0, 0)  # noqa: E731
    rows: list[tuple[str, Callable[[bytes], object], Callable[[list[object]], object]]] = [
        ("put", put, handle),
        ("get", get, handle),
        ("update", update, handle),
        ("engine: put", lambda key: key, one_by_one(lambda key: engine.put(key, VALUE))),
        ("engine: put, in general", lambda key: Put(key, VALUE), one_by_one(engine.execute)),
        ("engine: get", lambda key: key, one_by_one(engine.get)),
        ("engine: get, in general", Range, one_by_one(engine.execute)),
    ]
    for name, prepare, run in rows:
        print(f"{name:24} {microseconds(prepare, run, keys):6.1f} us")


if __name__ == "__main__":
    main()
