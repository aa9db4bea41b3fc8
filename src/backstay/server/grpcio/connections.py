"""Numbers for connections, from what grpcio says about the one a call came over.

grpcio tells nobody when a connection ends. So a connection is known by its peer's address and certificate together, and the
ones that were not used for longest are forgotten. A number may thus stand for two connections in a row of one client's port
and certificate, which is the same client for all that matters here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol
from urllib.parse import unquote

from backstay.server.inbox import Inbox
from backstay.server.statuses import CODES
from backstay.server.transport import Conn, Peer, Status

REMEMBERED = 65_536
FRONT_PREFIX = "unix-abstract:backstay-"
"""How the peer of a connection reads that the plaintext front has passed on; the client's own address follows."""

REFUSED_CERTIFICATE: Status = (CODES["PermissionDenied"], "client certificate authentication failed")


class CertificateRules(Protocol):
    """Whether a client's certificate, which the handshake has verified, may come in."""

    def admits(self, certificate: bytes, peer: Peer) -> bool: ...


class CallContext(Protocol):
    """The part of grpcio's context that tells who calls."""

    def peer(self) -> str: ...

    def auth_context(self) -> dict[str, Sequence[bytes]]: ...


class Connections:
    """The connections of one server."""

    def __init__(self, inbox: Inbox, rules: Sequence[CertificateRules]) -> None:
        self._inbox = inbox
        self._rules = rules
        self._known: OrderedDict[object, Conn] = OrderedDict()
        self._pinned: dict[Conn, int] = {}

    def number(self, context: CallContext) -> Conn | None:
        """The number of the connection a call came over; None when its certificate is not welcome."""
        address = context.peer()
        if not self._rules:
            conn = self._known.get(address)
            return conn if conn is not None else self._new(address, Peer(readable(address)))
        properties = context.auth_context()
        certificates = properties.get("x509_pem_cert")
        certificate = certificates[0] if certificates else b""
        key = (address, certificate)
        conn = self._known.get(key)
        if conn is not None and not certificate:
            return conn
        peer = _peer(address, properties)
        if certificate and not all(rules.admits(certificate, peer) for rules in self._rules):
            return None  # asked again for every call: a certificate may be revoked while its connection lives
        return conn if conn is not None else self._new(key, peer)

    def pin(self, conn: Conn) -> None:
        """Remember a connection while a stream of it is open."""
        self._pinned[conn] = self._pinned.get(conn, 0) + 1

    def unpin(self, conn: Conn) -> None:
        """The stream has ended."""
        self._pinned[conn] -= 1
        if not self._pinned[conn]:
            del self._pinned[conn]

    def _new(self, key: object, peer: Peer) -> Conn:
        conn = self._inbox.connect(peer)
        self._known[key] = conn
        if len(self._known) > REMEMBERED:
            oldest, forgotten = self._known.popitem(last=False)
            if forgotten in self._pinned:
                self._known[oldest] = forgotten
            else:
                self._inbox.disconnect(forgotten)
        return conn


def readable(peer: str) -> str:
    """`ipv4:127.0.0.1:2379` as `127.0.0.1:2379`; a client behind the front under its own address."""
    if peer.startswith(FRONT_PREFIX):
        return peer.removeprefix(FRONT_PREFIX).partition("#")[0]
    family, _, rest = peer.partition(":")
    return unquote(rest) if family in ("ipv4", "ipv6") else peer


def _peer(address: str, properties: dict[str, Sequence[bytes]]) -> Peer:
    names = properties.get("x509_common_name", ())
    alternatives = properties.get("x509_subject_alternative_name", ())
    return Peer(
        readable(address),
        names[0].decode("utf-8", "replace") if names else None,
        tuple(each.decode("utf-8", "replace") for each in alternatives),
    )
