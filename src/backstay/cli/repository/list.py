"""`backstay list`: the points of a repository."""

from __future__ import annotations

import click

from backstay import errors
from backstay.cli.groups import own_command
from backstay.cli.options import Format, output_options, reporting_options, switch_option
from backstay.cli.render.show import show
from backstay.cli.render.tables import columns
from backstay.cli.reporting import Reporting
from backstay.cli.repository.opened import Access, cluster_option, opened_repository, repository_options
from backstay.cli.repository.rendering import SEALED, Verified, all_tags, point_plain, time_plain, verified_text
from backstay.errors import ExitStatus
from backstay.repository.catalogue import facts_of, read_catalogue
from backstay.repository.facts import newest_by_point, read_facts
from backstay.repository.manifest import Manifest, PointFacts
from backstay.repository.repository import Repository
from backstay.repository.tags import read_tags, tags_by_point
from backstay.values import size_text


@own_command(
    examples="""
    backstay list /mnt/backups
    backstay list s3://bucket/etcd --identity operator.key --cluster prod-1
    backstay list /mnt/backups -o json | jq '.[-1].id'
    """
)
@repository_options
@output_options
@reporting_options
@cluster_option
@switch_option("--expired", help="Those that retention has marked and no sweep has taken: they can be brought back.")
@click.argument("repository", metavar="REPO")
def command(
    *, repository: str, cluster: str, expired: bool, access: Access, output: Format, reporting: Reporting
) -> int:
    """List the points of REPO, oldest first. Without an identity times and sizes are shown, but neither revisions nor keys.

    Exits with 6 where the chain of signed manifests is broken; the points that can be believed are listed first.
    """
    with opened_repository(repository, access, reporting) as opened:
        catalogue = read_catalogue(opened)
        chosen = catalogue.expired if expired else catalogue.points
        points = [each for each in chosen if cluster in ("", each.cluster)]
        verified = newest_by_point(read_facts(opened))
        tags = tags_by_point(read_tags(opened))
        known = [(each, readable_facts(opened, each), verified.get(each.id), tags.get(each.id, ())) for each in points]
    show(
        [point_plain(*each) for each in known],
        output,
        lambda: _table(known, "Nothing is marked." if expired else "No backups yet."),
    )
    for problem in catalogue.damage:
        raise problem
    return ExitStatus.OK


def readable_facts(repository: Repository, manifest: Manifest) -> PointFacts | None:
    """What a point holds, None where no identity opens it."""
    try:
        return facts_of(repository, manifest)
    except errors.BackstayError as problem:
        if problem.kind is not errors.KEY_UNAVAILABLE:
            raise
        return None


def _table(known: list[tuple[Manifest, PointFacts | None, Verified, tuple[str, ...]]], nothing: str) -> str:
    if not known:
        return nothing
    return columns(
        ("ID", "TIME", "CLUSTER", "REVISION", "KEYS", "NEEDS", "VERIFIED", "TAGS"),
        [
            (
                each.id,
                time_plain(each.time),
                each.cluster,
                facts.revision if facts is not None else SEALED,
                facts.keys if facts is not None else SEALED,
                size_text(each.stored_bytes),
                verified_text(verified),
                ",".join(all_tags(facts, tags)),
            )
            for each, facts, verified, tags in known
        ],
    )
