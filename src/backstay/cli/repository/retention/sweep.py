"""`backstay retention sweep`: delete what was marked long enough ago, and what nothing names."""

from __future__ import annotations

import click

from backstay.cli.groups import own_command
from backstay.cli.options import Format, dry_run_option, output_options, reporting_options, switch_option
from backstay.cli.render.plain import Plain
from backstay.cli.render.show import show
from backstay.cli.reporting import Reporting
from backstay.cli.repository.opened import Access, opened_repository, repository_options, state_of
from backstay.cli.repository.retention.configured import only_configured_policy
from backstay.cli.repository.retention.wish import parse_period
from backstay.clock import SystemClock
from backstay.jobs.retention.sweep import SweepPlan, Swept, plan_sweep, sweep
from backstay.values import size_text


@own_command(
    examples="""
    backstay retention sweep /mnt/backups --dry-run
    backstay retention sweep s3://bucket/etcd --grace 7d
    backstay retention sweep /mnt/copy --only-declared
    """
)
@repository_options
@output_options
@reporting_options
@dry_run_option
@click.option("--grace", default="24h", show_default=True, metavar="PERIOD", help="How long points stay marked.")
@switch_option("--allow-many", help="Let more than a fifth of all points go at once.")
@switch_option("--only-declared", help="Delete only what earlier sweeps said: for a copy of a repository.")
@click.argument("repository", metavar="REPO")
def command(
    *,
    repository: str,
    grace: str,
    allow_many: bool,
    only_declared: bool,
    dry_run: bool,
    access: Access,
    output: Format,
    reporting: Reporting,
) -> None:
    """Delete from REPO what nobody needs: points whose grace is over, runs that were merged, leftovers of interrupted backups.

    What goes is said in a signed commit first. What a point that stays, a hold, or a running restore needs is never touched;
    what the storage keeps under lock stays, and is counted. Of a repository that is called by its name in backstay.toml only what
    its tier does not want goes, whatever is marked. No identity is needed. Exits with 9 where more than a
    fifth of all points would go at once, for marks may be those of somebody who has stolen an agent's key; with 11 while somebody
    else maintains the repository.
    """
    length = parse_period(grace, "--grace")
    clock, progress = SystemClock(), reporting.watch()
    try:
        with opened_repository(repository, access, reporting) as opened:
            configured = only_configured_policy(access)
            policy, cluster = (None, "") if configured is None else (configured.policy, configured.cluster.name)
            if dry_run:
                plan = plan_sweep(opened, now=clock.now(), grace=length, policy=policy, cluster=cluster)
                show(_plan_data(plan), output, lambda: _plan_text(plan))
                return
            key = None if only_declared else state_of(access, opened).signing_key()
            swept = sweep(
                opened, key, clock=clock, grace=length, progress=progress,
                policy=policy, cluster=cluster, allow_many=allow_many,
            )  # fmt: skip
    finally:
        progress.finish()
    show(_data(swept), output, lambda: _text(swept))


def _plan_data(plan: SweepPlan) -> dict[str, Plain]:
    return {
        "points": [point.id for each in plan.lineages for point in each.going],
        "faded": [point.id for each in plan.lineages for point in each.fading],
        "waiting": [{"id": name, "why": why} for each in plan.lineages for name, why in each.waiting],
        "runs": [blob.name for each in plan.lineages for blob in each.runs],
        "manifests": [name for each in plan.lineages for name in each.manifests],
        "others": [*plan.orphans, *plan.leftovers],
        "freed_bytes": plan.freed_bytes,
        "changed": False,
    }


def _plan_text(plan: SweepPlan) -> str:
    runs = sum(len(each.runs) for each in plan.lineages)
    points = sum(len(each.going) for each in plan.lineages)
    others = len(plan.orphans) + len(plan.leftovers)
    waiting = [f"{name} waits: {why}" for each in plan.lineages for name, why in each.waiting]
    fading = sum(len(each.fading) for each in plan.lineages)
    history = f" and the history of {fading}" if fading else ""
    first = (
        f"Would remove {points} points{history} for good: {runs} runs, {size_text(plan.freed_bytes)}, "
        f"and {others} small objects"
    )
    return "\n".join([first, *waiting])


def _data(swept: Swept) -> dict[str, Plain]:
    return {
        "points": list(swept.points),
        "removed": swept.removed,
        "manifests": swept.manifests,
        "freed_bytes": swept.freed_bytes,
        "retained_by_lock": list(swept.locked),
        "changed": swept.removed > 0 or bool(swept.points),
    }


def _text(swept: Swept) -> str:
    text = f"{len(swept.points)} points are gone; removed {swept.removed} objects, {size_text(swept.freed_bytes)}"
    return text if not swept.locked else f"{text}\n{len(swept.locked)} objects are retained by a lock of the storage"
