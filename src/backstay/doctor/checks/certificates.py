"""Certificates: dates, names, keys and issuers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from backstay import findings
from backstay.doctor.certificate_files import CertificateFile
from backstay.doctor.check import CHECK_NOT_RUN, Check
from backstay.doctor.facts import Facts
from backstay.findings import Finding, Severity

URGENT = timedelta(days=7)
SOON = timedelta(days=30)

CERTIFICATE_EXPIRED = findings.declare(
    "certificate-expired",
    Severity.ERROR,
    "A certificate has expired (or is not valid yet): the handshakes that need it fail.",
    "renew it (`kubeadm certs renew all` on kubeadm; a restart of k3s or RKE2), then restart what uses it",
)
CERTIFICATE_EXPIRES_NOW = findings.declare(
    "certificate-expires-now",
    Severity.ERROR,
    "A certificate expires within seven days.",
    "renew it today (`kubeadm certs renew all` on kubeadm), then restart what uses it",
)
CERTIFICATE_EXPIRES_SOON = findings.declare(
    "certificate-expires-soon",
    Severity.WARNING,
    "A certificate expires within thirty days.",
    "plan its renewal (`kubeadm certs renew all` on kubeadm)",
)
CERTIFICATE_NAMES = findings.declare(
    "certificate-names",
    Severity.ERROR,
    "The server's certificate lacks a name or address at which clients reach it, so they refuse it.",
    "issue it anew with these names, or let clients use a name that it has",
)
CERTIFICATE_ISSUER = findings.declare(
    "certificate-issuer",
    Severity.ERROR,
    "A certificate was not issued by the authority that the other side trusts.",
    "issue it anew with that authority, or give the other side the right one; two generations of files may be mixed",
)
CERTIFICATE_KEY = findings.declare(
    "certificate-key",
    Severity.ERROR,
    "A private key does not belong to its certificate.",
    "put the matching pair in place; two generations of files may be mixed",
)
CERTIFICATE_UNREADABLE = findings.declare(
    "certificate-unreadable",
    Severity.ERROR,
    "A certificate that the configuration names is missing, or is none.",
    "put the file in place; etcd and the API server do not start without it",
)


def examine(facts: Facts) -> Iterator[Finding]:
    """Every certificate that was found."""
    for certificate in facts.certificates:
        yield from judge(certificate, facts.now)


def judge(certificate: CertificateFile, now: datetime) -> Iterator[Finding]:
    """What is wrong with one certificate."""
    subject = f"{certificate.what} {certificate.path}"
    if certificate.may_need_sudo:
        yield CHECK_NOT_RUN.at(subject, certificate.problem)
    elif certificate.problem:
        yield CERTIFICATE_UNREADABLE.at(subject, certificate.problem)
    else:
        yield from _dates(certificate, subject, now)
        yield from _fit(certificate, subject)


def _dates(certificate: CertificateFile, subject: str, now: datetime) -> Iterator[Finding]:
    assert certificate.not_after is not None
    assert certificate.not_before is not None
    left = certificate.not_after - now
    until = f"valid until {certificate.not_after:%Y-%m-%d %H:%M} UTC"
    if left <= timedelta(0):
        yield CERTIFICATE_EXPIRED.at(subject, f"{until}, {-left.days - 1} days ago")
    elif now < certificate.not_before:
        yield CERTIFICATE_EXPIRED.at(subject, f"not valid before {certificate.not_before:%Y-%m-%d %H:%M} UTC")
    elif left <= URGENT:
        yield CERTIFICATE_EXPIRES_NOW.at(subject, f"{until}, {left.days} days left")
    elif left <= SOON:
        yield CERTIFICATE_EXPIRES_SOON.at(subject, f"{until}, {left.days} days left")


def _fit(certificate: CertificateFile, subject: str) -> Iterator[Finding]:
    missing = sorted(certificate.wanted_names - certificate.names)
    if certificate.is_for_servers and missing:
        has = ", ".join(sorted(certificate.names)) or "none"
        yield CERTIFICATE_NAMES.at(subject, f"lacks {', '.join(missing)}; it has {has}")
    if certificate.is_issued_by_authority is False:
        yield CERTIFICATE_ISSUER.at(subject, f"was not issued by {certificate.authority}")
    if certificate.key_fits is False:
        yield CERTIFICATE_KEY.at(subject, "its key is another's")


CHECK = Check("certificates", "certificates, keys and authorities", examine)
