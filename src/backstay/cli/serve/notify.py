"""Telling systemd that a service is ready, reloads or stops: a datagram to the socket that it names, nothing more."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Mapping

VARIABLE = "NOTIFY_SOCKET"
READY = "READY=1"
STOPPING = "STOPPING=1"
ADDRESSES = "X_BACKSTAY_ADDRESSES"
"""Where the server really listens, for a parent that let it choose a port; systemd leaves names like this one alone."""


def notify(environment: Mapping[str, str], *lines: str) -> bool:
    """Send `lines` to whoever started this process; False where nobody asked or listens."""
    address = environment.get(VARIABLE, "")
    if not address.startswith(("/", "@")):
        return False
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as speaker,
        contextlib.suppress(OSError),
    ):
        # A leading @ stands for the zero byte of an abstract name.
        speaker.sendto("\n".join(lines).encode(), address.replace("@", "\0", 1) if address[0] == "@" else address)
        return True
    return False


def reloading() -> tuple[str, str]:
    """What announces a reload; systemd wants to know when it began."""
    return "RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}"
