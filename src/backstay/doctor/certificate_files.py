"""The certificate files of an installation, read once: who they are for, until when, and whether they fit together.

Called by `facts` and by `backstay pki show`; `checks/certificates.py` judges. Keys are compared with their
certificate and then forgotten.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

SIZE_LIMIT_BYTES = 1 << 20

_PURPOSES = (("server", ExtendedKeyUsageOID.SERVER_AUTH), ("client", ExtendedKeyUsageOID.CLIENT_AUTH))


@dataclass(frozen=True, slots=True)
class CertificateFile:
    """One certificate and what was seen of it. `problem` is why it could not be read; then the rest is empty.

    `key_fits` and `is_issued_by_authority` are None where there is no key or no authority to compare.
    """

    path: Path
    what: str
    problem: str = ""
    may_need_sudo: bool = False
    subject: str = ""
    not_before: datetime | None = None
    not_after: datetime | None = None
    names: frozenset[str] = frozenset()
    usages: tuple[str, ...] = ()
    key_fits: bool | None = None
    authority: Path | None = None
    is_issued_by_authority: bool | None = None
    is_for_servers: bool = False
    wanted_names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CertificatePlace:
    """Where a certificate should be: its files, and the names clients use when it is a server's."""

    what: str
    certificate: Path
    key: Path | None = None
    authority: Path | None = None
    wanted_names: frozenset[str] = frozenset()


def read(place: CertificatePlace) -> CertificateFile:
    """Look at one certificate; never raises for what the files hold."""
    try:
        certificate = x509.load_pem_x509_certificate(_bytes(place.certificate))
    except PermissionError:
        return CertificateFile(place.certificate, place.what, "this user may not read it", may_need_sudo=True)
    except OSError as problem:
        return CertificateFile(place.certificate, place.what, problem.strerror or str(problem))
    except ValueError as problem:
        return CertificateFile(place.certificate, place.what, f"it is no PEM certificate ({problem})")
    return CertificateFile(
        path=place.certificate,
        what=place.what,
        subject=certificate.subject.rfc4514_string(),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        names=_names(certificate),
        usages=_usages(certificate),
        key_fits=_key_fits(certificate, place.key),
        authority=place.authority,
        is_issued_by_authority=_is_issued_by(certificate, place.authority),
        is_for_servers=bool(place.wanted_names),
        wanted_names=place.wanted_names,
    )


def places(flags: Mapping[str, Path], wanted_names: frozenset[str]) -> list[CertificatePlace]:
    """The certificates that etcd's path flags name; `flags` are paths of this machine by flag name."""
    found = []
    if "cert-file" in flags:
        found.append(
            CertificatePlace(
                "server certificate",
                flags["cert-file"],
                flags.get("key-file"),
                flags.get("trusted-ca-file"),
                wanted_names,
            )
        )
    if "peer-cert-file" in flags:
        found.append(
            CertificatePlace(
                "peer certificate",
                flags["peer-cert-file"],
                flags.get("peer-key-file"),
                flags.get("peer-trusted-ca-file"),
            )
        )
    authorities = dict.fromkeys(flags[name] for name in ("trusted-ca-file", "peer-trusted-ca-file") if name in flags)
    return found + [CertificatePlace("certificate authority", path) for path in authorities]


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(SIZE_LIMIT_BYTES)


def _names(certificate: x509.Certificate) -> frozenset[str]:
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    addresses = (str(each) for each in alternatives.get_values_for_type(x509.IPAddress))
    return frozenset([*alternatives.get_values_for_type(x509.DNSName), *addresses])


def _usages(certificate: x509.Certificate) -> tuple[str, ...]:
    """What it may be used for, in words: an authority signs, a server shows it, a client shows it."""
    found = []
    with contextlib.suppress(x509.ExtensionNotFound):
        if certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            found.append("signs")
    with contextlib.suppress(x509.ExtensionNotFound):
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        found += [word for word, purpose in _PURPOSES if purpose in purposes]
    return tuple(found)


def _key_fits(certificate: x509.Certificate, key: Path | None) -> bool | None:
    if key is None:
        return None
    try:
        private = load_pem_private_key(_bytes(key), password=None)
    except (OSError, ValueError, TypeError):
        return None  # its own check names an unreadable key
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return private.public_key().public_bytes(*form) == certificate.public_key().public_bytes(*form)


def _is_issued_by(certificate: x509.Certificate, authority: Path | None) -> bool | None:
    if authority is None:
        return None
    try:
        candidates = x509.load_pem_x509_certificates(_bytes(authority))
    except (OSError, ValueError):
        return None
    for candidate in candidates:
        try:
            certificate.verify_directly_issued_by(candidate)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return True
    return False
