"""Clients that come to grpcio through the front, and who they are."""

from __future__ import annotations

import os
from collections.abc import Callable

from backstay.server.transport import Conn, Peer


class Visitors:
    """Who is behind each inner connection, by the name of its socket."""

    PREFIX = "backstay-"

    def __init__(self, connect: Callable[[Peer], Conn], disconnect: Callable[[Conn], None]) -> None:
        self._connect = connect
        self._disconnect = disconnect
        self._known: dict[str, Conn] = {}

    def enter(self, peer: Peer) -> tuple[str, Conn]:
        """A name for a client's connection, and its number."""
        name = f"{self.PREFIX}{os.urandom(16).hex()}"
        conn = self._known[name] = self._connect(peer)
        return name, conn

    def leave(self, name: str) -> None:
        """The connection has ended."""
        conn = self._known.pop(name, None)
        if conn is not None:
            self._disconnect(conn)

    def find(self, name: str) -> Conn | None:
        """The connection of a name; None for a stranger's."""
        return self._known.get(name)
