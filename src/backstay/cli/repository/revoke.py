"""`backstay revoke`: believe a writer no more, from a point on."""

from __future__ import annotations

import re
from pathlib import Path

import click

from backstay import errors
from backstay.cli.groups import own_command
from backstay.cli.options import Format, dry_run_option, output_options, reporting_options
from backstay.cli.render.plain import Plain
from backstay.cli.render.show import show
from backstay.cli.render.tables import columns
from backstay.cli.reporting import Reporting
from backstay.cli.repository.opened import (
    Access,
    opened_repository,
    read_root_key,
    repository_options,
    root_key_option,
)
from backstay.cli.repository.rendering import time_plain
from backstay.clock import SystemClock
from backstay.repository.catalogue import read_catalogue
from backstay.repository.repository import Repository
from backstay.repository.trust import TrustedWriter
from backstay.repository.trusting import Revocation, plan_revocation, put_trust, require_root

_POINT = re.compile(r"([0-9a-f]{16})-([1-9][0-9]{0,15})")


@own_command(
    examples="""
    backstay revoke /mnt/backups control-plane-2 --root-key recovery.txt --dry-run
    backstay revoke s3://bucket/etcd control-plane-2 --from 5d1c9f3a77e2b014-118 --root-key recovery.txt
    """
)
@repository_options
@output_options
@reporting_options
@dry_run_option
@root_key_option
@click.option(
    "--from",
    "since",
    multiple=True,
    metavar="POINT",
    help="The id of the first point that is not believed; may be repeated, once for a lineage.",
)
@click.argument("repository", metavar="REPO")
@click.argument("writer")
def command(
    *,
    repository: str,
    writer: str,
    since: tuple[str, ...],
    root_key: Path,
    dry_run: bool,
    access: Access,
    output: Format,
    reporting: Reporting,
) -> None:
    """Take the trust of REPO from WRITER, by label or key. What it has signed so far stays believed; with --from only what
    came before that point does, in that lineage.

    What is not believed is no point any more: not listed, not restored, and its objects are swept as unused. Points of other
    writers stand, also behind it. Look at --dry-run first: it lists the points that would be lost.
    """
    root = read_root_key(root_key)
    with opened_repository(repository, access, reporting) as opened:
        require_root(opened, root)
        found = _writer(opened, writer)
        plan = plan_revocation(read_catalogue(opened), found, _places(since))
        if not dry_run:
            writers = [plan.writer if each.key == found.key else each for each in opened.trust.writers]
            put_trust(opened, root, now=SystemClock().now(), writers=writers)
    show(_as_data(plan, dry_run), output, lambda: _as_text(plan, dry_run))


def _writer(repository: Repository, wanted: str) -> TrustedWriter:
    found = [each for each in repository.trust.writers if wanted in (each.label, each.key)]
    if len(found) != 1:
        known = ", ".join(each.label for each in repository.trust.writers)
        raise errors.USAGE.error(f"`{wanted}` is not one writer", next_step=f"the writers are {known}")
    return found[0]


def _places(since: tuple[str, ...]) -> dict[str, int]:
    places: dict[str, int] = {}
    for text in since:
        found = _POINT.fullmatch(text)
        if found is None or found[1] in places:
            raise errors.USAGE.error(f"`{text}` is not the id of a point in a lineage of its own", where="--from")
        places[found[1]] = int(found[2])
    return places


def _as_data(plan: Revocation, dry_run: bool) -> dict[str, Plain]:
    return {
        "writer": plan.writer.label,
        "key": plan.writer.key,
        "revoked": dict(plan.writer.revoked or {}),
        "disbelieved": [each.id for each in plan.disbelieved],
        "changed": not dry_run,
    }


def _as_text(plan: Revocation, dry_run: bool) -> str:
    word = "Would revoke" if dry_run else "Revoked"
    text = f"{word} {plan.writer.label}; {len(plan.disbelieved)} points are not believed any more"
    if not plan.disbelieved:
        return text
    rows = [(each.id, time_plain(each.time), each.cluster) for each in plan.disbelieved]
    return f"{text}\n\n{columns(('POINT', 'TIME', 'CLUSTER'), rows)}"
