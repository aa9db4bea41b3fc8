"""Writing until somebody dies: a thread that remembers which writes were acknowledged, and what is there afterwards.

with writing(client) as writer:
    writer.wait_for(100)
    server.kill()
assert writer.promised().items() <= held(client).items()
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from backstay.errors import BackstayError
from backstay.etcd import Client

WAIT_SECONDS = 60.0


class Writer(threading.Thread):
    """Writes numbered keys until it is told to stop. A write that failed is given up: whether it happened is not known."""

    def __init__(self, client: Client, prefix: str = "written") -> None:
        super().__init__()
        self.refused = 0
        self._prefix = prefix
        self._acknowledged: list[int] = []
        self._client = client
        self._is_over = threading.Event()
        self._moved = threading.Condition()

    def run(self) -> None:
        number = 0
        while not self._is_over.is_set():
            number += 1
            try:
                self._client.kv.put(self._key(number).encode(), b"%d" % number)
            except BackstayError:
                self.refused += 1
                self._is_over.wait(0.01)
                continue
            with self._moved:
                self._acknowledged.append(number)
                self._moved.notify_all()

    def wait_for(self, more: int) -> None:
        """Return when so many further writes were acknowledged."""
        with self._moved:
            wanted = len(self._acknowledged) + more
            assert self._moved.wait_for(lambda: len(self._acknowledged) >= wanted, timeout=WAIT_SECONDS)

    def stop(self) -> None:
        """Stop writing, and wait for the write that is under way."""
        self._is_over.set()
        self.join()

    def promised(self) -> dict[str, str]:
        """Every key that must be there, and its value."""
        return {self._key(number): str(number) for number in self._acknowledged}

    def _key(self, number: int) -> str:
        return f"{self._prefix}-{number:06}"


@contextlib.contextmanager
def writing(client: Client, prefix: str = "written") -> Iterator[Writer]:
    """A writer that has stopped when the block is over."""
    writer = Writer(client, prefix)
    writer.start()
    try:
        yield writer
    finally:
        writer.stop()


def held(client: Client) -> dict[str, str]:
    """Every key and its value, as text."""
    found = client.kv.range(b"\0", range_end=b"\0")
    return {item.key.decode(): item.value.decode() for item in found.items}
