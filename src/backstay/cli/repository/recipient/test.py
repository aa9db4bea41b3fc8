"""`backstay recipient test`: whether the identities at hand really open what was written, and the dated proof of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click

from backstay import errors
from backstay.cli.groups import own_command
from backstay.cli.options import Format, dry_run_option, output_options, reporting_options
from backstay.cli.render.plain import Plain
from backstay.cli.render.show import show
from backstay.cli.render.tables import columns
from backstay.cli.reporting import Reporting
from backstay.cli.repository.opened import (
    Access,
    asked_identities,
    opened_repository,
    read_root_key,
    repository_options,
    state_of,
)
from backstay.clock import SystemClock
from backstay.crypto.signing import SigningKey
from backstay.crypto.slots import SlotIdentity
from backstay.errors import ExitStatus
from backstay.repository.catalogue import read_catalogue
from backstay.repository.proofs import EpochProof, Proof, RecipientProof, prove, put_proof
from backstay.repository.repository import Repository
from backstay.repository.trust import TrustedRecipient


@own_command(
    examples="""
    backstay recipient test /mnt/backups --identity recovery.txt
    backstay recipient test /mnt/backups --identity recovery.txt --root-key recovery.txt
    backstay recipient test s3://bucket/etcd --identity kms --dry-run
    """
)
@repository_options
@output_options
@reporting_options
@dry_run_option
@click.option(
    "--root-key",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Sign the proof with the root key, on a host that may not write.",
)
@click.argument("repository", metavar="REPO")
def command(
    *,
    repository: str,
    root_key: Path | None,
    dry_run: bool,
    access: Access,
    output: Format,
    reporting: Reporting,
) -> int:
    """Open the key of every epoch of REPO with the identities given: the proof that the paper in the safe still works.

    Each epoch's key must also open a point of that epoch. The outcome is stored in REPO with its date, so that `recipient list`
    and `kit` can say when each recipient was last proven; --dry-run stores nothing. Exits with 7 when an epoch does not open.
    """
    tried: list[tuple[TrustedRecipient, list[EpochProof]]] = []
    with opened_repository(repository, access, reporting) as opened:
        catalogue = read_catalogue(opened)
        for recipient, identities in owners(opened, (*access.identities(), *asked_identities(access, opened))):
            tried.append((recipient, prove(opened, catalogue, recipient, identities)))
        proof = Proof(SystemClock().now(), tuple(_summary(each, epochs) for each, epochs in tried if epochs))
        key = None if dry_run or not proof.recipients else _signing_key(opened, access, root_key)
        if key is not None:
            put_proof(opened, proof, key, os.urandom)
        elif not dry_run and proof.recipients:
            reporting.note("not recorded: this host may not write to the repository; --root-key signs the proof")
    data: dict[str, Plain] = {
        "recipients": [_plain(each, epochs) for each, epochs in tried],
        "recorded": key is not None,
    }
    show(data, output, lambda: _table(tried))
    return ExitStatus.OK if all(each.opened for _, found in tried for each in found) else ExitStatus.KEY_OR_PERMISSION


def owners(
    repository: Repository, identities: Sequence[SlotIdentity]
) -> list[tuple[TrustedRecipient, list[SlotIdentity]]]:
    """The recipients that these identities belong to. Raises `KEY_UNAVAILABLE` when that is none."""
    found = [
        (recipient, [each for each in identities if each.public == recipient.public])
        for recipient in repository.trust.recipients
    ]
    found = [each for each in found if each[1]]
    if not found and repository.is_sealed:
        raise errors.KEY_UNAVAILABLE.error(
            "no identity that was given is that of a recipient", where=repository.store.location
        )
    return found


def _signing_key(repository: Repository, access: Access, root_key: Path | None) -> SigningKey | None:
    if root_key is not None:
        return read_root_key(root_key)
    state = state_of(access, repository)
    key = state.signing_key() if state.has_signing_key() else None
    writer = repository.trust.writer(key.public) if key is not None else None
    return key if writer is not None and writer.revoked is None else None


def _summary(recipient: TrustedRecipient, epochs: list[EpochProof]) -> RecipientProof:
    return RecipientProof(recipient.id, sum(each.opened for each in epochs), len(epochs))


def _plain(recipient: TrustedRecipient, epochs: list[EpochProof]) -> dict[str, Plain]:
    return {
        "label": recipient.label,
        "id": recipient.id,
        "type": recipient.type,
        "epochs": len(epochs),
        "opened": sum(each.opened for each in epochs),
        "failures": [{"epoch": str(each.epoch), "why": each.why} for each in epochs if not each.opened],
    }


def _table(tried: list[tuple[TrustedRecipient, list[EpochProof]]]) -> str:
    if not any(epochs for _, epochs in tried):
        return "Nothing was encrypted yet."
    rows = [
        (recipient.label, str(each.epoch), "opens" if each.opened else "DOES NOT OPEN", each.why)
        for recipient, epochs in tried
        for each in epochs
    ]
    return columns(("RECIPIENT", "EPOCH", "", ""), rows)
