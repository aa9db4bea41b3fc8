"""What a transport over grpcio is told: whose answers it gives, where it listens, and how it takes calls."""

from __future__ import annotations

from dataclasses import dataclass, field

from backstay.server.identity import Identity
from backstay.server.listeners import Listener

DEFAULT_MAX_REQUEST_BYTES = 1_572_864
UNLIMITED_STREAMS = 2**32 - 1


@dataclass(frozen=True, slots=True)
class CallOptions:
    """Sizes in bytes, times in seconds.

    `max_request_bytes` is for a request as it is journalled; a message may be 512 KiB larger before it is refused. Of the
    keepalive times 0 is never, or for ever.
    """

    max_request_bytes: int = DEFAULT_MAX_REQUEST_BYTES
    max_concurrent_streams: int = UNLIMITED_STREAMS
    keepalive_min_seconds: float = 5
    keepalive_interval_seconds: float = 2 * 60 * 60
    keepalive_timeout_seconds: float = 20
    extensive_metrics: bool = False
    """Whether calls are timed by method (--metrics=extensive)."""
    slow_call_seconds: float = 0.3
    """Calls with one answer that take longer are logged."""


@dataclass(frozen=True, slots=True)
class TransportOptions:
    """`listeners` are served by grpcio itself, in plaintext. Without any, only visitors of a front may come."""

    identity: Identity
    listeners: tuple[Listener, ...] = ()
    calls: CallOptions = field(default_factory=CallOptions)
