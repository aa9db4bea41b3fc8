"""A client that puts as fast as it can, in a process of its own: `python -m bench.load ENDPOINT` until stdin closes.

Prints the time of every answer (seconds, the machine's monotonic clock) as a JSON list. It overwrites a fixed set of
keys, so that the store does not grow into another one while it is measured.
"""

from __future__ import annotations

import json
import sys
import threading
import time

from backstay.etcd import Client, ConnectionOptions

THREADS = 4
KEYS_PER_THREAD = 250


def main() -> None:
    """Put until stdin closes, then report."""
    over = threading.Event()
    answers: list[list[float]] = [[] for _ in range(THREADS)]

    def put(number: int) -> None:
        with Client(ConnectionOptions.of([sys.argv[1]])) as client:
            count = 0
            while not over.is_set():
                client.kv.put(b"/bench/%d/%d" % (number, count % KEYS_PER_THREAD), bytes(300))
                answers[number].append(time.monotonic())
                count += 1

    threads = [threading.Thread(target=put, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    over.set()
    for thread in threads:
        thread.join()
    print(json.dumps(sorted(moment for each in answers for moment in each)))


if __name__ == "__main__":
    main()
