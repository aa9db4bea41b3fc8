"""`backstay verify`: how far the points of a repository can be trusted, and what is wrong with them."""

from __future__ import annotations

import functools
import os
import tempfile
from pathlib import Path

import click

from backstay.cli.groups import own_command
from backstay.cli.options import Format, output_options, reporting_options
from backstay.cli.render.findings import findings_plain, findings_table
from backstay.cli.render.plain import Plain
from backstay.cli.render.show import show
from backstay.cli.render.tables import columns
from backstay.cli.reporting import Reporting
from backstay.cli.repository.opened import Access, opened_repository, repository_options
from backstay.cli.repository.rendering import time_plain
from backstay.clock import SystemClock
from backstay.cluster.etcd_program import find_etcd
from backstay.durable import LocalDisk
from backstay.errors import ExitStatus
from backstay.findings import Severity, worst
from backstay.jobs.points.choose import LATEST, choose
from backstay.jobs.points.drill import drill_point
from backstay.jobs.points.verify import DRILLED, RepositoryVerification, verify
from backstay.repository.catalogue import facts_of, read_catalogue
from backstay.snapshot.verify import Level

_LEVELS = [*(str(level) for level in Level if level is not Level.NONE), DRILLED]


@own_command(
    examples="""
    backstay verify /mnt/backups --identity operator.key
    backstay verify /mnt/backups --all --level rebuilt --identity operator.key
    backstay verify s3://bucket/etcd --all --level intact
    backstay verify /mnt/backups --level drilled --etcd /opt/etcd/etcd --identity operator.key
    """
)
@repository_options
@output_options
@reporting_options
@click.option("--level", type=click.Choice(_LEVELS), default=str(Level.COHERENT), show_default=True, help="How deep.")
@click.option("--at", default=LATEST, show_default=True, metavar="POINT", help="latest, an id, a revision or a time.")
@click.option("--all", "every", is_flag=True, help="All points instead of one.")
@click.option("--cluster", default="", metavar="NAME", help="Only points of this cluster.")
@click.option("--etcd", type=click.Path(path_type=Path), metavar="FILE", help="The etcd of a drill; else that of PATH.")
@click.option("--user", default="", metavar="NAME[:PASSWORD]", help="A user with the role root, for a drill.")
@click.argument("repository", metavar="REPO")
def command(
    *,
    repository: str,
    level: str,
    at: str,
    every: bool,
    cluster: str,
    etcd: Path | None,
    user: str,
    access: Access,
    output: Format,
    reporting: Reporting,
) -> int:
    """Verify points of REPO up to a level: listed, intact, authentic, coherent, rebuilt, drilled; each includes the lower.

    Levels up to `intact` need no identity. `rebuilt` restores into nothing and compares every byte; `drilled` starts a real
    etcd on the result. Exits with 4 when a point does not reach the level, with 3 when the level could not be tried for want
    of an identity or an etcd.
    """
    wanted = Level.REBUILT if level == DRILLED else Level[level.upper()]
    spill = Path(access.environment.get("TMPDIR") or tempfile.gettempdir())
    drill = None
    progress = reporting.watch()
    if level == DRILLED:
        name, _, password = user.partition(":")
        drill = functools.partial(
            drill_point, program=find_etcd(etcd, access.environment.get("PATH", "")), scratch=spill, user=name,
            password=password, disk=LocalDisk(), clock=SystemClock(), entropy=os.urandom, progress=progress,
        )  # fmt: skip
    try:
        with opened_repository(repository, access) as opened:
            catalogue = read_catalogue(opened)
            points = [each for each in catalogue.points if cluster in ("", each.cluster)]
            chosen = points if every else [choose(points, at, lambda each: facts_of(opened, each))]
            verified = verify(
                opened, catalogue, chosen, wanted, spill=spill, entropy=os.urandom, progress=progress, drill=drill
            )
    finally:
        progress.finish()
    show(as_data(verified), output, lambda: as_text(verified))
    severity = worst(verified.all_findings)
    if severity is Severity.ERROR:
        return ExitStatus.TAMPERED if catalogue.damage else ExitStatus.VERIFICATION_FAILED
    return ExitStatus.WARNINGS if severity is Severity.WARNING else ExitStatus.OK


def as_data(verified: RepositoryVerification) -> dict[str, Plain]:
    """The outcome as JSON and YAML have it; keys are stable."""
    return {
        "points": [
            {
                "id": each.manifest.id,
                "time": time_plain(each.manifest.time),
                "cluster": each.manifest.cluster,
                "reached": each.level,
                "server": each.server,
                "findings": findings_plain(each.findings),
            }
            for each in verified.points
        ],
        "findings": findings_plain(verified.findings),
    }


def as_text(verified: RepositoryVerification) -> str:
    """The outcome for people."""
    rows = [
        (each.manifest.id, time_plain(each.manifest.time), each.manifest.cluster, each.level)
        for each in verified.points
    ]
    table = columns(("ID", "TIME", "CLUSTER", "REACHED"), rows) if rows else "No backups yet."
    found = findings_table(verified.all_findings)
    return f"{table}\n\n{found}" if found else table
