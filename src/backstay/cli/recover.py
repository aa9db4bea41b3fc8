"""`backstay recover`: bring the control plane of this host back from a snapshot, or take that back.

Reads the arguments, shows the plan, asks, shows the report; `backstay.jobs.recover` does the work.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from backstay import errors
from backstay.cli import invocation
from backstay.cli.groups import own_command
from backstay.cli.options import (
    Format,
    dry_run_option,
    output_options,
    reporting_options,
    switch_option,
    yes_option,
)
from backstay.cli.reach import host_root
from backstay.cli.render.show import show
from backstay.cli.render.tables import columns, pairs, printable
from backstay.cli.reporting import Reporting
from backstay.clock import SystemClock
from backstay.cluster.etcd_program import find_etcd
from backstay.cluster.host import LocalHost
from backstay.durable import LocalDisk
from backstay.jobs.recover import (
    Loss,
    RecoverFacts,
    RecoverOptions,
    RecoverPlan,
    RecoverReport,
    Recovery,
    RecoveryTools,
    RollbackReport,
    gather_facts,
    make_plan,
    refuse_healthy,
)

_RESOURCES_SHOWN = 12


@own_command(
    examples="""
    sudo backstay recover --from /backup/etcd.db --plan
    sudo backstay recover --from /backup/etcd.db
    # after a power cut in the middle of it
    sudo backstay recover --resume
    sudo backstay recover --rollback
    # unattended, over a cluster that still answers
    sudo backstay recover --from /backup/etcd.db --cluster-name control-plane-1 --yes
    """
)
@output_options
@reporting_options
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path, readable=False),
    metavar="FILE",
    help="The snapshot to recover from.",
)
@click.option("--plan", "plan_only", is_flag=True, help="The same as --dry-run.")
@dry_run_option
@yes_option
@click.option("--resume", is_flag=True, help="Finish the recovery that was interrupted.")
@click.option("--rollback", is_flag=True, help="Put the old data and the manifests back, from whatever state.")
@click.option(
    "--etcd",
    type=click.Path(path_type=Path, readable=False),
    metavar="FILE",
    help="The etcd that proves the restored data.",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, readable=False),
    metavar="DIR",
    help="Which etcd is meant, where there are two.",
)
@click.option(
    "--cluster-name",
    default="",
    metavar="NAME",
    help="The name of a healthy cluster that shall be replaced: its member's name, etcd's --name.",
)
@switch_option("--skip-hash-check", help="Do not compare the SHA-256; needed for a bare `member/snap/db`.")
def command(
    *,
    source: Path | None,
    plan_only: bool,
    dry_run: bool,
    yes: bool,
    resume: bool,
    rollback: bool,
    etcd: Path | None,
    data_dir: Path | None,
    cluster_name: str,
    skip_hash_check: bool,
    output: Format,
    reporting: Reporting,
) -> None:
    """Bring the control plane of this host back from a snapshot: one etcd member, a static pod (kubeadm) or a systemd unit.

    Stops the API server, the controllers and etcd, restores beside the old data, proves it on a real etcd where one is found,
    moves the old data aside, starts everything again and waits until the API server is ready. Nothing is removed. Killed at
    any moment, --resume finishes and --rollback puts the old state back.
    """
    _refuse_contradictions(source, resume, rollback)
    environment = invocation.current().environment
    host, clock = LocalHost(host_root(environment)), SystemClock()
    progress = reporting.watch()
    recovery = Recovery(RecoveryTools(host, LocalDisk(), clock, progress))
    try:
        if rollback:
            _confirm("Put the old data back and take the restored data out of service?", yes)
            undone = recovery.rollback()
            progress.finish()
            show(undone, output, lambda: rollback_text(undone))
            return
        if resume:
            resumed = recovery.resume()
            progress.finish()
            show(resumed, output, lambda: report_text(resumed))
            return
        assert source is not None
        recovery.refuse_unfinished()
        options = RecoverOptions(source, data_dir, find_etcd(etcd, environment.get("PATH", "")), skip_hash_check)
        facts = gather_facts(options, host, clock, progress)
        plan = make_plan(facts, options, clock.now(), host.root)
        progress.finish()
        if plan_only or dry_run:
            show(plan, output, lambda: f"Plan (nothing was changed)\n\n{plan_text(plan)}")
            return
        if not yes or not reporting.quiet:
            click.echo(f"Plan\n\n{plan_text(plan)}\n", err=True)
        refuse_healthy(facts, _typed_name(facts, cluster_name))
        _confirm("Do this now?", yes)
        report = recovery.begin(plan, facts.source)
    finally:
        progress.finish()
    show(report, output, lambda: report_text(report))


def _refuse_contradictions(source: Path | None, resume: bool, rollback: bool) -> None:
    wanted = [name for name, given in (("--from", source), ("--resume", resume), ("--rollback", rollback)) if given]
    if len(wanted) > 1:
        raise errors.USAGE.error(f"{' and '.join(wanted)} exclude each other")
    if not wanted:
        raise errors.USAGE.error(
            "what to recover from is missing",
            next_step="give --from FILE (`backstay doctor` names the newest backup), --resume or --rollback",
        )


def _typed_name(facts: RecoverFacts, given: str) -> str:
    """The cluster's name, as it was given or is typed now."""
    if given or not facts.is_healthy or not sys.stdin.isatty():
        return given
    name: str = click.prompt(
        f"This cluster is healthy. Type its name ({facts.cluster_name}) to replace its data", default="", err=True
    )
    return name


def _confirm(question: str, yes: bool) -> None:
    if not yes:
        click.confirm(question, abort=True, err=True)


def plan_text(plan: RecoverPlan) -> str:
    """The plan for a person."""
    head = pairs(
        [
            ("Cluster", f"{plan.cluster_name} at {plan.client_url}"),
            ("Snapshot", plan.snapshot),
            ("Revision", f"{plan.revision_before}, raised to {plan.revision_after}"),
            ("Data", f"{plan.data_directory}, owner {plan.owner.uid}:{plan.owner.gid}, mode {plan.owner.mode:04o}"),
            ("Old data", f"kept as {', '.join(str(each.kept) for each in plan.exchanges)}"),
            ("Seconds", f"about {plan.seconds:.0f}"),
        ]
    )
    steps = columns(
        ("", "SECONDS", "STEP"),
        [(number, f"~{step.seconds:.0f}", step.title) for number, step in enumerate(plan.steps, start=1)],
    )
    parts = [head, steps, "Changed in the data:\n" + _bullets(plan.changes)]
    if plan.notices:
        parts.append("Mind:\n" + _bullets(plan.notices))
    return "\n\n".join(parts)


def report_text(report: RecoverReport) -> str:
    """The report for a person; how long it took comes first, what to do comes last."""
    proof = "a real etcd in quarantine" if report.proof == "quarantine" else "offline only"
    head = pairs(
        [
            ("Recovered", f"{report.cluster_name} from {report.snapshot}"),
            ("Ready after", f"{report.seconds_to_ready:.1f} s"),
            ("Revision", f"{report.revision_before} before, {report.revision_after} now"),
            ("Keys", report.keys),
            ("Proven by", proof),
            ("Journal", report.journal),
        ]
    )
    spent = columns(("STEP", "SECONDS"), [(name, f"{seconds:.1f}") for name, seconds in report.seconds.items()])
    shown = list(report.resources.items())[:_RESOURCES_SHOWN]
    parts = [head, spent]
    if shown:
        parts.append(columns(("RESOURCE", "KEYS"), shown))
    parts.append(loss_text(report.loss))
    if report.notes:
        parts.append("\n".join(f"Note: {printable(note)}" for note in report.notes))
    parts.append("Now:\n" + _bullets(report.reminders))
    return "\n\n".join(parts)


def loss_text(loss: Loss) -> str:
    """What the restore lost, for a person."""
    if loss.why_unknown:
        return f"Lost: cannot be said, because {printable(loss.why_unknown)}\n  the old data is {loss.old_directory}"
    lines = [f"Lost: revisions written after the snapshot: {loss.revisions} ({loss.old_directory})"]
    kinds = (
        ("created, now gone", loss.created),
        ("changed, now older", loss.changed),
        ("deleted, now back", loss.deleted),
    )
    for what, keys in kinds:
        lines.append(f"  keys {what}: {keys.count}")
        lines += [f"    {printable(key)}" for key in keys.listed]
        if keys.count > len(keys.listed):
            lines.append(f"    and {keys.count - len(keys.listed)} more")
    return "\n".join(lines)


def rollback_text(report: RollbackReport) -> str:
    """The report of a rollback for a person."""
    rows: list[tuple[str, object]] = [("Rolled back", report.id), ("Old data", ", ".join(report.restored) or "none")]
    if report.kept:
        rows.append(("Kept", f"what the recovery had put in its place: {', '.join(report.kept)}"))
    rows += [("Started", ", ".join(report.started) or "nothing"), ("Journal", report.journal)]
    return pairs(rows)


def _bullets(texts: tuple[str, ...]) -> str:
    return "\n".join(f"  - {printable(text)}" for text in texts)
