"""`backstay cluster down`: end a cluster on this machine, and with --purge remove what it has made."""

from __future__ import annotations

from pathlib import Path

import click

from backstay.cli.cluster.place import place_of, place_options
from backstay.cli.groups import own_command
from backstay.cli.options import Format, dry_run_option, output_options, reporting_options, switch_option, yes_option
from backstay.cli.render.show import show
from backstay.cli.render.tables import printable
from backstay.cli.reporting import Reporting
from backstay.clock import SystemClock
from backstay.cluster.local import DownPlan, DownReport, load_cluster, plan_down, take_down
from backstay.cluster.local.down import StoppedMember


@own_command(
    examples="""
    backstay cluster down
    backstay cluster down --directory /var/tmp/three --purge --dry-run
    """
)
@output_options
@reporting_options
@dry_run_option
@yes_option
@place_options
@switch_option("--purge", help="Remove the data, certificates and logs that the cluster has made.")
def command(
    *,
    directory: Path | None,
    name: str | None,
    purge: bool,
    dry_run: bool,
    yes: bool,
    output: Format,
    reporting: Reporting,
) -> None:
    """End every member with SIGTERM and wait; `backstay cluster up` starts them again.

    Only processes that the cluster has started are signalled, recognised by id, start and boot. --purge removes what the cluster
    has made and nothing else: a directory that was grown into it stays.
    """
    plan = plan_down(load_cluster(place_of(directory, name)), purge=purge)
    if dry_run:
        planned = _as_report(plan)
        show(planned, output, lambda: f"Plan (nothing was changed)\n\n{as_text(planned, 'would end', 'would remove')}")
        return
    if plan.removes and not yes:
        click.echo(f"Plan\n\n{as_text(_as_report(plan), 'would end', 'would remove')}\n", err=True)
        click.confirm("Do this now?", abort=True, err=True)
    progress = reporting.watch()
    try:
        report = take_down(plan, SystemClock(), progress)
    finally:
        progress.finish()
    show(report, output, lambda: as_text(report, "ended", "removed"))


def as_text(report: DownReport, ended: str, removed: str) -> str:
    """What ended, was removed and stays; in the words of a plan or of a report."""
    lines = [
        f"{ended} {each.name}, process {each.pid}{' (killed: it did not end by itself)' if each.was_killed else ''}"
        for each in report.stopped
    ]
    lines += [f"{removed} {path}" for path in report.removed]
    lines += [f"stays: {path}" for path in report.kept]
    return "\n".join(printable(line) for line in lines) or f"no member of {printable(report.name)} runs"


def _as_report(plan: DownPlan) -> DownReport:
    return DownReport(
        plan.cluster.name,
        str(plan.cluster.directory),
        tuple(StoppedMember(name, identity.pid) for name, identity in plan.processes),
        tuple(str(path) for path in plan.removes),
        tuple(str(path) for path in plan.kept),
    )
