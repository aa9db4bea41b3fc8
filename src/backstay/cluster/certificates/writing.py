"""Carrying out a plan for certificates: the files that are missing, each complete or not at all, none replaced.

Keys come before their certificates. Whoever is interrupted leaves keys without certificates at worst, and the next plan
gives them theirs.
"""

from __future__ import annotations

from pathlib import Path

from backstay.cluster.certificates import issuing
from backstay.cluster.certificates.issuing import Entropy, Issuer, PrivateKey, Validity
from backstay.cluster.certificates.layout import AUTHORITY, KINDS
from backstay.cluster.certificates.plan import Action, PkiPlan, PlannedCertificate, read_pair
from backstay.durable import Disk, translated, write_durable

DIRECTORY_MODE = 0o700
KEY_MODE = 0o600
CERTIFICATE_MODE = 0o644


def write_certificates(plan: PkiPlan, disk: Disk, entropy: Entropy) -> None:
    """Make what `plan` says. Raises `TARGET_EXISTS` where somebody was faster, and what writing says."""
    issuer: Issuer | None = None
    by_name = {each.name: each for each in plan.certificates}
    for kind in KINDS:
        planned = by_name[kind.name]
        present, key = read_pair(kind, plan.directory)
        if planned.action is Action.KEEP:
            if kind is AUTHORITY and present is not None and key is not None:
                issuer = Issuer(present, key)
            continue
        key = key or _new_key(planned, plan, disk)
        validity = Validity(planned.not_before, planned.not_after)
        certificate = issuing.issue(kind, key, planned.hosts, validity, issuer, entropy)
        write_durable(disk, planned.certificate, issuing.certificate_pem(certificate), mode=CERTIFICATE_MODE)
        if kind is AUTHORITY:
            issuer = Issuer(certificate, key)


def _new_key(planned: PlannedCertificate, plan: PkiPlan, disk: Disk) -> PrivateKey:
    _make_directories(planned.key.parent, disk)
    key = issuing.new_key(plan.algorithm)
    write_durable(disk, planned.key, issuing.key_pem(key), mode=KEY_MODE)
    return key


def _make_directories(directory: Path, disk: Disk) -> None:
    with translated(directory):
        missing = [each for each in (directory, *directory.parents) if not each.exists()]
        for each in reversed(missing):
            disk.make_directory(each, DIRECTORY_MODE)
            disk.sync_directory(each.parent)
