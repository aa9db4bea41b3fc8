"""Where a server listens, what it offers there, and with which certificates."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Flag, auto
from pathlib import Path


class Serves(Flag):
    """What a listener offers. METRICS is metrics and health alone; HTTP is those, the gateway and the version."""

    GRPC = auto()
    HTTP = auto()
    METRICS = auto()


EVERYTHING = Serves.GRPC | Serves.HTTP


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The files of a TLS listener, whom it lets in, and how it speaks.

    A client needs a certificate of `trusted_authority` when `requires_client_certificate` is set, or an authority is named;
    of those, only names of `allowed_common_names` or `allowed_hostnames` where any are given, and none whose serial number
    `revoked` lists. `minimum_version` and `maximum_version` are `TLS1.2`, `TLS1.3` or empty; `cipher_suites` are the names
    of RFCs, for TLS 1.2 only.
    """

    certificate: Path
    key: Path
    trusted_authority: Path | None = None
    requires_client_certificate: bool = False
    allowed_common_names: tuple[str, ...] = ()
    allowed_hostnames: tuple[str, ...] = ()
    revoked: Path | None = None
    minimum_version: str = ""
    maximum_version: str = ""
    cipher_suites: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listener:
    """An address to listen on: host and port (0: any free one), or the path of a unix socket. TLS when `tls` is given."""

    host: str = ""
    port: int = 0
    unix_path: str = ""
    tls: TlsFiles | None = None
    serves: Serves = EVERYTHING

    @property
    def where(self) -> str:
        """The address for people."""
        if self.unix_path:
            return f"unix:{self.unix_path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
