"""`backstay retention undelete`: take the marks of points back, and give points their history again."""

from __future__ import annotations

import click

from backstay import errors
from backstay.cli.groups import own_command
from backstay.cli.options import Format, dry_run_option, output_options, reporting_options
from backstay.cli.render.show import show
from backstay.cli.reporting import Reporting
from backstay.cli.repository.opened import Access, opened_repository, repository_options, state_of
from backstay.clock import SystemClock
from backstay.jobs.retention.apply import recallable, undelete
from backstay.repository.catalogue import read_catalogue
from backstay.repository.changes import LONGEST_REASON


@own_command(
    examples="""
    backstay retention undelete /mnt/backups 5d1c9f3a77e2b014-42 --reason "the incident is still open"
    backstay retention undelete /mnt/backups --all --reason "wrong policy"
    """
)
@repository_options
@output_options
@reporting_options
@dry_run_option
@click.option("--all", "everything", is_flag=True, help="Every point that is marked or has lost its history.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; everybody who sees the storage can read it.")
@click.argument("repository", metavar="REPO")
@click.argument("points", metavar="POINT", nargs=-1)
def command(
    *,
    repository: str,
    points: tuple[str, ...],
    everything: bool,
    reason: str,
    dry_run: bool,
    access: Access,
    output: Format,
    reporting: Reporting,
) -> None:
    """Bring points of REPO back that were marked and are not swept yet, by their ids (`backstay list --expired`).

    Of points that stay, and whose history a plan let go, it brings the history back, as long as no sweep has removed it.

    The next plan may drop them again: `backstay hold add` keeps a point whatever a policy says.
    """
    if not reason.strip() or len(reason) > LONGEST_REASON:
        raise errors.USAGE.error(f"a reason has 1 to {LONGEST_REASON} characters")
    if bool(points) == everything:
        raise errors.USAGE.error("name points, or say --all")
    with opened_repository(repository, access, reporting) as opened:
        catalogue = read_catalogue(opened).require_sound()
        marked = {each.id: each for each in recallable(catalogue)}
        for each in points:
            if each not in marked:
                raise errors.POINT_NOT_EXPIRED.error(f"the point {each} is not marked", where=repository)
        chosen = list(marked.values()) if everything else [marked[each] for each in dict.fromkeys(points)]
        if not dry_run and chosen:
            key = state_of(access, opened).signing_key()
            undelete(opened, catalogue, chosen, reason, key, now=SystemClock().now())
    word = "Would bring back" if dry_run else "Brought back"
    names = [each.id for each in chosen]
    show(
        {"points": names, "changed": not dry_run and bool(chosen)},
        output,
        lambda: f"{word} {len(names)} points" + (f": {', '.join(names)}" if names else ""),
    )
