"""`backstay recipient list`: who can read the backups of a repository."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import click

from backstay.cli.groups import own_command
from backstay.cli.options import Format, output_options, reporting_options
from backstay.cli.render.plain import Plain
from backstay.cli.render.show import show
from backstay.cli.render.tables import columns
from backstay.cli.reporting import Reporting
from backstay.cli.repository.opened import Access, opened_repository, repository_options
from backstay.cli.repository.rendering import time_plain
from backstay.repository.proofs import last_proven, read_proofs
from backstay.repository.trust import TrustedRecipient


@own_command(
    examples="""
    backstay recipient list /mnt/backups
    """
)
@repository_options
@output_options
@reporting_options
@click.argument("repository", metavar="REPO")
def command(*, repository: str, access: Access, output: Format, reporting: Reporting) -> None:
    """List who can read the backups of REPO, and when each was last proven by `recipient test`. Any one opens all of it."""
    with opened_repository(repository, access, reporting) as opened:
        recipients = opened.trust.recipients
        proven = last_proven(read_proofs(opened))
    plain: list[Plain] = [{**as_plain(each), "last_proven": proven_plain(proven.get(each.id))} for each in recipients]
    show(plain, output, lambda: as_table(recipients, proven))


def proven_plain(time: datetime | None) -> Plain:
    """When a recipient last opened everything, as all output has times."""
    return None if time is None else time_plain(time)


def as_plain(recipient: TrustedRecipient) -> dict[str, Plain]:
    """A recipient as JSON and YAML have it."""
    return {
        "label": recipient.label,
        "id": recipient.id,
        "type": recipient.type,
        "public": recipient.public,
        "offline": recipient.offline,
        "passphrase": recipient.passphrase is not None,
    }


def as_table(recipients: tuple[TrustedRecipient, ...], proven: Mapping[str, datetime]) -> str:
    """Recipients for people."""
    if not recipients:
        return "Nobody: this repository is not encrypted."
    rows = [
        (
            each.label,
            _kind(each),
            "never" if each.id not in proven else f"{proven[each.id]:%Y-%m-%d}",
            each.id,
            each.public,
        )
        for each in recipients
    ]
    return columns(("RECIPIENT", "", "LAST PROVEN", "ID", "KEY"), rows)


def _kind(recipient: TrustedRecipient) -> str:
    if recipient.offline:
        return "offline"
    if recipient.passphrase is not None:
        return "passphrase"
    return recipient.type if recipient.is_service else ""
