"""`backstay drill`: rehearse the restore of a backup on a real etcd, and say how long each phase took."""

from __future__ import annotations

from pathlib import Path

import click

from backstay.cli import invocation
from backstay.cli.groups import own_command
from backstay.cli.options import Format, output_options, reporting_options, switch_option
from backstay.cli.render.show import show
from backstay.cli.render.tables import columns, pairs
from backstay.cli.reporting import Reporting
from backstay.clock import SystemClock
from backstay.cluster.etcd_program import find_etcd
from backstay.durable import LocalDisk
from backstay.errors import ExitStatus
from backstay.jobs.drill import DrillOptions, DrillReport, drill

_RESOURCES_SHOWN = 12


@own_command(
    examples="""
    backstay drill backup.db
    backstay drill backup.db -o json | jq .passed
    backstay drill backup.db --etcd /opt/etcd-3.6/etcd --scratch /mnt/large
    """
)
@output_options
@reporting_options
@click.option("--etcd", type=click.Path(path_type=Path), metavar="FILE", help="The etcd to start; else that of PATH.")
@click.option("--scratch", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Where to restore to.")
@switch_option("--skip-hash-check", help="Do not compare the SHA-256; needed for a bare `member/snap/db`.")
@click.option(
    "--user", default="", metavar="NAME[:PASSWORD]", help="A user with the role root, where the backup has users."
)
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
def command(
    *,
    file: Path,
    etcd: Path | None,
    scratch: Path | None,
    skip_hash_check: bool,
    user: str,
    output: Format,
    reporting: Reporting,
) -> int:
    """Restore FILE into a scratch directory, start a real etcd on it, and compare what it holds with what FILE promised.

    Exits with 0 when the server agrees, 3 when no server could be asked, 4 when it does not agree.
    """
    program = find_etcd(etcd, invocation.current().environment.get("PATH", ""))
    name, _, password = user.partition(":")
    progress = reporting.watch()
    try:
        report = drill(
            DrillOptions(file, program, scratch, skip_hash_check, name, password),
            disk=LocalDisk(),
            clock=SystemClock(),
            progress=progress,
        )
    finally:
        progress.finish()
    show(report, output, lambda: as_text(report))
    if not report.passed:
        return ExitStatus.VERIFICATION_FAILED
    return ExitStatus.OK if report.level == "drilled" else ExitStatus.WARNINGS


def as_text(report: DrillReport) -> str:
    """The report for a person."""
    verdict = "passed" if report.passed else "FAILED"
    head = pairs(
        [
            ("Drill", f"{verdict}: {report.source} is {report.level}"),
            ("Server", report.server or "none"),
            ("Revision", report.revision),
            ("Keys", report.keys),
            ("Seconds", f"{report.seconds:.1f}"),
        ]
    )
    phases = columns(("PHASE", "SECONDS"), [(each.name, f"{each.seconds:.2f}") for each in report.phases])
    compared = columns(
        ("COMPARED", "PREDICTED", "ANSWERED", ""),
        [
            (each.what, each.predicted, each.answered or "not asked", "" if each.agrees else "DIFFERS")
            for each in report.comparisons
        ],
    )
    shown = list(report.resources.items())[:_RESOURCES_SHOWN]
    resources = columns(("RESOURCE", "KEYS"), shown)
    notes = "\n".join(f"Note: {note}" for note in report.notes)
    parts = [head, phases, compared if report.comparisons else "", resources if shown else "", notes]
    return "\n\n".join(part for part in parts if part)
