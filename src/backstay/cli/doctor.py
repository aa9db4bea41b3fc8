"""`backstay doctor`: what is wrong with the etcd of this host, one named cause, and the next command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from backstay import errors
from backstay.cli import invocation
from backstay.cli.groups import own_command
from backstay.cli.options import (
    Format,
    connection_options,
    dry_run_option,
    output_options,
    reporting_options,
    yes_option,
)
from backstay.cli.reach import host_root, reach
from backstay.cli.render.findings import findings_plain, findings_table
from backstay.cli.render.outcome import exit_status
from backstay.cli.render.plain import Plain
from backstay.cli.render.show import show
from backstay.cli.reporting import Reporting
from backstay.cli.settings import ConnectionSettings
from backstay.clock import SystemClock
from backstay.cluster.host import LocalHost
from backstay.doctor import repair
from backstay.doctor.check import Check, run_checks
from backstay.doctor.checks import ALL
from backstay.doctor.diagnosis import Diagnosis, diagnose
from backstay.doctor.facts import Facts
from backstay.doctor.gather import Search, gather
from backstay.errors import BackstayError
from backstay.etcd.connection import ConnectionOptions
from backstay.etcd.discovery import discover
from backstay.findings import Finding

NAMES = {check.name: check for check in ALL}


@own_command(
    examples="""
    sudo backstay doctor
    sudo backstay doctor -o json | jq -r .cause
    backstay doctor --only space,certificates
    backstay doctor --data-dir /var/lib/etcd
    backstay doctor --snapshot backup.db
    sudo backstay doctor --fix
    """
)
@connection_options
@output_options
@reporting_options
@click.option("--only", default="", metavar="CHECKS", help=f"Only these checks, of {', '.join(NAMES)}.")
@click.option("--skip", default="", metavar="CHECKS", help="All checks but these.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Look only at this data directory.")
@click.option("--snapshot", type=click.Path(path_type=Path), help="Look only at this snapshot.")
@click.option("--backups", type=click.Path(path_type=Path), multiple=True, help="A directory with backups; repeatable.")
@click.option("--probe", is_flag=True, help="Also measure fsync on the data disk (writes and removes one small file).")
@click.option("--fix", is_flag=True, help="Plan the safe repairs and do them after a question.")
@dry_run_option
@yes_option
def command(
    *,
    only: str,
    skip: str,
    data_dir: Path | None,
    snapshot: Path | None,
    backups: tuple[Path, ...],
    probe: bool,
    fix: bool,
    dry_run: bool,
    yes: bool,
    connection: ConnectionSettings,
    output: Format,
    reporting: Reporting,
) -> int:
    """Find out what is wrong with the etcd of this host, and say what to do next.

    Works with the API server and etcd dead. Changes nothing, but with --fix: compact, defragment and disarm after space is
    back, and modes of data and keys.

    Exits with 0 when nothing is wrong, 3 with warnings, 4 with errors.
    """
    checks = selected(only, skip)
    clock = SystemClock()
    host = LocalHost(host_root(invocation.current().environment))
    search, notes = searched(connection, data_dir, snapshot, backups, probe, host.root)
    progress = reporting.watch()
    try:
        facts = gather(search, host, clock, progress)
    finally:
        progress.finish()
    findings = run_checks(checks, facts)
    diagnosis = diagnose(findings, facts)
    steps = repair.plan(findings, facts, search.options, clock) if fix else ()
    show(
        as_data(facts, checks, findings, diagnosis, steps, notes),
        output,
        lambda: as_text(facts, checks, findings, diagnosis, notes),
    )
    if fix:
        carry_out(steps, reporting, dry_run=dry_run, yes=yes)
    return exit_status(findings)


def selected(only: str, skip: str) -> tuple[Check, ...]:
    """The checks that the flags ask for. Raises `USAGE` for a name that no check has."""
    wanted, unwanted = _names(only), _names(skip)
    unknown = [name for name in (*wanted, *unwanted) if name not in NAMES]
    if unknown:
        raise errors.USAGE.error(f"no check is called {unknown[0]!r}", next_step=f"the checks are {', '.join(NAMES)}")
    return tuple(check for check in ALL if (not wanted or check.name in wanted) and check.name not in unwanted)


def searched(
    connection: ConnectionSettings,
    data_dir: Path | None,
    snapshot: Path | None,
    backups: tuple[Path, ...],
    probe: bool,
    root: Path,
) -> tuple[Search, tuple[str, ...]]:
    """Where to look, and how that was decided."""
    if data_dir is not None and snapshot is not None:
        raise errors.USAGE.error("--data-dir and --snapshot exclude each other")
    for path in (data_dir, snapshot):
        if path is not None and not path.exists():
            raise errors.SOURCE_NOT_FOUND.error(f"`{path}` does not exist", where=str(path))
    if data_dir is not None or snapshot is not None:
        return Search(data_dir=data_dir, snapshot=snapshot, backup_directories=backups, probe=probe), ()
    discovery = discover(root)
    options: ConnectionOptions | None = None
    notes: tuple[str, ...] = discovery.reasons
    try:
        reached = reach(connection, root=root)
        options, notes = reached.options, reached.reasons
    except BackstayError as problem:
        if problem.kind is errors.USAGE:
            raise
        notes = (*notes, f"the members were not asked: {problem}")
    return Search(discovery, options=options, backup_directories=backups, probe=probe), notes


def carry_out(steps: Sequence[repair.Step], reporting: Reporting, *, dry_run: bool, yes: bool) -> None:
    """Show the plan, ask, act."""
    if not steps:
        click.echo("Nothing that was found can be repaired safely by --fix.", err=True)
        return
    click.echo("\nPlan:", err=True)
    for number, step in enumerate(steps, start=1):
        click.echo(f"  {number}. {step.title}", err=True)
    if dry_run:
        return
    if not yes:
        click.confirm("Do this now?", abort=True, err=True)
    for step in steps:
        reporting.note(f"{step.title}: {step.act()}")


def as_data(
    facts: Facts,
    checks: Sequence[Check],
    findings: Sequence[Finding],
    diagnosis: Diagnosis,
    steps: Sequence[repair.Step],
    notes: Sequence[str],
) -> dict[str, Plain]:
    """The report as JSON and YAML have it; keys are stable."""
    return {
        "cause": diagnosis.cause,
        "sentence": diagnosis.sentence,
        "next_command": diagnosis.next_command,
        "explains": list(diagnosis.explains),
        "installation": str(facts.installation) if facts.installation is not None else None,
        "data_dir": str(facts.data_dir) if facts.data_dir is not None else None,
        "looked_at": list(notes),
        "checks": [check.name for check in checks],
        "findings": findings_plain(findings),
        "plan": [step.title for step in steps],
    }


def as_text(
    facts: Facts, checks: Sequence[Check], findings: Sequence[Finding], diagnosis: Diagnosis, notes: Sequence[str]
) -> str:
    """The report for a person at 18:30: what was looked at, what was found, the cause, the next command last."""
    head = [f"Looked at: {note}" for note in notes]
    quiet = [check.subject for check in checks]
    parts = ["\n".join(head), findings_table(findings)]
    if not findings:
        parts.append(f"Checked {len(quiet)} subjects, nothing found.")
    cause = f"CAUSE: {diagnosis.sentence}"
    if diagnosis.next_command:
        cause += f"\nNEXT:  {diagnosis.next_command}"
    return "\n\n".join(part for part in (*parts, cause) if part)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))
