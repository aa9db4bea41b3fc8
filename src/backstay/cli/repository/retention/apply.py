"""`backstay retention apply`: mark what a plan drops, if it is the plan that was read."""

from __future__ import annotations

import click

from backstay import errors
from backstay.cli.groups import own_command
from backstay.cli.options import Format, dry_run_option, output_options, reporting_options
from backstay.cli.render.show import show
from backstay.cli.reporting import Reporting
from backstay.cli.repository.opened import Access, opened_repository, repository_options, state_of
from backstay.cli.repository.retention.plan import as_plain, as_text
from backstay.cli.repository.retention.wish import Wish, policy_options
from backstay.clock import SystemClock
from backstay.jobs.retention.apply import apply

_SHORTEST_HASH = 8


@own_command(
    examples="""
    backstay retention apply /mnt/backups --plan 3f0c9d51
    backstay retention apply /mnt/backups --keep 1h:30d --all-within 2d --plan 3f0c9d51 --dry-run
    """
)
@repository_options
@output_options
@reporting_options
@dry_run_option
@policy_options
@click.option("--plan", "wanted", required=True, metavar="HASH", help="The hash of the plan that was read.")
@click.argument("repository", metavar="REPO")
def command(
    *,
    repository: str,
    wish: Wish,
    wanted: str,
    dry_run: bool,
    access: Access,
    output: Format,
    reporting: Reporting,
) -> None:
    """Mark the points of REPO that the plan with this hash drops; give the same options as to `retention plan`.

    The plan is made again, and refused with 9 if it is not the same: its hash names the policy, the points that go and the
    objects that this frees. The first 8 digits are enough. Nothing is deleted: `retention undelete` takes marks
    back until `retention sweep` comes, a day later at the earliest.
    """
    now = SystemClock().now()
    with opened_repository(repository, access, reporting) as opened:
        plan, said_by = wish.plan(opened, access, reporting, now)
        if len(wanted) < _SHORTEST_HASH or not plan.hash.startswith(wanted.lower()):
            raise errors.RETENTION_CHANGED.error(
                "this is not the plan that was read", where=repository, why=f"its hash is {plan.hash}"
            )
        if plan.refused:
            raise errors.RETENTION_REFUSED.error(
                "the plan was not applied", where=repository, why=", ".join(each.value for each in plan.refused)
            )
        if not dry_run:
            apply(opened, plan, state_of(access, opened).signing_key(), now=now)
    word = "Would mark" if dry_run else "Marked"
    count, fading = len(plan.decision.drop), len(plan.fading)
    faded = f", {'would let' if dry_run else 'let'} the history of {fading} go" if fading else ""
    show(
        {**as_plain(plan, said_by), "changed": not dry_run and count + fading > 0},
        output,
        lambda: f"{as_text(plan, said_by)}\n{word} {count} points{faded}",
    )
