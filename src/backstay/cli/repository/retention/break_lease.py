"""`backstay retention break-lease`: take maintenance away from somebody who has died or hangs."""

from __future__ import annotations

import click

from backstay.cli.groups import own_command
from backstay.cli.options import Format, dry_run_option, output_options, reporting_options
from backstay.cli.render.show import show
from backstay.cli.reporting import Reporting
from backstay.cli.repository.opened import Access, opened_repository, repository_options
from backstay.clock import SystemClock
from backstay.repository.retention.lease import break_lease


@own_command(
    examples="""
    backstay retention break-lease /mnt/backups 7
    """
)
@repository_options
@output_options
@reporting_options
@dry_run_option
@click.argument("repository", metavar="REPO")
@click.argument("number", metavar="NUMBER", type=click.IntRange(1))
def command(
    *, repository: str, number: int, dry_run: bool, access: Access, output: Format, reporting: Reporting
) -> None:
    """Break the maintenance lease NUMBER of REPO, which the refused command has named; that it was broken stays on record.

    A holder that is alive stops before its next batch of deletions. A dead one needs no breaking: its lease ends after a minute.
    """
    with opened_repository(repository, access, reporting) as opened:
        if not dry_run:
            break_lease(opened.store, number, now=SystemClock().now())
    word = "Would break" if dry_run else "Broke"
    show({"number": number, "changed": not dry_run}, output, lambda: f"{word} lease {number}")
