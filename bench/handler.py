"""What the store itself takes for a request, without transport and disk: microseconds over lists of 64 calls.

python -m bench.handler        put, get and Kubernetes' update transaction on 100,000 keys
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from backstay.clock import SystemClock
from backstay.formats import schema
from backstay.formats.bbolt import build, open_database
from backstay.formats.requests import Compare, CompareTarget, Operation, Put, Range, Txn
from backstay.store.engine import Engine, EngineOptions
from backstay.store.state import load_state
from backstay.values import ClusterId, MemberId

KEYS = 100_000
CALLS = 64
ROUNDS = 300
VALUE = b"v" * 256


def microseconds(prepare: Callable[[bytes], object], run: Callable[[object], object], keys: list[bytes]) -> float:
    """The median time of one call."""
    chosen = random.Random(1)
    times = []
    for _ in range(ROUNDS):
        calls = [prepare(chosen.choice(keys)) for _ in range(CALLS)]
        before = time.perf_counter()
        for call in calls:
            run(call)
        times.append((time.perf_counter() - before) / CALLS)
    return sorted(times)[ROUNDS // 2] * 1e6


def main() -> None:
    """Print the table."""
    pieces: list[bytes] = []
    built = build(((name, ()) for name in schema.BUCKETS), pieces.extend)
    state = load_state(open_database(built.meta_pages + b"".join(pieces)))
    engine = Engine(state, SystemClock(), random.Random(1), EngineOptions(MemberId(1), ClusterId(1)))
    keys = [b"/registry/pods/default/pod-%07d" % number for number in range(KEYS)]
    for key in keys:
        engine.put(key, VALUE)

    def update(key: bytes) -> Txn:
        item = engine.get(key)[1]
        assert item is not None
        condition = Compare(target=CompareTarget.MOD, key=key, mod_revision=item.mod_revision)
        return Txn((condition,), (Operation(put=Put(key, VALUE)),), (Operation(range=Range(key)),))

    def short_update(key: bytes) -> tuple[bytes, int]:
        item = engine.get(key)[1]
        assert item is not None
        return key, item.mod_revision

    rows: list[tuple[str, Callable[[bytes], object], Callable[..., object]]] = [
        ("put", lambda key: key, lambda key: engine.put(key, VALUE)),
        ("put, general path", lambda key: Put(key, VALUE), engine.execute),
        ("get", lambda key: key, engine.get),
        ("get, general path", Range, engine.execute),
        ("update", short_update, lambda call: engine.update(call[0], call[1], VALUE)),
        ("update, general path", update, engine.execute),
    ]
    for name, prepare, run in rows:
        print(f"{name:24} {microseconds(prepare, run, keys):6.1f} us")


if __name__ == "__main__":
    main()
