"""`backstay copy`: a repository at another place, the same byte for byte."""

from __future__ import annotations

from pathlib import Path

import click

from backstay.cli.groups import own_command
from backstay.cli.options import Format, dry_run_option, output_options, reporting_options
from backstay.cli.render.plain import Plain
from backstay.cli.render.show import show
from backstay.cli.render.tables import pairs
from backstay.cli.reporting import Reporting
from backstay.cli.repository.named import look_up
from backstay.cli.repository.opened import Access, copy_state, opened_repository, opened_store, repository_options
from backstay.jobs.copy.plan import CopyPlan, make_plan
from backstay.jobs.copy.run import copy_repository
from backstay.repository.catalogue import read_catalogue
from backstay.values import size_text


@own_command(
    examples="""
    backstay copy /mnt/backups s3://bucket/etcd
    backstay copy s3://bucket/etcd sftp://backup@other/srv/etcd --dry-run
    """
)
@repository_options
@output_options
@reporting_options
@dry_run_option
@click.argument("repository", metavar="REPO")
@click.argument("target", metavar="TARGET")
def command(
    *, repository: str, target: str, dry_run: bool, access: Access, output: Format, reporting: Reporting
) -> None:
    """Bring TARGET up to what REPO holds: an empty place, or an earlier copy of the same repository.

    Only what is missing is copied; every object is verified on its way. Encrypted backups stay so, and no identity is needed.
    What was interrupted goes on where it ended. A target that holds anything else is refused. Retention is applied at REPO and
    comes along; `backstay retention sweep TARGET --only-declared` then frees the same space there.
    """
    found = look_up(target, access.config, access.environment, Path())
    progress = reporting.watch()
    try:
        with (
            opened_repository(repository, access, reporting) as opened,
            opened_store(found.entry.location if found is not None else target, access.environment) as place,
        ):
            if dry_run:
                plan = make_plan(opened, read_catalogue(opened).require_sound(), place)
                progress.finish()
                show(_plain(plan, changed=False), output, lambda: _text(plan, "Would copy"))
                return
            report = copy_repository(opened, place, progress=progress)
            # From now on a copy that shows less than this is a rollback, and one that is behind the source is not.
            state = copy_state(access, report.target)
            state.pin(opened.description.root)
            for lineage in report.catalogue.lineages:
                if lineage.head is not None:
                    state.see(lineage.head)
    finally:
        progress.finish()
    plan = report.plan
    show(_plain(plan, changed=bool(plan.missing)), output, lambda: _text(plan, "Copied"))
    if plan.absent:
        reporting.warn(
            f"{len(plan.absent)} runs that points name are not at the source, so they are not in the copy either"
        )


def _plain(plan: CopyPlan, *, changed: bool) -> dict[str, Plain]:
    return {
        "source": plan.source,
        "target": plan.target,
        "objects": len(plan.missing),
        "bytes": plan.missing_bytes,
        "already_there": plan.present,
        "new_points": plan.points,
        "absent": list(plan.absent),
        "changed": changed,
    }


def _text(plan: CopyPlan, word: str) -> str:
    return pairs(
        [
            ("From", plan.source),
            ("To", plan.target),
            (word, f"{len(plan.missing)} objects, {size_text(plan.missing_bytes)}, for {plan.points} points"),
            ("There already", f"{plan.present} objects"),
        ]
    )
