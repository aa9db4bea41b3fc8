"""`backstay kube diff`: what is different between two states of a cluster, object by object and field by field.

Either two sources, or two revisions of one (`--from`, `--to`). Equal values are not decoded, so two large snapshots that differ
in little take little time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING

import click

from backstay import errors
from backstay.cli.groups import own_command
from backstay.cli.kube.colours import wants_colours
from backstay.cli.kube.options import KubeSettings, kube_options
from backstay.cli.options import reporting_options
from backstay.cli.reporting import Reporting
from backstay.values import Revision

if TYPE_CHECKING:
    from backstay.kube.compare import Change, ObjectChange
    from backstay.kube.resources import Resource
    from backstay.sources.objects import Objects


class DiffFormat(Enum):
    """The formats of this command."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    PATCH = "patch"


@own_command(
    examples="""
    backstay kube diff monday.db tuesday.db
    backstay kube diff monday.db live -n production --ignore-noise
    backstay kube diff /mnt/backups@before-upgrade /mnt/backups@latest deployments services -o patch
    backstay kube diff backup.db --from 81234 --to 90120 --ignore-noise -o json
    """
)
@kube_options
@reporting_options
@click.option("--namespace", "-n", help="Only objects of this namespace.")
@click.option(
    "--at-a", default=None, metavar="POINT", help="Of A, when it is a repository: which point; else a revision."
)
@click.option("--at-b", default=None, metavar="POINT", help="The same of B.")
@click.option("--from", "first", type=click.IntRange(min=1), help="Compare A with itself: from this revision ...")
@click.option("--to", "last", type=click.IntRange(min=1), help="... to this one; the newest unless given.")
@click.option("--ignore-noise", is_flag=True, help="Leave out status, managedFields, events, heartbeats and the like.")
@click.option("--show-secrets", is_flag=True, help="Print the values of Secrets too.")
@click.option("--exit-code", is_flag=True, help="End with status 1 when something differs.")
@click.option(
    "--output", "-o", "output", type=click.Choice([each.value for each in DiffFormat]), default=DiffFormat.TABLE.value,
    show_default=True, help="`patch` is a unified diff of YAML.",
)  # fmt: skip
@click.argument("words", metavar="A [B] [TYPE]...", nargs=-1, required=True)
def command(
    *,
    words: tuple[str, ...],
    namespace: str | None,
    at_a: str | None,
    at_b: str | None,
    first: int | None,
    last: int | None,
    ignore_noise: bool,
    show_secrets: bool,
    exit_code: bool,
    output: str,
    kube: KubeSettings,
    reporting: Reporting,
) -> int | None:
    """Show which objects were created, deleted, changed, or deleted and created again, and their fields that differ.

    A and B are anything that holds a cluster: a snapshot file, a data directory, a repository, `live`. With --from or
    --to, one source is compared with itself at another revision. Values of Secrets are hidden unless --show-secrets is
    given; that they differ is shown.
    """
    from backstay.kube.compare import shown
    from backstay.kube.compare.noise import STANDARD
    from backstay.sources.objects.changes import changes

    is_one = first is not None or last is not None
    if not is_one and len(words) < 2:
        raise errors.USAGE.error(
            "there is nothing to compare with", next_step="name a second source, or give --from REVISION"
        )
    types = words[1 if is_one else 2 :]
    with _both(words, kube, reporting, at_a, at_b, first, last) as (before, after):
        found = changes(
            before, after, resources=[_find(each, before, after) for each in types], namespace=namespace,
            noise=STANDARD if ignore_noise else None,
        )  # fmt: skip
        counts = _print(found if show_secrets else map(shown, found), DiffFormat(output), reporting)
    return 1 if exit_code and counts.total() else None


def _find(text: str, before: Objects, after: Objects) -> Resource:
    """The resource, which may be defined on one side only."""
    try:
        return after.find(text)
    except errors.BackstayError:
        return before.find(text)


@contextmanager
def _both(
    words: tuple[str, ...], kube: KubeSettings, reporting: Reporting, at_a: str | None, at_b: str | None,
    first: int | None, last: int | None,
) -> Iterator[tuple[Objects, Objects]]:  # fmt: skip
    if first is None and last is None:
        with kube.both(words[0], words[1], reporting, at_first=at_a, at_second=at_b) as states:
            yield states
        return
    with kube.open(words[0], reporting, at=at_a) as objects:
        newest = objects.revision
        yield objects.at(Revision(first or newest)), objects.at(Revision(last)) if last else objects


def _print(found: Iterator[ObjectChange], output: DiffFormat, reporting: Reporting) -> Counter[Change]:
    from backstay.cli.options import Format
    from backstay.cli.render import object_changes as render
    from backstay.cli.render.show import show

    counts: Counter[Change] = Counter()
    colours = wants_colours()
    if output in (DiffFormat.JSON, DiffFormat.YAML):
        plain = []
        for change in found:
            counts[change.change] += 1
            plain.append(render.change_plain(change))
        show(plain, Format(output.value), lambda: "")
        return counts
    lines = render.change_patch if output is DiffFormat.PATCH else render.change_lines
    for change in found:
        counts[change.change] += 1
        for line in lines(change, colours):
            click.echo(line, color=colours)
    if output is DiffFormat.TABLE:
        click.echo(render.summary(counts))
    return counts
