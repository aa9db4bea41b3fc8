"""`backstay show`: one point of a repository, with everything that is known of it."""

from __future__ import annotations

import click

from backstay.cli.groups import own_command
from backstay.cli.options import Format, output_options, reporting_options
from backstay.cli.render.show import show
from backstay.cli.render.tables import columns, pairs
from backstay.cli.reporting import Reporting
from backstay.cli.repository.list import readable_facts
from backstay.cli.repository.opened import (
    Access,
    at_option,
    cluster_option,
    opened_repository,
    repository_options,
)
from backstay.cli.repository.rendering import point_plain, point_rows, verified_text
from backstay.cli.repository.restore_companions import companion_plain, companions_table
from backstay.repository.catalogue import read_catalogue
from backstay.repository.choosing import choose_point
from backstay.repository.companions import companions_of
from backstay.repository.facts import newest_by_point, read_facts
from backstay.repository.reading import PointReader
from backstay.repository.tags import read_tags, tags_by_point
from backstay.values import size_text


@own_command(
    examples="""
    backstay show /mnt/backups
    backstay show /mnt/backups --at 2026-11-25T00:10 --identity operator.key -o json
    """
)
@repository_options
@output_options
@reporting_options
@at_option
@cluster_option
@click.argument("repository", metavar="REPO")
def command(*, repository: str, at: str, cluster: str, access: Access, output: Format, reporting: Reporting) -> None:
    """Show one point of REPO: what it holds, what it came from, its companions by name, and the objects it needs."""
    with opened_repository(repository, access, reporting) as opened:
        points = [each for each in read_catalogue(opened).require_sound().points if cluster in ("", each.cluster)]
        point = choose_point(opened, points, at)
        facts = readable_facts(opened, point)
        verified = newest_by_point(read_facts(opened)).get(point.id)
        tags = tags_by_point(read_tags(opened)).get(point.id, ())
        companions = None if facts is None else companions_of(PointReader(opened, point))
    rows = [*point_rows(point, facts, tags), ("Verified", verified_text(verified))]
    runs = columns(("CLASS", "SIZE", "OBJECT"), [(run.kind.label, size_text(run.size), run.name) for run in point.runs])
    data = point_plain(point, facts, verified, tags)
    text = f"{pairs(rows)}\n\n{runs}"
    if companions is not None:
        readers = list(companions.recipients)
        data["companions"] = {"recipients": [*readers], "files": [companion_plain(each) for each in companions.files]}
        who = f" (contents for {', '.join(readers)})" if readers else ""
        text += f"\n\nCompanions{who}:\n\n{companions_table(companions.files)}"
    show(data, output, lambda: text)
