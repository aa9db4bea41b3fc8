"""`backstay recipient rewrap`: the keys of the past, wrapped to those who can read today and to nobody else."""

from __future__ import annotations

import click

from backstay.cli.groups import own_command
from backstay.cli.options import Format, dry_run_option, output_options, reporting_options, switch_option
from backstay.cli.render.plain import Plain
from backstay.cli.render.show import show
from backstay.cli.render.tables import pairs
from backstay.cli.reporting import Reporting
from backstay.cli.repository.opened import Access, opened_repository, repository_options
from backstay.errors import ExitStatus
from backstay.repository.rewrapping import Rewrapped, RewrapPlan, plan_rewrap, rewrap


@own_command(
    examples="""
    backstay recipient rewrap /mnt/backups --identity operator.key --dry-run
    backstay recipient rewrap s3://bucket/etcd --identity operator.key
    backstay recipient rewrap s3://bucket/etcd --identity operator.key --keep-old
    """
)
@repository_options
@output_options
@reporting_options
@dry_run_option
@switch_option("--keep-old", help="Leave the slots of removed recipients where they are.")
@click.argument("repository", metavar="REPO")
def command(
    *, repository: str, keep_old: bool, dry_run: bool, access: Access, output: Format, reporting: Reporting
) -> int:
    """Wrap the key of every epoch of REPO to every recipient that lacks it, then delete the slots of those that were removed.

    Some ninety small objects; no data is read or rewritten. A slot is deleted only where another recipient's stays, and a
    locked one stays until its date. What somebody copied before he was removed, he can still open. Exits with 3 when something
    could not be done.
    """
    progress = reporting.watch()
    try:
        with opened_repository(repository, access, reporting) as opened:
            plan = plan_rewrap(opened, opened.trust.recipients, remove_stale=not keep_old)
            done = None if dry_run else rewrap(opened, plan, progress)
            if done is not None and done.failures and not done.added + done.removed:
                raise done.failures[0][1]
    finally:
        progress.finish()
    show(_as_data(plan, done), output, lambda: _as_text(plan, done))
    return ExitStatus.WARNINGS if done is not None and (done.failures or done.kept) else ExitStatus.OK


def _as_data(plan: RewrapPlan, done: Rewrapped | None) -> dict[str, Plain]:
    return {
        "epochs": plan.epochs,
        "missing": [each.name for each in plan.missing],
        "stale": list(plan.stale),
        "changed": done is not None,
        "added": None if done is None else done.added,
        "removed": None if done is None else done.removed,
        "kept": None if done is None else list(done.kept),
        "failures": None if done is None else [{"slot": slot.name, "why": str(why)} for slot, why in done.failures],
    }


def _as_text(plan: RewrapPlan, done: Rewrapped | None) -> str:
    if done is None:
        return pairs(
            [
                ("Epochs", plan.epochs),
                ("Would add", f"{len(plan.missing)} slots"),
                ("Would delete", f"{len(plan.stale)} slots of removed recipients"),
            ]
        )
    rows: list[tuple[str, object]] = [
        ("Epochs", plan.epochs),
        ("Added", f"{done.added} slots"),
        ("Deleted", f"{done.removed} slots of removed recipients"),
    ]
    if done.kept:
        rows.append(("Kept", f"{len(done.kept)} slots of removed recipients: locked, or the last of their epoch"))
    rows += [("Failed", f"{slot.name}: {why}") for slot, why in done.failures]
    return pairs(rows)
