"""Limits and times of connections, in grpcio's words."""

from __future__ import annotations

from backstay.server.grpcio.options import CallOptions

MESSAGE_OVERHEAD = 512 << 10
"""How much larger than a request a message may be, as in etcd."""
MESSAGE_SLACK = 16 << 20
"""Up to so much more a message is read, so that its refusal has etcd's words; beyond that grpcio refuses it unread."""
LONGEST_MILLISECONDS = 2**31 - 1
METADATA_LIMIT = 64 << 10
HANDSHAKE_SECONDS = 10
IDENTITY_COMPRESSION_ONLY = 1
"""etcd has no other; a compressed message could also be a small one that unpacks to anything."""

Arguments = list[tuple[str, int]]


def message_limit(options: CallOptions) -> int:
    """The largest message that a client may send, in bytes."""
    return options.max_request_bytes + MESSAGE_OVERHEAD


def channel_arguments(options: CallOptions) -> Arguments:
    """The server's options in grpcio's words."""
    return [
        ("grpc.so_reuseport", 0),  # or two servers would share a port without a word
        ("grpc.max_receive_message_length", min(message_limit(options) + MESSAGE_SLACK, 2**31 - 1)),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_concurrent_streams", min(options.max_concurrent_streams, 2**31 - 1)),
        ("grpc.max_metadata_size", METADATA_LIMIT),
        ("grpc.absolute_max_metadata_size", 2 * METADATA_LIMIT),
        ("grpc.keepalive_time_ms", _milliseconds(options.keepalive_interval_seconds)),
        ("grpc.keepalive_timeout_ms", _milliseconds(options.keepalive_timeout_seconds)),
        ("grpc.http2.min_ping_interval_without_data_ms", _milliseconds(options.keepalive_min_seconds, zero=0)),
        ("grpc.server_handshake_timeout_ms", _milliseconds(HANDSHAKE_SECONDS)),
        ("grpc.compression_enabled_algorithms_bitset", IDENTITY_COMPRESSION_ONLY),
    ]


def _milliseconds(seconds: float, zero: int = LONGEST_MILLISECONDS) -> int:
    """0 seconds is never, or for ever."""
    return min(int(seconds * 1000), LONGEST_MILLISECONDS) if seconds > 0 else zero
