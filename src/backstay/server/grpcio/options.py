"""What a transport over grpcio is told: whose answers it gives, where it listens, with which certificates and limits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from backstay.server.identity import Identity

DEFAULT_MAX_REQUEST_BYTES = 1_572_864
UNLIMITED_STREAMS = 2**32 - 1


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The files of one TLS listener, and whom it lets in.

    A client needs a certificate of `trusted_authority` when `requires_client_certificate` is set; of those, only names of
    `allowed_common_names` or `allowed_hostnames` where any are given, and none whose serial number `revoked` lists.
    """

    certificate: Path
    key: Path
    trusted_authority: Path | None = None
    requires_client_certificate: bool = False
    allowed_common_names: tuple[str, ...] = ()
    allowed_hostnames: tuple[str, ...] = ()
    revoked: Path | None = None


@dataclass(frozen=True, slots=True)
class Listener:
    """An address to listen on: host and port (0: any free one), or the path of a unix socket. TLS when `tls` is given."""

    host: str = ""
    port: int = 0
    unix_path: str = ""
    tls: TlsFiles | None = None


@dataclass(frozen=True, slots=True)
class TransportOptions:
    """`max_request_bytes` is for a request as it is journalled; a message may be 512 KiB larger before it is refused."""

    identity: Identity
    listeners: tuple[Listener, ...]
    max_request_bytes: int = DEFAULT_MAX_REQUEST_BYTES
    max_concurrent_streams: int = UNLIMITED_STREAMS
    keepalive_min_seconds: float = 5
    keepalive_interval_seconds: float = 2 * 60 * 60
    keepalive_timeout_seconds: float = 20
