"""`backstay tag`: give a point a word to be found by."""

from __future__ import annotations

import os

import click

from backstay.cli.groups import own_command
from backstay.cli.options import Format, dry_run_option, output_options, reporting_options
from backstay.cli.render.show import show
from backstay.cli.reporting import Reporting
from backstay.cli.repository.opened import (
    Access,
    cluster_option,
    opened_repository,
    repository_options,
    state_of,
)
from backstay.cli.repository.rendering import time_plain
from backstay.clock import SystemClock
from backstay.repository.catalogue import read_catalogue
from backstay.repository.choosing import choose_point
from backstay.repository.tags import put_tag, require_tag


@own_command(
    examples="""
    backstay tag /mnt/backups latest before-upgrade
    backstay tag /mnt/backups 2026-11-25T00:10 last-good
    backstay restore /mnt/backups --at last-good --to restored.db --identity operator.key
    """
)
@repository_options
@output_options
@reporting_options
@dry_run_option
@cluster_option
@click.argument("repository", metavar="REPO")
@click.argument("point")
@click.argument("tag")
def command(
    *,
    repository: str,
    point: str,
    tag: str,
    cluster: str,
    dry_run: bool,
    access: Access,
    output: Format,
    reporting: Reporting,
) -> None:
    """Give POINT of REPO the word TAG, by which `--at` finds it. POINT is what `--at` takes.

    Everybody who sees the storage can read the word. A tag that several points have means the newest of them; it is never
    taken away. It does not keep the point from expiring: `backstay hold add` does.
    """
    require_tag(tag)
    with opened_repository(repository, access, reporting) as opened:
        points = [each for each in read_catalogue(opened).require_sound().points if cluster in ("", each.cluster)]
        chosen = choose_point(opened, points, point)
        if not dry_run:
            key = state_of(access, opened).signing_key()
            put_tag(opened, [chosen], tag, key, now=SystemClock().now(), entropy=os.urandom)
    word = "Would tag" if dry_run else "Tagged"
    show(
        {"tag": tag, "point": chosen.id, "time": time_plain(chosen.time), "changed": not dry_run},
        output,
        lambda: f"{word} {chosen.id} of {time_plain(chosen.time)} as {tag}",
    )
