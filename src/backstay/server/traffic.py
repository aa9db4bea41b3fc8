"""What goes over the wire, counted: calls begun and ended, messages and bytes, by method. For `/metrics`."""

from __future__ import annotations

from collections import Counter

from backstay.server.durations import Durations
from backstay.server.methods import STREAMS, Op

HANDLING_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds; those of Prometheus' own."""
VERSIONS_LIMIT = 50
"""Clients say their version themselves; so many are told apart."""


class Traffic:
    """Counts since the start. Written and read on the event loop's thread."""

    def __init__(self) -> None:
        self.by_version: Counter[tuple[str, str]] = Counter()
        """Calls by kind (`unary`, `stream`) and what the client says its version is."""
        self.handling: dict[Op, Durations] = {}
        """Seconds that calls took, by method; kept only when it is wanted."""
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

    def came(self, op: Op, version: str) -> None:
        """A call came from a client that says it is of `version`."""
        key = ("stream" if op in STREAMS else "unary", version)
        if key not in self.by_version and len(self.by_version) >= VERSIONS_LIMIT:
            key = (key[0], "other")
        self.by_version[key] += 1

    def took(self, op: Op, seconds: float) -> None:
        """A call took so long."""
        durations = self.handling.get(op)
        if durations is None:
            durations = self.handling[op] = Durations(HANDLING_BOUNDS)
        durations.observe(seconds)
