"""`backstay recipient list`: who can read the backups of a repository."""

from __future__ import annotations

import click

from backstay.cli.groups import own_command
from backstay.cli.options import Format, output_options, reporting_options
from backstay.cli.render.plain import Plain
from backstay.cli.render.show import show
from backstay.cli.render.tables import columns
from backstay.cli.reporting import Reporting
from backstay.cli.repository.opened import Access, opened_repository, repository_options
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
    """List who can read the backups of REPO. Any one of them opens all of it."""
    with opened_repository(repository, access, reporting) as opened:
        recipients = opened.trust.recipients
    show([as_plain(each) for each in recipients], output, lambda: as_table(recipients))


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


def as_table(recipients: tuple[TrustedRecipient, ...]) -> str:
    """Recipients for people."""
    if not recipients:
        return "Nobody: this repository is not encrypted."
    rows = [
        (
            each.label,
            "offline" if each.offline else "passphrase" if each.passphrase is not None else "",
            each.id,
            each.public,
        )
        for each in recipients
    ]
    return columns(("RECIPIENT", "", "ID", "KEY"), rows)
