"""What grpcio is told about a port, and the question whether it can be had, asked so that the answer has a reason."""

from __future__ import annotations

import os
import socket
import stat

from backstay import errors
from backstay.server.grpcio.options import Listener, TransportOptions

MESSAGE_OVERHEAD = 512 << 10
"""How much larger than a request a message may be, as in etcd."""
MESSAGE_SLACK = 16 << 20
"""Up to so much more a message is read, so that its refusal has etcd's words; beyond that grpcio refuses it unread."""
METADATA_LIMIT = 64 << 10
HANDSHAKE_SECONDS = 10
IDENTITY_COMPRESSION_ONLY = 1
"""etcd has no other; a compressed message could also be a small one that unpacks to anything."""

Arguments = list[tuple[str, int]]


def message_limit(options: TransportOptions) -> int:
    """The largest message that a client may send, in bytes."""
    return options.max_request_bytes + MESSAGE_OVERHEAD


def channel_arguments(options: TransportOptions) -> Arguments:
    """The server's options in grpcio's words."""
    milliseconds = 1000
    return [
        ("grpc.so_reuseport", 0),  # or two servers would share a port without a word
        ("grpc.max_receive_message_length", min(message_limit(options) + MESSAGE_SLACK, 2**31 - 1)),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_concurrent_streams", min(options.max_concurrent_streams, 2**31 - 1)),
        ("grpc.max_metadata_size", METADATA_LIMIT),
        ("grpc.absolute_max_metadata_size", 2 * METADATA_LIMIT),
        ("grpc.keepalive_time_ms", _milliseconds(options.keepalive_interval_seconds)),
        ("grpc.keepalive_timeout_ms", _milliseconds(options.keepalive_timeout_seconds)),
        ("grpc.http2.min_ping_interval_without_data_ms", _milliseconds(options.keepalive_min_seconds)),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_SECONDS * milliseconds),
        ("grpc.compression_enabled_algorithms_bitset", IDENTITY_COMPRESSION_ONLY),
    ]


def probe(listener: Listener) -> None:
    """Try the address once, and let it go. Raises `LISTENING_FAILED` with the system's reason."""
    if listener.unix_path:
        _remove_left_behind(listener.unix_path)
        family, address = socket.AF_UNIX, listener.unix_path
        _probe(family, address, listener.unix_path)
        os.unlink(listener.unix_path)
        return
    where = f"{listener.host}:{listener.port}"
    try:
        found = socket.getaddrinfo(
            listener.host or None, listener.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as problem:
        raise errors.LISTENING_FAILED.error(
            f"cannot listen on {where}", why=problem.strerror or str(problem)
        ) from problem
    family, _, _, _, resolved = found[0]
    _probe(family, resolved, where)


def _probe(family: int, address: object, where: str) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as candidate:
        if family != socket.AF_UNIX:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(address)  # type: ignore[arg-type]  # an address of that family
            candidate.listen(1)
        except OSError as problem:
            raise errors.LISTENING_FAILED.error(
                f"cannot listen on {where}", why=problem.strerror or str(problem)
            ) from problem


def _remove_left_behind(path: str) -> None:
    """Unlink a socket file that nobody serves any more; the file outlives a process that was killed."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return
    except OSError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as visitor:
        try:
            visitor.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        except OSError:
            return


def _milliseconds(seconds: float) -> int:
    return max(1, min(int(seconds * 1000), 2**31 - 1))
