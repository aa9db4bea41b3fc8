"""`backstay verify`: how far the points of a repository can be trusted, and what is wrong with them."""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from backstay import __version__
from backstay.cli.groups import TextType, own_command
from backstay.cli.options import Format, output_options, reporting_options, switch_option
from backstay.cli.render.findings import findings_plain, findings_table
from backstay.cli.render.plain import Plain
from backstay.cli.render.show import show
from backstay.cli.render.tables import columns
from backstay.cli.reporting import Reporting
from backstay.cli.repository.opened import (
    Access,
    at_option,
    cluster_option,
    opened_repository,
    repository_options,
    state_of,
)
from backstay.cli.repository.rendering import time_plain
from backstay.clock import SystemClock
from backstay.cluster.etcd_program import find_etcd
from backstay.durable import LocalDisk
from backstay.errors import ExitStatus
from backstay.findings import Severity, worst
from backstay.jobs.points.drill import drill_point
from backstay.jobs.points.verify import DRILLED, RepositoryVerification, verify
from backstay.repository.catalogue import read_catalogue
from backstay.repository.choosing import choose_point
from backstay.repository.facts import Fact, PointFact, put_fact, rank, read_facts
from backstay.repository.manifest import Manifest
from backstay.snapshot.verify import Level

_LEVELS = [*(str(level) for level in Level if level is not Level.NONE), DRILLED]


_NEVER = datetime.min.replace(tzinfo=UTC)


class Subset(TextType):
    """`2/7`: the second of seven parts."""

    name = "part"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, tuple):
            return value
        number, _, count = str(value).partition("/")
        if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
            self.fail(f"{value!r} is not like 2/7", param, ctx)
        return int(number), int(count)


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
@at_option
@click.option("--all", "every", is_flag=True, help="All points instead of one.")
@cluster_option
@click.option("--subset", type=Subset(), metavar="N/T", help="With --all: the N-th of T parts of the points.")
@switch_option(
    "--record", default=True, help="Store the result in the repository, signed by this host if it has a key."
)
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
    subset: tuple[int, int] | None,
    record: bool,
    etcd: Path | None,
    user: str,
    access: Access,
    output: Format,
    reporting: Reporting,
) -> int:
    """Verify points of REPO up to a level: listed, intact, authentic, coherent, rebuilt, drilled; each includes the lower.

    Levels up to `intact` need no identity. `rebuilt` restores into nothing and compares every byte; `drilled` starts a real
    etcd on the result. With --all those come first whose last verification is oldest. Exits with 4 when a point does not
    reach the level, with 3 when the level could not be tried for want of an identity or an etcd.
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
        with opened_repository(repository, access, reporting) as opened:
            catalogue = read_catalogue(opened)
            points = [each for each in catalogue.points if cluster in ("", each.cluster)]
            facts = read_facts(opened)
            if every:
                chosen = due_first(points, facts, level)
                chosen = [each for each in chosen if subset is None or each.sequence % subset[1] == subset[0] - 1]
            else:
                chosen = [choose_point(opened, points, at)]
            verified = verify(
                opened, catalogue, chosen, wanted,
                spill=spill, entropy=os.urandom, progress=progress, drill=drill, clock=SystemClock(),
            )  # fmt: skip
            state = state_of(access, opened)
            if record and verified.points and state.has_signing_key():
                fact = fact_of(verified, SystemClock().now(), level)
                put_fact(opened, fact, state.signing_key(), os.urandom)
    finally:
        progress.finish()
    show(as_data(verified), output, lambda: as_text(verified))
    severity = worst(verified.all_findings)
    if severity is Severity.ERROR:
        return ExitStatus.TAMPERED if catalogue.damage else ExitStatus.VERIFICATION_FAILED
    return ExitStatus.WARNINGS if severity is Severity.WARNING else ExitStatus.OK


def due_first(points: Sequence[Manifest], facts: Sequence[Fact], level: str) -> list[Manifest]:
    """The points in the order in which they are due: never verified at this level first, then the longest ago."""
    last: dict[str, datetime] = {}
    for fact in facts:
        for each in fact.points:
            if rank(each.level) >= rank(level):
                last[each.point] = fact.time
    return sorted(points, key=lambda each: (last.get(each.id, _NEVER), each.time))


def fact_of(verified: RepositoryVerification, now: datetime, level: str) -> Fact:
    """What is stored of a verification; of points that were rebuilt also how long that took, which measures a restore."""
    servers = sorted({each.server for each in verified.points if each.server})
    return Fact(
        now,
        ", ".join([f"backstay {__version__}", *servers]),
        tuple(
            PointFact(each.manifest.lineage, each.manifest.sequence, each.level, each.tried(level), each.milliseconds)
            for each in verified.points
        ),
    )


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
