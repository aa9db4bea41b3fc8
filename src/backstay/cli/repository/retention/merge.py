"""`backstay retention merge`: one run in the place of several that only link points which stay."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from backstay.cli.groups import own_command
from backstay.cli.options import Format, dry_run_option, output_options, reporting_options
from backstay.cli.render.show import show
from backstay.cli.reporting import Reporting
from backstay.cli.repository.opened import (
    Access,
    cluster_option,
    opened_repository,
    repository_options,
    state_of,
)
from backstay.clock import SystemClock
from backstay.jobs.retention.merge import Merged, merge, plan_merge
from backstay.repository.catalogue import read_catalogue
from backstay.values import size_text


@own_command(
    examples="""
    backstay retention merge /mnt/backups --identity operator.key
    backstay retention merge /mnt/backups --dry-run
    """
)
@repository_options
@output_options
@reporting_options
@dry_run_option
@cluster_option
@click.argument("repository", metavar="REPO")
def command(
    *, repository: str, cluster: str, dry_run: bool, access: Access, output: Format, reporting: Reporting
) -> None:
    """Merge the runs of REPO that stay only because points lie behind them: what several say, one says in fewer bytes.

    Every point that stays comes back exactly as before, with its history. Each merged run is read back and compared before a
    signed commit names it; the runs that it replaces are deleted by a later sweep. Needs an identity.
    """
    progress = reporting.watch()
    try:
        with opened_repository(repository, access, reporting) as opened:
            if dry_run:
                largest = opened.store.features().create_limit_bytes
                plan = plan_merge(read_catalogue(opened).require_sound().lineages, cluster, largest)
                done = Merged(
                    sum(len(rows) for rows in plan.rows.values()),
                    len(plan.runs),
                    sum(run.size for run in plan.runs),
                )
            else:
                clock, state = SystemClock(), state_of(access, opened)
                done = merge(
                    opened,
                    state.signing_key(),
                    clock=clock,
                    epoch=state.epoch(opened, clock.now(), os.urandom),
                    entropy=os.urandom,
                    spill=Path(access.environment.get("TMPDIR") or tempfile.gettempdir()),
                    progress=progress,
                    cluster=cluster,
                )
    finally:
        progress.finish()
    show(
        {
            "rows": done.rows,
            "replaced": done.replaced,
            "before_bytes": done.before_bytes,
            "after_bytes": None if dry_run else done.after_bytes,
            "changed": not dry_run and done.rows > 0,
        },
        output,
        lambda: _text(done, dry_run=dry_run),
    )


def _text(done: Merged, *, dry_run: bool) -> str:
    if not done.rows:
        return "Nothing to merge."
    before = f"{done.replaced} runs, {size_text(done.before_bytes)}"
    if dry_run:
        return f"Would merge {before}, into {done.rows}"
    return f"Merged {before}, into {done.rows}, {size_text(done.after_bytes)}; the sweep removes the former"
