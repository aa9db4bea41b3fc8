"""Numbers for connections, from what grpcio says about the one a call came over.

A client that came through the front has a name, and the front knows the rest. grpcio tells nobody when a direct connection
ends: those are known by their peer's address, and the ones that were not seen for longest are forgotten.
"""

from __future__ import annotations

from typing import Protocol
from urllib.parse import unquote

from backstay.server.inbox import Inbox
from backstay.server.statuses import CODES
from backstay.server.transport import Conn, Peer, Status
from backstay.server.visitors import Visitors

REMEMBERED = 65_536
ABSTRACT = "unix-abstract:"

STRANGER: Status = (CODES["PermissionDenied"], "backstay: this socket is for the server's own front")


class CallContext(Protocol):
    """The part of grpcio's context that tells who calls."""

    def peer(self) -> str: ...


class Connections:
    """The connections of one server. Without listeners of its own (`is_inner`) only named visitors may come."""

    def __init__(self, inbox: Inbox, visitors: Visitors, *, is_inner: bool) -> None:
        self._inbox = inbox
        self._visitors = visitors
        self._is_inner = is_inner
        self._direct: dict[str, Conn] = {}

    def number(self, context: CallContext) -> Conn | None:
        """The number of the connection a call came over; None for a stranger on the inner socket, or one who has left."""
        peer = context.peer()
        if self._is_inner or peer.startswith(ABSTRACT):
            return self._visitors.find(peer.removeprefix(ABSTRACT))
        conn = self._direct.get(peer)
        return conn if conn is not None else self._new(peer)

    def _new(self, peer: str) -> Conn:
        conn = self._direct[peer] = self._inbox.connect(Peer(readable(peer)))
        if len(self._direct) > REMEMBERED:
            self._inbox.disconnect(self._direct.pop(next(iter(self._direct))))
        return conn


def readable(peer: str) -> str:
    """`ipv4:127.0.0.1:2379` as `127.0.0.1:2379`."""
    family, _, rest = peer.partition(":")
    return unquote(rest) if family in ("ipv4", "ipv6") else peer
