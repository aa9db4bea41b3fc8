"""Certificates in Secrets that have expired or will soon: after a restore from an older backup, often all of them."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from backstay.findings import Finding, Severity, declare
from backstay.kube.redaction import is_secret
from backstay.kube.values import KubernetesObject

EXPIRED = declare(
    "kube-certificate-expired",
    Severity.WARNING,
    "A certificate in a Secret has expired: whoever serves or presents it is refused.",
    "issue it again; cert-manager and the like do so when the Secret is deleted",
)
EXPIRES = declare(
    "kube-certificate-expires",
    Severity.NOTE,
    "A certificate in a Secret expires within a month.",
    "issue it again in time",
)

SOON = timedelta(days=30)
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]{1,65536}-----END CERTIFICATE-----")
_MOST = 20
"""Certificates of one value that are looked at: bundles of authorities hold hundreds."""


class Certificates:
    """Judges every certificate in a Secret by the time `now`."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._found: list[Finding] = []

    def see(self, each: KubernetesObject) -> None:
        """Look into a Secret."""
        if each.json is None or not is_secret(each.identity, each.json):
            return
        data = each.json.get("data")
        for field, value in data.items() if isinstance(data, dict) else ():
            if not isinstance(value, str) or not value.startswith("LS0tLS"):  # "-----"
                continue
            for subject, until in _certificates(value):
                if until < self._now + SOON:
                    kind = EXPIRED if until < self._now else EXPIRES
                    self._found.append(
                        kind.at(f"{each.identity}, {field}", f"{subject}, valid until {until:%Y-%m-%d %H:%M} UTC")
                    )

    def findings(self) -> Iterator[Finding]:
        yield from self._found


def _certificates(value: str) -> Iterator[tuple[str, datetime]]:
    from cryptography import x509

    try:
        pem = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return
    for found, _ in zip(_PEM.finditer(pem), range(_MOST), strict=False):
        try:
            certificate = x509.load_pem_x509_certificate(found[0])
            subject, until = certificate.subject.rfc4514_string(), certificate.not_valid_after_utc
        except (ValueError, TypeError, OverflowError, x509.InvalidVersion):
            continue
        yield subject or "(no subject)", until
