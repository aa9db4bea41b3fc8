"""A store that is written until somebody kills it; `test_store_killed` runs this as a program.

    python -m tests.crash.write_until_killed DATA

It prints the number of each write once it was acknowledged, goes on after what it finds, and checkpoints now and then.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from backstay.errors import BackstayError
from backstay.formats import requests
from backstay.store.durable import StoreOptions, adopt, open_store, plan_checkpoint, run_checkpoint
from backstay.store.durable.checkpoint_child import build_database
from tests.storing import do

OPTIONS = StoreOptions(segment_size=50_000)
IN_FLIGHT = 32
CHECKPOINT_EVERY = 400


def main(data: str) -> None:
    """Write numbered keys for ever, a few of them at once."""
    store = open_store(Path(data), options=OPTIONS)
    free = threading.Semaphore(IN_FLIGHT)
    number = int(store.state.revision)
    while True:
        free.acquire()

        def done(failure: BackstayError | None, number: int = number) -> None:
            assert failure is None
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()
            free.release()

        do(store, requests.Put(key=b"%08d" % number, value=b"value" * 20), done)
        number += 1
        if number % CHECKPOINT_EVERY == 0:
            plan = plan_checkpoint(store.state)
            built = run_checkpoint(store, plan, build=build_database)
            adopt(store, plan, built)


if __name__ == "__main__":
    main(*sys.argv[1:])
