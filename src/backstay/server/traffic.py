"""What goes over the wire, counted: calls begun and ended, messages and bytes, by method. For `/metrics`."""

from __future__ import annotations

from collections import Counter

from backstay.server.methods import Op


class Traffic:
    """Counts since the start. Written and read on the event loop's thread."""

    def __init__(self) -> None:
        self.started: Counter[Op] = Counter()
        self.ended: Counter[tuple[Op, int]] = Counter()
        """By method and gRPC status."""
        self.received: Counter[Op] = Counter()
        """Messages of clients."""
        self.sent: Counter[Op] = Counter()
        """Messages to clients."""
        self.received_bytes = 0
        self.sent_bytes = 0

    def answered(self, op: Op, request_bytes: int, response_bytes: int) -> None:
        """A call with one request and one response is over."""
        self.ended[op, 0] += 1
        self.received[op] += 1
        self.sent[op] += 1
        self.received_bytes += request_bytes
        self.sent_bytes += response_bytes

    def refused(self, op: Op, request_bytes: int, status: int) -> None:
        """A call with one request is over, and has no response."""
        self.ended[op, status] += 1
        self.received[op] += 1
        self.received_bytes += request_bytes
