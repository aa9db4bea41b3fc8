"""`backstay kube lost`: what did I lose? Objects that are gone, changed or new since, and volumes whose data may be gone.

Like `diff`, without noise, without what controllers and the server make again, and without what was restored as it was.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from backstay.cli.groups import own_command
from backstay.cli.kube.colours import wants_colours
from backstay.cli.kube.options import KubeSettings, kube_options
from backstay.cli.options import Format, output_options, reporting_options
from backstay.cli.reporting import Reporting
from backstay.errors import ExitStatus

if TYPE_CHECKING:
    from backstay.kube.compare import Change
    from backstay.sources.objects.lost import Lost


@own_command(
    examples="""
    backstay kube lost --from backup.db --to live
    backstay kube lost --from /mnt/backups@latest --to live -n production
    backstay kube lost --from monday.db --to tuesday.db -o json
    """
)
@kube_options
@output_options
@reporting_options
@click.option("--from", "first", required=True, metavar="SOURCE", help="How it was: a snapshot, a repository, ...")
@click.option("--to", "last", default="live", show_default=True, metavar="SOURCE", help="How it is.")
@click.option("--namespace", "-n", help="Only objects of this namespace.")
@click.option("--show-secrets", is_flag=True, help="Print the values of Secrets too.")
@click.argument("types", metavar="[TYPE]...", nargs=-1)
def command(
    *,
    first: str,
    last: str,
    namespace: str | None,
    show_secrets: bool,
    types: tuple[str, ...],
    kube: KubeSettings,
    output: Format,
    reporting: Reporting,
) -> int | None:
    """Show what is not as it was: deleted, changed, created since, and the volumes of claims that are gone.

    Ends with status 3 when something is deleted, changed, or not the same after it was created again; what is only new
    is no loss. `backstay kube export --missing-in` brings back what is deleted.
    """
    from backstay.cli.render import object_changes as render
    from backstay.cli.render.show import show
    from backstay.kube.compare import Change, shown
    from backstay.sources.objects.lost import lost

    counts: Counter[Change] = Counter()
    colours = wants_colours()
    plain = []
    with kube.both(first, last, reporting) as (before, after):
        answer = lost(before, after, resources=[before.find(each) for each in types], namespace=namespace)
        for change in answer.changes:
            counts[change.change] += 1
            safe = change if show_secrets else shown(change)
            if output is Format.TABLE:
                for line in render.change_lines(safe, colours):
                    click.echo(line, color=colours)
            else:
                plain.append(render.change_plain(safe))
    if output is Format.TABLE:
        click.echo(_ending(answer, counts))
    else:
        show(
            {
                "changes": plain,
                "counts": {each.value: counts[each] for each in Change},
                "restored": answer.restored,
                "by_itself": answer.by_itself,
                "volumes": [{**each._asdict(), "fate": each.fate.name.lower()} for each in answer.volumes],
            },
            output,
            lambda: "",
        )
    is_lost = any(counts[each] for each in Change if each is not Change.CREATED)
    return ExitStatus.WARNINGS if is_lost else None


def _ending(answer: Lost, counts: Counter[Change]) -> str:
    from backstay.cli.render import object_changes as render
    from backstay.cli.render.tables import columns

    lines = []
    if answer.volumes:
        rows = [(each.name, each.claim, each.policy, each.where, str(each.fate)) for each in answer.volumes]
        lines += ["", columns(("VOLUME", "CLAIM", "POLICY", "WHERE", "DATA"), rows), ""]
    lines.append(render.summary(counts))
    if answer.restored:
        lines.append(f"{answer.restored} created again as they were")
    if answer.by_itself:
        lines.append(
            f"{answer.by_itself} that controllers, nodes or the server make are not listed (`kube diff` has them)"
        )
    return "\n".join(lines)
