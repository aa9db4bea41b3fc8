"""`backstay init`: make a repository, with keys that cannot all be lost at once."""

from __future__ import annotations

import os
import random
import socket
import sys
from pathlib import Path

import click

from backstay import errors
from backstay.cli.groups import own_command
from backstay.cli.options import Format, dry_run_option, output_options, reporting_options, switch_option
from backstay.cli.render.plain import Plain
from backstay.cli.render.show import show
from backstay.cli.render.tables import columns, pairs
from backstay.cli.reporting import Reporting
from backstay.cli.repository.opened import Access, opened_store, repository_options, state_of
from backstay.clock import SystemClock
from backstay.crypto.slots import identity_of
from backstay.durable import LocalDisk, write_durable
from backstay.jobs.backup import founding
from backstay.jobs.backup.founding import Founded, FoundingWish


@own_command(
    examples="""
    backstay init /mnt/backups --new-identity operator.key --recovery-kit recovery.txt
    backstay init s3://bucket/etcd --recipient ops=age1... --recipient audit=age1...
    backstay init s3://bucket/etcd --recipient vault=vault:https://vault.example.org:8200/transit/backstay
    backstay init /mnt/backups --recipient ops=age1... --offline-recipient safe=age1...
    backstay init /mnt/backups --plaintext
    """
)
@repository_options
@output_options
@reporting_options
@dry_run_option
@click.option(
    "--recipient",
    multiple=True,
    metavar="[LABEL=]AGE1...",
    help="Who can read backups: age1..., vault:https://HOST/MOUNT/KEY or aws-kms:ARN; may be repeated.",
)
@click.option(
    "--offline-recipient",
    multiple=True,
    metavar="[LABEL=]AGE1...",
    help="A recipient for recovery whose identity is on no machine; one is made unless given.",
)
@click.option("--new-identity", type=click.Path(path_type=Path), metavar="FILE", help="Make a recipient; FILE opens.")
@click.option(
    "--recovery-kit",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the recovery identity and the root key there instead of printing them.",
)
@click.option("--writer", default="", metavar="LABEL", help="What this host is called; its host name unless given.")
@switch_option("--plaintext", help="Do not encrypt. Everybody who reads the storage reads every Secret.")
@switch_option("--single-writer", help="Promise that only one machine writes; for storages that overwrite.")
@click.argument("repository", metavar="REPO")
def command(
    *,
    repository: str,
    recipient: tuple[str, ...],
    offline_recipient: tuple[str, ...],
    new_identity: Path | None,
    recovery_kit: Path | None,
    writer: str,
    plaintext: bool,
    single_writer: bool,
    dry_run: bool,
    access: Access,
    output: Format,
    reporting: Reporting,
) -> None:
    """Make a repository at REPO: a directory, s3://..., az://..., gs://..., or sftp://...; the place must exist and be empty.

    Backups are encrypted to at least two recipients, one of them offline. The storage is asked whether it refuses names
    that are taken. What is printed under "Recovery kit" is shown once: put it on paper.
    """
    if plaintext and (recipient or offline_recipient or new_identity or access.passphrase):
        raise errors.USAGE.error("--plaintext goes without recipients")
    own = identity_of(os.urandom(32)) if new_identity is not None else None
    recipients = [_labelled(text, f"recipient-{number}") for number, text in enumerate(recipient, 1)]
    if own is not None:
        recipients.append((new_identity.stem if new_identity is not None else "", own.public))
    wish = FoundingWish(
        writer or socket.gethostname() or "this host",
        tuple(recipients),
        tuple(_labelled(text, f"offline-{number}") for number, text in enumerate(offline_recipient, 1)),
        access.passphrase,
        plaintext,
        single_writer,
    )
    planned, _ = founding.planned_recipients(wish, os.urandom)
    for path in filter(None, (new_identity, recovery_kit)):
        if path.exists():
            raise errors.TARGET_EXISTS.error(f"`{path}` exists", where=str(path))
    if dry_run:
        plan: dict[str, Plain] = {
            "repository": repository,
            "encryption": "plaintext" if plaintext else "sealed",
            "recipients": [{"label": each.label, "offline": each.offline} for each in planned],
        }
        show(plan, output, lambda: f"Would make a repository at {repository} for {len(planned)} recipients")
        return
    with opened_store(repository, access.environment) as store:
        made = founding.found(
            store,
            wish,
            clock=SystemClock(),
            entropy=os.urandom,
            random_source=random.Random(),
            services=access.services,
        )
        state_of(access, made.repository).found(made.writer, made.repository.description.root)
        kit = founding.recovery_kit(made, store.location)
        disk = LocalDisk()
        if own is not None and new_identity is not None:
            text = f"# opens the backstay repository {made.repository.id}\n# public key: {own.public}\n{own.secret}\n"
            write_durable(disk, new_identity, text.encode())
        if recovery_kit is not None:
            write_durable(disk, recovery_kit, kit.encode())
    for finding in made.findings:
        reporting.note(str(finding))
    if plaintext:
        reporting.warn("backups in this repository are NOT encrypted")
    data = as_data(made)
    if recovery_kit is None:
        data["recovery_kit"] = kit
    show(data, output, lambda: _as_text(made, repository, str(state_of(access, made.repository).directory)))
    if recovery_kit is None and output is Format.TABLE:
        click.echo(f"\nRecovery kit, shown this once:\n\n{kit}", nl=False)
        sys.stdout.flush()


def as_data(made: Founded) -> dict[str, Plain]:
    """The new repository as JSON and YAML have it; without secrets."""
    repository = made.repository
    return {
        "repository": repository.id,
        "encryption": repository.description.encryption.value,
        "root": list(repository.description.root),
        "writers": [{"label": each.label, "key": each.key} for each in repository.trust.writers],
        "recipients": [
            {"label": each.label, "id": each.id, "public": each.public, "offline": each.offline}
            for each in repository.trust.recipients
        ],
    }


def _as_text(made: Founded, location: str, state: str) -> str:
    repository = made.repository
    head = pairs(
        [
            ("Repository", repository.id),
            ("Place", location),
            ("Encryption", "sealed" if repository.is_sealed else "NONE: everybody who reads the storage reads all"),
            ("This host", f"signs with {made.writer.public[:16]}..., kept in {state}"),
        ]
    )
    if not repository.is_sealed:
        return head
    rows = [(each.label, "offline" if each.offline else "", each.public) for each in repository.trust.recipients]
    return f"{head}\n\n{columns(('RECIPIENT', '', 'KEY'), rows)}"


def _labelled(text: str, default: str) -> tuple[str, str]:
    label, separator, public = text.rpartition("=")
    return (label, public) if separator and label else (default, text)
