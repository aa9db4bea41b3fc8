"""`backstay pki show`: the certificates of a directory, until when they are valid, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import click

from backstay import errors
from backstay.cli.groups import own_command
from backstay.cli.options import Format, output_options
from backstay.cli.render.findings import findings_plain, findings_table
from backstay.cli.render.outcome import exit_status
from backstay.cli.render.plain import Plain, plain
from backstay.cli.render.show import show
from backstay.cli.render.tables import columns
from backstay.clock import SystemClock
from backstay.cluster.certificates import AUTHORITY, KINDS, CertificateKind
from backstay.doctor.certificate_files import CertificateFile, CertificatePlace, read
from backstay.doctor.checks.certificates import judge
from backstay.doctor.checks.permissions import MODE_TOO_OPEN
from backstay.findings import Finding

KEY_MODE = 0o600


@dataclass(frozen=True, slots=True)
class ShownCertificate:
    """One certificate of the layout. `days_left` is negative after its end, and None where nothing can be read."""

    name: str
    purpose: str
    path: Path
    subject: str
    usages: tuple[str, ...]
    hosts: tuple[str, ...]
    not_before: datetime | None
    not_after: datetime | None
    days_left: int | None
    has_key: bool


@own_command(
    examples="""
    backstay pki show /etc/kubernetes/pki
    backstay pki show pki -o json | jq '.certificates[].days_left'
    """
)
@output_options
@click.argument("directory", type=click.Path(path_type=Path), metavar="[DIR]", default=Path("pki"))
def command(*, directory: Path, output: Format) -> int:
    """Show the certificates of etcd in DIR (pki unless given), as kubeadm and `backstay pki init` lay them out.

    Exits with 0 when all is well, 3 with warnings, 4 when a certificate does not work.
    """
    now = SystemClock().now()
    present = [kind for kind in KINDS if kind.certificate_in(directory).exists() or kind.key_in(directory).exists()]
    if not present:
        raise errors.SOURCE_NOT_FOUND.error(
            f"`{directory}` has no certificates of an etcd",
            where=str(AUTHORITY.certificate_in(directory)),
            next_step="`backstay pki init DIR --hosts LIST` makes them; for kubeadm name /etc/kubernetes/pki",
        )
    certificates = [(kind, read(_place(kind, directory))) for kind in present]
    shown = [_shown(kind, each, directory, now) for kind, each in certificates]
    found = [finding for kind, each in certificates for finding in _findings(kind, each, directory, now)]
    data: dict[str, Plain] = {
        "directory": str(directory),
        "certificates": [plain(each) for each in shown],
        "findings": findings_plain(found),
    }
    show(data, output, lambda: as_text(shown, found))
    return exit_status(found)


def as_text(shown: list[ShownCertificate], found: list[Finding]) -> str:
    """The table, and the findings below it."""
    table = columns(
        ("CERTIFICATE", "SUBJECT", "USAGES", "EXPIRES", "DAYS", "KEY", "HOSTS"),
        [
            (
                each.name,
                each.subject,
                ",".join(each.usages),
                f"{each.not_after:%Y-%m-%d}" if each.not_after is not None else "unreadable",
                "" if each.days_left is None else each.days_left,
                "yes" if each.has_key else "no",
                ",".join(each.hosts),
            )
            for each in shown
        ],
    )
    return "\n\n".join(part for part in (table, findings_table(found)) if part)


def _place(kind: CertificateKind, directory: Path) -> CertificatePlace:
    key = kind.key_in(directory)
    authority = None if kind.is_authority else AUTHORITY.certificate_in(directory)
    return CertificatePlace(
        f"{kind.name} certificate", kind.certificate_in(directory), key if key.exists() else None, authority
    )


def _shown(kind: CertificateKind, found: CertificateFile, directory: Path, now: datetime) -> ShownCertificate:
    return ShownCertificate(
        kind.name,
        kind.purpose,
        found.path,
        found.subject,
        found.usages,
        tuple(sorted(found.names)),
        found.not_before,
        found.not_after,
        (found.not_after - now).days if found.not_after is not None else None,
        kind.key_in(directory).exists(),
    )


def _findings(kind: CertificateKind, found: CertificateFile, directory: Path, now: datetime) -> Iterator[Finding]:
    for finding in judge(found, now):
        if finding.code.startswith("certificate-expire") and not kind.is_authority:
            remedy = f"move it and its key aside and run `backstay pki init {directory}` with the same --hosts"
            yield replace(finding, remedy=f"{remedy}, then restart what uses it (kubeadm: `kubeadm certs renew all`)")
        else:
            yield finding
    key = kind.key_in(directory)
    try:
        mode = key.stat().st_mode & 0o777
    except OSError:
        return
    if mode & ~KEY_MODE:
        yield MODE_TOO_OPEN.at(f"key {key}", f"mode is {mode:04o}, should be {KEY_MODE:04o}", remedy=f"chmod 600 {key}")
