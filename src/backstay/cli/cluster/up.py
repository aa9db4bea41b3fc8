"""`backstay cluster up`: a real etcd cluster on this machine, new, from a backup, or grown from a store's directory."""

from __future__ import annotations

import os
import random
import shlex
from collections.abc import Mapping
from pathlib import Path

import click

from backstay.cli import invocation
from backstay.cli.cluster.place import place_of, place_options
from backstay.cli.groups import own_command
from backstay.cli.options import (
    Format,
    ask_password,
    connection_options,
    dry_run_option,
    output_options,
    reporting_options,
    switch_option,
    yes_option,
)
from backstay.cli.render.show import show
from backstay.cli.render.tables import columns, pairs, printable
from backstay.cli.reporting import Reporting
from backstay.cli.settings import ConnectionSettings
from backstay.clock import SystemClock
from backstay.cluster.etcd_program import EtcdProgram, cached_etcds, find_etcd
from backstay.cluster.local import UpPlan, UpReport, UpWish, bring_up, plan_up
from backstay.cluster.local.plan import DEFAULT_MEMBERS
from backstay.cluster.local.up import UpTools
from backstay.durable import LocalDisk


@own_command(
    examples="""
    backstay cluster up
    backstay cluster up --members 3 --tls --directory /var/tmp/three
    # a backup, served by three members
    backstay cluster up --from backup.db --name rehearsal
    # the directory of a stopped `backstay serve` grows to three members
    backstay cluster up --from /var/lib/store --members 3
    """
)
@connection_options
@output_options
@reporting_options
@dry_run_option
@yes_option
@place_options
@click.option("--members", type=int, metavar="N", help=f"How many; {DEFAULT_MEMBERS} unless given.")
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path, readable=False),
    metavar="DIR|FILE",
    help="A snapshot to restore, or the data directory of one stopped member, which becomes the first of the cluster.",
)
@switch_option("--tls", help="Certificates for peers and clients, demanded of both.")
@click.option(
    "--etcd",
    type=click.Path(path_type=Path, readable=False),
    metavar="FILE",
    help="The etcd to start; else that of PATH.",
)
def command(
    *,
    directory: Path | None,
    name: str | None,
    members: int | None,
    source: Path | None,
    tls: bool,
    etcd: Path | None,
    dry_run: bool,
    yes: bool,
    connection: ConnectionSettings,
    output: Format,
    reporting: Reporting,
) -> None:
    """Start a real etcd cluster on this machine's loopback; it goes on when this command has ended.

    Waits until every member serves and all hold the same. With a directory in --from, its etcd starts on it and the others
    join one by one: learners first, voters when they have caught up. Run it again to start a cluster that stands still, or to
    go on where it was interrupted. Of the connection options only --user and --password count, for a store that has users.
    """
    environment = invocation.current().environment
    place = place_of(directory, name)
    settings = ask_password(connection)
    user, password = settings.user or "", (settings.password or "") if settings.user else ""
    program = _program(etcd, environment) if etcd is not None or not (place / "cluster.json").exists() else None
    wish = UpWish(place, program, name, members, source, True if tls else None, user, password)
    progress = reporting.watch()
    try:
        plan = plan_up(wish, random.SystemRandom(), progress)
        if dry_run:
            progress.finish()
            show(plan, output, lambda: f"Plan (nothing was changed)\n\n{plan_text(plan)}")
            return
        if plan.changes_source and not yes:
            progress.finish()
            click.echo(f"Plan\n\n{plan_text(plan)}\n", err=True)
            click.confirm("Do this now?", abort=True, err=True)
        tools = UpTools(LocalDisk(), SystemClock(), progress, os.urandom)
        report = bring_up(plan, tools, user=user, password=password)
    except KeyboardInterrupt:
        progress.finish()
        reporting.warn(f"interrupted: the same command goes on, `backstay cluster down --directory {place}` cleans up")
        raise
    finally:
        progress.finish()
    show(report, output, lambda: report_text(report))


def _program(named: Path | None, environment: Mapping[str, str]) -> EtcdProgram | None:
    """The etcd that was named, else the first of PATH, else the newest among the test peers."""
    cache = environment.get("BACKSTAY_PEERS")
    base = environment.get("XDG_CACHE_HOME") or f"{environment.get('HOME') or '~'}/.cache"
    peers = Path(cache) if cache else Path(base) / "backstay" / "peers"
    return find_etcd(named.absolute() if named else None, environment.get("PATH", ""), cached_etcds(peers.expanduser()))


def plan_text(plan: UpPlan) -> str:
    """The plan for a person."""
    cluster = plan.cluster
    head = pairs(
        [
            ("Cluster", f"{cluster.name} in {cluster.directory}"),
            ("etcd", f"{cluster.program.version}, {cluster.program.path}"),
            ("Source", cluster.source or "none, it begins empty"),
        ]
    )
    members = columns(
        ("MEMBER", "ENDPOINT", "PEER", "DIRECTORY"),
        [(each.name, each.client_url, each.peer_url, each.data_directory) for each in cluster.members],
    )
    steps = "\n".join(f"  {number}. {printable(step)}" for number, step in enumerate(plan.steps, start=1))
    parts = [head, members, f"Steps:\n{steps}"]
    if plan.notices:
        parts.append("Mind:\n" + "\n".join(f"  - {printable(notice)}" for notice in plan.notices))
    return "\n\n".join(parts)


def report_text(report: UpReport) -> str:
    """What stands now, and what to paste."""
    cluster = report.cluster
    count = len(cluster.members)
    agreement = "not asked: the store has users, and no --user was given"
    if report.hash is not None:
        agreement = f"{report.hash} at revision {report.revision}, the same on {count} of {count} members"
        agreement += ", as the source promised" if report.is_proven else ""
    head = pairs(
        [
            ("Cluster", f"{cluster.name} in {cluster.directory}"),
            ("etcd", cluster.program.version),
            ("HashKV", agreement),
            ("Seconds", f"{report.seconds:.1f}"),
        ]
    )
    members = columns(
        ("MEMBER", "ENDPOINT", "DIRECTORY"),
        [(each.name, each.client_url, each.data_directory) for each in cluster.members],
    )
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in report.environment.items())
    place = shlex.quote(str(cluster.directory))
    after = f"Then: backstay cluster status --directory {place}\n      backstay cluster down --directory {place}"
    return "\n\n".join([head, members, exports, after])
