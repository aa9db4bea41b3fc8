"""`backstay keys`: which keys a snapshot, a data directory, a living etcd or a backup holds, at any revision."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import click

from backstay.cli.groups import own_command
from backstay.cli.options import Format, output_options, reporting_options
from backstay.cli.render.plain import Plain
from backstay.cli.render.show import show
from backstay.cli.render.tables import Align, columns
from backstay.cli.reporting import Reporting
from backstay.cli.sources import Sources, source_options
from backstay.sources import Entry, Selection, key_text
from backstay.values import Revision

_ROWS_AT_ONCE = 500


@own_command(
    examples="""
    backstay keys backup.db
    backstay keys backup.db /registry/secrets/
    backstay keys backup.db '/registry/*/production/*' --sizes
    backstay keys /var/lib/etcd /registry/ --count
    backstay keys s3://bucket/etcd /registry/pods/ --at before-upgrade --identity operator.key
    backstay keys live /registry/pods/ --revision 120000 -o json
    """
)
@source_options
@output_options
@reporting_options
@click.option(
    "--revision", "--rev", type=click.IntRange(min=0), default=0, help="As of this revision; 0 is the newest."
)
@click.option("--count", is_flag=True, help="Only say how many there are.")
@click.option("--sizes", is_flag=True, help="Show the bytes of the values too (from `live` this reads the values).")
@click.option("--limit", type=click.IntRange(min=1), help="Stop after so many keys.")
@click.argument("source")
@click.argument("selection", required=False, default="", metavar="[PREFIX|GLOB]")
def command(
    *,
    source: str,
    selection: str,
    revision: int,
    count: bool,
    sizes: bool,
    limit: int | None,
    sources: Sources,
    output: Format,
    reporting: Reporting,
) -> None:
    """List the keys of SOURCE: a snapshot file, a data directory, `live`, or a point of a repository.

    A GLOB has an asterisk and must fit the whole key: `*` stands for something within one segment of the path, `**` for
    anything. Without an asterisk every key is meant that begins with PREFIX. Bytes that are no text are written `\\xNN`.
    """
    chosen, at = Selection.parse(selection), Revision(revision)
    with sources.open(source, reporting) as opened:
        if count:
            counts = opened.count(chosen, at, sizes=sizes)
            answer: dict[str, Plain] = {"revision": at or opened.revision, "keys": counts.keys}
            if sizes:
                answer["value_bytes"] = counts.value_bytes
            show(answer, output, lambda: "  ".join(str(value) for name, value in answer.items() if name != "revision"))
            return
        entries = itertools.islice(opened.keys(chosen, at, sizes=sizes), limit)
        if output is Format.TABLE:
            _print_table(entries, sizes)
        else:
            show([_plain(entry) for entry in entries], output, str)


def _print_table(entries: Iterable[Entry], sizes: bool) -> None:
    """Draw the rows as they come; a reader that goes away, such as `head`, ends it."""
    header = ("MOD", "VERSION", *(("BYTES",) if sizes else ()), "KEY")
    aligns = (*(Align.RIGHT,) * (len(header) - 1), Align.LEFT)
    iterator = iter(entries)
    is_first = True
    while chunk := list(itertools.islice(iterator, _ROWS_AT_ONCE)):
        drawn = columns(header, [_row(entry, sizes) for entry in chunk], aligns=aligns)
        click.echo(drawn if is_first else drawn.partition("\n")[2])
        is_first = False


def _row(entry: Entry, sizes: bool) -> tuple[object, ...]:
    size = (entry.size,) if sizes else ()
    return (entry.mod_revision, entry.version, *size, key_text(entry.key))


def _plain(entry: Entry) -> dict[str, Plain]:
    fields: dict[str, Plain] = {
        "key": key_text(entry.key),
        "create_revision": entry.create_revision,
        "mod_revision": entry.mod_revision,
        "version": entry.version,
        "lease": f"{entry.lease & 0xFFFFFFFFFFFFFFFF:x}" if entry.lease else None,
    }
    return fields if entry.size is None else {**fields, "size": entry.size}
