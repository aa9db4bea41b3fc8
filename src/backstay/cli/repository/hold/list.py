"""`backstay hold list`: what may not be removed, and why."""

from __future__ import annotations

import click

from backstay.cli.groups import own_command
from backstay.cli.options import Format, output_options, reporting_options, switch_option
from backstay.cli.render.show import show
from backstay.cli.render.tables import columns
from backstay.cli.reporting import Reporting
from backstay.cli.repository.hold.rendering import hold_plain, state_text
from backstay.cli.repository.opened import Access, opened_repository, repository_options
from backstay.clock import SystemClock
from backstay.repository.retention.holds import read_holds


@own_command(
    examples="""
    backstay hold list /mnt/backups
    backstay hold list /mnt/backups --ended -o json
    """
)
@repository_options
@output_options
@reporting_options
@switch_option("--ended", default=False, help="Also those that were released or whose time is over.")
@click.argument("repository", metavar="REPO")
def command(*, repository: str, ended: bool, access: Access, output: Format, reporting: Reporting) -> None:
    """List the holds of REPO, oldest first."""
    now = SystemClock().now()
    with opened_repository(repository, access, reporting) as opened:
        holds = [each for each in read_holds(opened) if ended or each.is_active(now)]

    def table() -> str:
        if not holds:
            return "Nothing is held."
        rows = [(each.id, ",".join(each.points), state_text(each, now), each.by, each.reason) for each in holds]
        return columns(("HOLD", "POINT", "HOLDS", "BY", "REASON"), rows)

    show([hold_plain(each, now) for each in holds], output, table)
