"""What will be made in a certificate directory, as a value; what is there is read first and kept.

A pair that is whole stays as it is. A key without its certificate was left by an interrupted run: it gets one. A certificate
without its key, an authority that cannot sign, and files of two generations are refused before anything is written.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path

from cryptography import x509

from backstay import errors
from backstay.cluster.certificates import issuing
from backstay.cluster.certificates.issuing import BACKDATED, Algorithm, PrivateKey
from backstay.cluster.certificates.layout import AUTHORITY, KINDS, LOOPBACK_HOSTS, CertificateKind

SIZE_LIMIT_BYTES = 1 << 20
MOST_DAYS = 36_500

_DNS_NAME = re.compile(r"(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
_LONGEST_NAME = 253


class Action(Enum):
    """What happens to one certificate."""

    CREATE = "create"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class PkiWish:
    """What is asked for. `hosts` are names and addresses at which servers are reached, besides this machine's loopback."""

    directory: Path
    hosts: tuple[str, ...] = ()
    days: int = 365
    authority_days: int = 3650
    algorithm: Algorithm = Algorithm.ECDSA_P256


@dataclass(frozen=True, slots=True)
class PlannedCertificate:
    """One certificate and what becomes of it. `has_key` tells that its private key is there already."""

    name: str
    action: Action
    certificate: Path
    key: Path
    has_key: bool
    subject: str
    usages: tuple[str, ...]
    hosts: tuple[str, ...]
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class PkiPlan:
    """All certificates of the layout, the authority first; `notices` are what a person should know."""

    directory: Path
    algorithm: Algorithm
    certificates: tuple[PlannedCertificate, ...]
    notices: tuple[str, ...]

    @property
    def changes_something(self) -> bool:
        """Whether anything would be written."""
        return any(each.action is Action.CREATE for each in self.certificates)


def checked_hosts(hosts: tuple[str, ...]) -> tuple[str, ...]:
    """`hosts` as certificates spell them, loopback last, each once. Raises `USAGE` for what is no name and no address."""
    return tuple(dict.fromkeys([_checked_host(host) for host in hosts] + list(LOOPBACK_HOSTS)))


def make_plan(wish: PkiWish, now: datetime) -> PkiPlan:
    """The plan for `wish`. Raises `USAGE`, `PKI_UNFIT` and what reading says."""
    for what, days in (("--days", wish.days), ("--ca-days", wish.authority_days)):
        if not 0 < days <= MOST_DAYS:
            raise errors.USAGE.error(f"{days} days of validity", where=what, why=f"from 1 to {MOST_DAYS} are possible")
    hosts, now = checked_hosts(wish.hosts), now.replace(microsecond=0)
    present = {kind: _present(kind, wish.directory) for kind in KINDS}
    authority, authority_key = present[AUTHORITY]
    authority_end = now + timedelta(days=wish.authority_days)
    if authority is not None:
        _refuse_unfit_authority(authority, wish.directory, now)
        authority_end = authority.not_valid_after_utc
    end = min(now + timedelta(days=wish.days), authority_end)
    planned, notices = [], []
    for kind in KINDS:
        found, key = present[kind]
        if found is not None:
            planned.append(_kept(kind, found, wish.directory, has_key=key is not None))
            notices += _notices(kind, found, authority, hosts, wish.directory, now)
            continue
        wanted = hosts if kind.for_servers else ()
        planned.append(
            PlannedCertificate(
                kind.name,
                Action.CREATE,
                kind.certificate_in(wish.directory),
                kind.key_in(wish.directory),
                key is not None,
                f"CN={kind.common_name or hosts[0]}",
                kind.usages,
                wanted,
                now - BACKDATED,
                authority_end if kind.is_authority else end,
            )
        )
    plan = PkiPlan(wish.directory, wish.algorithm, tuple(planned), tuple(notices))
    if authority is not None and authority_key is None and plan.changes_something:
        raise errors.PKI_UNFIT.error(
            "certificates are missing, and the authority's key is not here to sign them",
            where=str(AUTHORITY.key_in(wish.directory)),
            next_step="bring the authority's key here while you issue, or begin in another directory",
        )
    return plan


def read_pem(path: Path) -> bytes | None:
    """The bytes of a small file, None where there is none. Raises `CREDENTIALS_UNREADABLE`."""
    try:
        with path.open("rb") as file:
            return file.read(SIZE_LIMIT_BYTES)
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise errors.CREDENTIALS_UNREADABLE.error(
            f"cannot read `{path}`", where=str(path), why=problem.strerror or str(problem)
        ) from problem


def read_pair(kind: CertificateKind, directory: Path) -> tuple[x509.Certificate | None, PrivateKey | None]:
    """What is there of one pair. Raises `PKI_UNFIT` for files that hold something else."""
    certificate, key = None, None
    place = kind.certificate_in(directory)
    try:
        if (pem := read_pem(place)) is not None:
            certificate = x509.load_pem_x509_certificate(pem)
        place = kind.key_in(directory)
        if (pem := read_pem(place)) is not None:
            key = issuing.read_key(pem)
    except ValueError as problem:
        why = (str(problem).splitlines() or [""])[0][:120]
        raise errors.PKI_UNFIT.error(f"`{place}` is not what its name says", where=str(place), why=why) from problem
    return certificate, key


def _present(kind: CertificateKind, directory: Path) -> tuple[x509.Certificate | None, PrivateKey | None]:
    certificate, key = read_pair(kind, directory)
    where = str(kind.certificate_in(directory))
    if certificate is not None and key is None and not kind.is_authority:
        raise errors.PKI_UNFIT.error(f"the certificate `{where}` has no key", where=str(kind.key_in(directory)))
    if certificate is not None and key is not None and not issuing.is_key_of(key, certificate):
        raise errors.PKI_UNFIT.error(f"`{kind.key_in(directory)}` is not the key of `{where}`", where=where)
    return certificate, key


def _refuse_unfit_authority(authority: x509.Certificate, directory: Path, now: datetime) -> None:
    where, why = str(AUTHORITY.certificate_in(directory)), ""
    if not issuing.is_authority(authority):
        why = "it may not sign certificates"
    elif authority.not_valid_after_utc <= now:
        why = f"it has expired on {authority.not_valid_after_utc:%Y-%m-%d}"
    if why:
        raise errors.PKI_UNFIT.error(f"`{where}` cannot be the authority", where=where, why=why)


def _kept(kind: CertificateKind, found: x509.Certificate, directory: Path, *, has_key: bool) -> PlannedCertificate:
    return PlannedCertificate(
        kind.name,
        Action.KEEP,
        kind.certificate_in(directory),
        kind.key_in(directory),
        has_key,
        found.subject.rfc4514_string(),
        kind.usages,
        names_of(found),
        found.not_valid_before_utc,
        found.not_valid_after_utc,
    )


def _notices(
    kind: CertificateKind,
    found: x509.Certificate,
    authority: x509.Certificate | None,
    hosts: tuple[str, ...],
    directory: Path,
    now: datetime,
) -> list[str]:
    """What is wrong with a certificate that stays. Raises `PKI_UNFIT` for one of another authority."""
    if kind.is_authority:
        return []
    place = kind.certificate_in(directory)
    if authority is None or not issuing.is_issued_by(found, authority):
        raise errors.PKI_UNFIT.error(
            f"`{place}` was not issued by the authority in this directory",
            where=str(place),
            next_step="move it and its key aside, or bring its authority here as etcd/ca.crt and etcd/ca.key",
        )
    again = f"to renew it, move {place.name} and {place.with_suffix('.key').name} aside and run the command again"
    notices = []
    if found.not_valid_after_utc <= now:
        notices.append(f"{place} has expired on {found.not_valid_after_utc:%Y-%m-%d} and is kept; {again}")
    missing = [host for host in hosts if host not in names_of(found)] if kind.for_servers else []
    if missing:
        notices.append(f"{place} is kept and is not valid for {', '.join(missing)}; {again}")
    return notices


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """The names and addresses that `certificate` is valid for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(name.value) for name in names if isinstance(name, x509.DNSName | x509.IPAddress))


def _checked_host(host: str) -> str:
    bare = host.strip().removeprefix("[").removesuffix("]")
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        name = bare.lower().removesuffix(".")
    if not _DNS_NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise errors.USAGE.error(
            f"{host!r} is neither a host name nor an address",
            where="--hosts",
            next_step="write names and addresses without scheme and port: etcd.example.com,10.0.0.5",
        )
    return name
