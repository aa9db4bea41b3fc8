"""`backstay hold add`: nothing may remove this point."""

from __future__ import annotations

import os

import click

from backstay import errors
from backstay.cli.groups import own_command
from backstay.cli.options import Format, dry_run_option, output_options, reporting_options
from backstay.cli.render.show import show
from backstay.cli.reporting import Reporting
from backstay.cli.repository.hold.rendering import hold_plain, parse_until, state_text
from backstay.cli.repository.opened import (
    Access,
    at_option,
    cluster_option,
    opened_repository,
    repository_options,
    state_of,
)
from backstay.clock import SystemClock
from backstay.repository.catalogue import read_catalogue
from backstay.repository.choosing import choose_point
from backstay.repository.retention.holds import LONGEST_REASON, Hold, put_hold


@own_command(
    examples="""
    backstay hold add /mnt/backups --reason "before the upgrade to 3.7"
    backstay hold add /mnt/backups --at 2026-11-25T00:10 --reason "incident 4711" --until 2027-06-30
    """
)
@repository_options
@output_options
@reporting_options
@dry_run_option
@at_option
@cluster_option
@click.option("--reason", required=True, metavar="TEXT", help="Why; everybody who sees the storage can read it.")
@click.option("--until", default="", metavar="TIME", help="When it ends by itself; else never.")
@click.argument("repository", metavar="REPO")
def command(
    *,
    repository: str,
    at: str,
    cluster: str,
    reason: str,
    until: str,
    dry_run: bool,
    access: Access,
    output: Format,
    reporting: Reporting,
) -> None:
    """Hold one point of REPO: retention keeps it, whatever the rules say, until a date or `backstay hold remove`."""
    now = SystemClock().now()
    end = parse_until(until, now) if until else None
    if not reason.strip() or len(reason) > LONGEST_REASON:
        raise errors.USAGE.error(f"a reason has 1 to {LONGEST_REASON} characters")
    with opened_repository(repository, access, reporting) as opened:
        points = [each for each in read_catalogue(opened).require_sound().points if cluster in ("", each.cluster)]
        point = choose_point(opened, points, at)
        if dry_run:
            hold = Hold("", now, reason, end, (point.id,))
        else:
            key = state_of(access, opened).signing_key()
            hold = put_hold(opened, [point], reason, end, key, now=now, entropy=os.urandom)
    word = "Would hold" if dry_run else f"Hold {hold.id}:"
    show(
        {**hold_plain(hold, now), "changed": not dry_run},
        output,
        lambda: f"{word} {point.id}, {state_text(hold, now)}",
    )
