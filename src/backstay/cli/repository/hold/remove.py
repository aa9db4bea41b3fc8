"""`backstay hold remove`: retention may decide about the point again."""

from __future__ import annotations

import os

import click

from backstay import errors
from backstay.cli.groups import own_command
from backstay.cli.options import Format, dry_run_option, output_options, reporting_options
from backstay.cli.render.show import show
from backstay.cli.reporting import Reporting
from backstay.cli.repository.hold.rendering import hold_plain
from backstay.cli.repository.opened import Access, opened_repository, repository_options, state_of
from backstay.clock import SystemClock
from backstay.repository.retention.holds import LONGEST_REASON, read_holds, release_hold


@own_command(
    examples="""
    backstay hold remove /mnt/backups 5d1c9f3a77e2b014 --reason "the upgrade is done"
    """
)
@repository_options
@output_options
@reporting_options
@dry_run_option
@click.option("--reason", required=True, metavar="TEXT", help="Why; everybody who sees the storage can read it.")
@click.argument("repository", metavar="REPO")
@click.argument("hold", metavar="HOLD")
def command(
    *, repository: str, hold: str, reason: str, dry_run: bool, access: Access, output: Format, reporting: Reporting
) -> None:
    """Release one HOLD of REPO, by its id. That it was, and who released it, stays on record."""
    now = SystemClock().now()
    if not reason.strip() or len(reason) > LONGEST_REASON:
        raise errors.USAGE.error(f"a reason has 1 to {LONGEST_REASON} characters")
    with opened_repository(repository, access, reporting) as opened:
        found = [each for each in read_holds(opened) if each.id == hold]
        if not found or not found[0].is_active(now):
            raise errors.USAGE.error(f"`{hold}` is no hold that is in force", where=repository)
        ended = found[0]
        if not dry_run:
            key = state_of(access, opened).signing_key()
            ended = release_hold(opened, ended, reason, key, now=now, entropy=os.urandom)
    word = "Would release" if dry_run else "Released"
    show(
        {**hold_plain(ended, now), "changed": not dry_run},
        output,
        lambda: f"{word} {ended.id}: {', '.join(ended.points)}",
    )
