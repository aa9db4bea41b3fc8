"""`backstay retention plan`: which points a policy keeps, and what the others would free. Changes nothing."""

from __future__ import annotations

import click

from backstay.cli.groups import own_command
from backstay.cli.options import Format, output_options, reporting_options
from backstay.cli.render.plain import Plain
from backstay.cli.render.show import show
from backstay.cli.render.tables import columns
from backstay.cli.reporting import Reporting
from backstay.cli.repository.opened import Access, opened_repository, repository_options
from backstay.cli.repository.rendering import time_plain
from backstay.cli.repository.retention.wish import Wish, parse_time, policy_options
from backstay.clock import SystemClock
from backstay.errors import ExitStatus
from backstay.jobs.retention.plan import HEAD_LEVEL, Plan, policy_text
from backstay.policy.retention.guards import Guard
from backstay.values import size_text

_ALLOWED = {
    Guard.WINDOW_REDUCED: "less is promised than before",
    Guard.HISTORY_REDUCED: "every revision is kept for less long than before",
    Guard.MANY_POINTS: "more than a fifth of all points would go",
    Guard.YOUNG_POINTS: "points younger than 24 hours would go",
    Guard.HEAD_SHRANK: "the newest point has lost more than half of the keys",
    Guard.HEAD_UNVERIFIED: f"the newest point was never verified up to `{HEAD_LEVEL}`",
}


@own_command(
    examples="""
    backstay retention plan /mnt/backups --identity operator.key
    backstay retention plan /mnt/backups --keep 15m:2d --keep 1d:90d --all-within 2d
    backstay retention plan /mnt/backups --now 2027-03-01 -o json | jq .freed_bytes
    """
)
@repository_options
@output_options
@reporting_options
@policy_options
@click.option("--now", default="", metavar="TIME", help="Plan as if it were this time.")
@click.argument("repository", metavar="REPO")
def command(*, repository: str, wish: Wish, now: str, access: Access, output: Format, reporting: Reporting) -> int:
    """Show which points of REPO a policy keeps, with every reason, and which may go. Nothing is changed or removed.

    Points older than --all-within that stay give back their own revision alone: their history goes.

    Rules are windows: `15m:7d` keeps the last point of every 15 minutes of the last 7 days, counted from the newest point. What
    is held, the newest points, and the newest of the best verified ones stay whatever the rules say. Exits with 9 where a guard
    refuses the plan.
    """
    time = parse_time(now) if now else SystemClock().now()
    with opened_repository(repository, access, reporting) as opened:
        plan, said_by = wish.plan(opened, access, reporting, time)
    show(as_plain(plan, said_by), output, lambda: as_text(plan, said_by))
    return ExitStatus.REFUSED if plan.refused else ExitStatus.OK


def as_plain(plan: Plan, said_by: str) -> dict[str, Plain]:
    """A plan as JSON and YAML have it."""
    decision = plan.decision
    fading = {each.id for each in plan.fading}
    return {
        "hash": plan.hash,
        "policy": policy_text(plan.policy),
        "policy_from": said_by,
        "points": [
            {
                "id": each.id,
                "cluster": each.cluster,
                "time": time_plain(decision.times[each.id]),
                "keep": bool(decision.reasons[each.id]),
                "reasons": list(decision.reasons[each.id]),
                "loses_history": each.id in fading,
            }
            for each in decision.points
        ],
        "kept": len(decision.keep),
        "dropped": len(decision.drop),
        "faded": len(fading),
        "freed_objects": len(plan.frees),
        "freed_bytes": plan.freed_bytes,
        "link_objects": len(plan.links),
        "link_bytes": plan.link_bytes,
        "merges": plan.merges,
        "guards": [each.value for each in plan.guards],
        "refused": [each.value for each in plan.refused],
    }


def as_text(plan: Plan, said_by: str) -> str:
    """A plan for people."""
    decision = plan.decision
    if not decision.points:
        return "No backups yet."
    fading = {each.id for each in plan.fading}
    rows = [
        (
            each.id,
            time_plain(decision.times[each.id]),
            each.cluster,
            "fade" if each.id in fading else "keep" if decision.reasons[each.id] else "drop",
            "; ".join(decision.reasons[each.id]),
        )
        for each in decision.points
    ]
    lines = [
        columns(("ID", "TIME", "CLUSTER", "", "WHY"), rows),
        "",
        f"{len(decision.keep)} points stay, {f'{len(fading)} of them without their history, ' if fading else ''}"
        f"{len(decision.drop)} may go; that frees {len(plan.frees)} objects, {size_text(plan.freed_bytes)}",
        *_links(plan),
        *(f"refused: {_ALLOWED[each]} (--allow {each.value})" for each in plan.refused),
        f"policy {', '.join(map(str, plan.policy.rules))}, from {said_by}",
        f"plan {plan.hash}",
    ]
    return "\n".join(lines)


def _links(plan: Plan) -> list[str]:
    if not plan.links:
        return []
    return [
        f"{len(plan.links)} objects, {size_text(plan.link_bytes)}, stay only as links between points that stay; "
        f"{plan.merges} merged ones could take their place"
    ]
