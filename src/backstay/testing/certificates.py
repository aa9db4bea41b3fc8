"""Certificates for a test: an authority, a server certificate for this machine, a client certificate."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from backstay.clock import SystemClock


@dataclass(frozen=True, slots=True)
class Certificates:
    """Paths of PEM files. `certificate` and `key` are a client's."""

    authority: Path
    certificate: Path
    key: Path
    server_certificate: Path
    server_key: Path

    @classmethod
    def make(cls, directory: Path) -> Certificates:
        """Make them in `directory`, or take what is there."""
        from backstay.cluster.certificates import PkiWish, make_plan, write_certificates  # slow to import
        from backstay.cluster.certificates.layout import AUTHORITY, HEALTHCHECK, SERVER
        from backstay.durable import LocalDisk

        plan = make_plan(PkiWish(directory), SystemClock().now())
        write_certificates(plan, LocalDisk(), os.urandom)
        return cls(
            AUTHORITY.certificate_in(directory),
            HEALTHCHECK.certificate_in(directory),
            HEALTHCHECK.key_in(directory),
            SERVER.certificate_in(directory),
            SERVER.key_in(directory),
        )

    @property
    def flags(self) -> dict[str, str]:
        """The server's flags that use them, and let nobody in without a certificate."""
        return {
            "cert-file": str(self.server_certificate),
            "key-file": str(self.server_key),
            "trusted-ca-file": str(self.authority),
            "client-cert-auth": "true",
        }
