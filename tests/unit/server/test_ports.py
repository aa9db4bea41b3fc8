"""The sockets that a server listens on."""

from __future__ import annotations

import socket

from backstay.server.listeners import Listener
from backstay.server.ports import bind


def test_a_connection_sends_at_once() -> None:
    """Without the option every answer of the gateway took 44 ms: two pieces, the second held back by Nagle's rule."""
    with bind(Listener(host="127.0.0.1", port=0)) as listening:
        listening.settimeout(5)
        with socket.create_connection(listening.getsockname(), timeout=5):
            connection, _ = listening.accept()
            with connection:
                assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
