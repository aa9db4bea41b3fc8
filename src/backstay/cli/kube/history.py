"""`backstay kube history`: every stored revision of one object, with what changed and who changed it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from backstay import errors
from backstay.cli.groups import own_command
from backstay.cli.kube.asking import ask
from backstay.cli.kube.colours import wants_colours
from backstay.cli.kube.options import KubeSettings, kube_options
from backstay.cli.options import Format, output_options, reporting_options
from backstay.cli.render.show import show
from backstay.cli.reporting import Reporting

if TYPE_CHECKING:
    from backstay.kube.biography import Chapter
    from backstay.sources.objects import Objects

_SAID_FIELDS = 12
_COLOURS = {"created": "green", "changed": "yellow", "deleted": "red"}


@own_command(
    examples="""
    backstay kube history backup.db deployment web -n production
    backstay kube history /var/lib/etcd configmap/app-config
    backstay kube history live /registry/services/default/web -o json
    """
)
@kube_options
@output_options
@reporting_options
@click.option("--namespace", "-n", help="The namespace; `default` unless given.")
@click.option("--all-fields", is_flag=True, help="Every field that changed, however many there are.")
@click.option("--show-secrets", is_flag=True, help="Show the values of Secrets too.")
@click.option("--limit", type=click.IntRange(min=1), help="Only so many of the newest revisions.")
@click.argument("source")
@click.argument("words", nargs=-1, metavar="TYPE NAME | TYPE/NAME | KEY")
def command(
    *,
    source: str,
    words: tuple[str, ...],
    namespace: str | None,
    all_fields: bool,
    show_secrets: bool,
    limit: int | None,
    kube: KubeSettings,
    output: Format,
    reporting: Reporting,
) -> None:
    """Show every revision of one object that SOURCE still stores, oldest first.

    Who changed something is told from metadata.managedFields; a deletion leaves nothing but its revision. What compaction
    has removed is gone: the first line then says `found` instead of `created`. A deleted object can be named as well.
    """
    from backstay.kube.biography import chapters

    with kube.open(source, reporting) as objects:
        key = _key(words, objects, namespace)
        past = ((each.revision, each.object) for each in objects.history(key))
        found = list(chapters(past, show_secrets=show_secrets))
        if not found:
            what, where = f"{' '.join(words)} has no stored revision", f"revision {objects.revision}"
            raise errors.OBJECT_NOT_FOUND.error(what, where=where)
    found = found[-limit:] if limit else found
    show([_plain(each) for each in found], output, lambda: _text(found, most=None if all_fields else _SAID_FIELDS))


def _key(words: tuple[str, ...], objects: Objects, namespace: str | None) -> bytes:
    """The key of what is meant, which may be deleted."""
    question = ask(words, objects, namespace=namespace, everywhere=False)
    if not question.is_single:
        raise errors.USAGE.error("name one object", next_step="write TYPE NAME, TYPE/NAME or a key")
    wish = question.wishes[0]
    if wish.resource is not None:
        where = question.namespace or ""
        keys = [objects.layout.key(wish.resource, wish.name, where, prefix=each) for each in objects.layout.prefixes]
    else:
        keys = list(objects.layout.candidates(wish.key))
    return next((key for key in keys if next(objects.history(key), None) is not None), keys[0])


def _text(found: list[Chapter], *, most: int | None) -> str:
    from backstay.cli.render.object_changes import painted, value_text
    from backstay.cli.render.tables import printable

    colours = wants_colours()
    lines = []
    for chapter in found:
        who = ", ".join(str(each) for each in chapter.authors)
        facts = [f"revision {chapter.revision}", chapter.event.value, chapter.time, f"by {who}" if who else ""]
        said = printable("  ".join(each for each in facts if each))
        lines.append(painted(said, _COLOURS.get(chapter.event.value, ""), colours))
        for field in chapter.fields[:most]:
            before, after = value_text(field.before), value_text(field.after)
            changed = f"{painted(before, 'red', colours)} -> {painted(after, 'green', colours)}"
            lines.append(f"    {printable(field.path)}: {changed}")
        if most is not None and len(chapter.fields) > most:
            lines.append(f"    ... and {len(chapter.fields) - most} fields more: --all-fields")
    return "\n".join(lines)


def _plain(chapter: Chapter) -> dict[str, Any]:
    from backstay.kube.compare import MISSING

    return {
        "revision": chapter.revision,
        "event": chapter.event.value,
        "time": chapter.time or None,
        "authors": [each._asdict() for each in chapter.authors],
        "fields": [
            {
                "path": each.path,
                **({} if each.before is MISSING else {"before": each.before}),
                **({} if each.after is MISSING else {"after": each.after}),
            }
            for each in chapter.fields
        ],
    }
