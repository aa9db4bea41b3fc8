"""`backstay snapshot status`: etcd's own command, with its numbers, formats and exit statuses, on any file.

Unlike etcd's it compares the SHA-256, reports lost revisions, needs no lock, and says what is wrong where etcd panics.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from backstay import errors
from backstay.cli.groups import etcd_command
from backstay.cli.options import EtcdFormat, etcd_output_option, reporting_options
from backstay.cli.render import etcd_tables
from backstay.cli.render.json_output import etcd_json
from backstay.cli.reporting import Reporting
from backstay.snapshot.inspect import inspect
from backstay.snapshot.opened import open_file
from backstay.snapshot.status import DIALECTS, NEWEST, Dialect, Status, damage_of, doubts_about, status_of

_SHOWN = 10
HEADER = ("HASH", "REVISION", "TOTAL KEYS", "TOTAL SIZE", "VERSION")


@etcd_command(
    failure=1,
    examples="""
    backstay snapshot status backup.db
    backstay snapshot status backup.db -w table
    # the numbers of etcdutl 3.5, which counts keys in another way
    backstay snapshot status backup.db -w json --as 3.5
    """,
)
@etcd_output_option()
@reporting_options
@click.option(
    "--as",
    "release",
    type=click.Choice(list(DIALECTS)),
    default=NEWEST.release,
    help=f"Print what the tool of this release prints; {NEWEST.release} unless given.",
)
@click.argument("file", type=click.Path(path_type=Path, readable=False), metavar="FILE")
def command(*, file: Path, release: str, output: EtcdFormat, reporting: Reporting) -> None:
    """Print hash, revision, number of keys, size and version of the snapshot FILE.

    The file is checked on the way: pages, records, missing revisions, and the SHA-256 where there is one. A damaged
    file is an error and prints no numbers; `backstay snapshot verify` lists everything that is wrong with it.
    """
    # etcd's tool says nothing on stderr with `-w json`, and scripts read both streams.
    progress = replace(reporting, json_phases=False).watch()
    try:
        with open_file(file) as store:
            inspection = inspect(store, progress=progress)
    finally:
        progress.finish()
    damage = damage_of(inspection)
    if damage:
        lines = [str(each) for each in damage[:_SHOWN]]
        if len(damage) > _SHOWN:
            lines.append(f"... and {len(damage) - _SHOWN} more")
        raise errors.SNAPSHOT_INVALID.error(
            f"snapshot file integrity check failed. {len(damage)} errors found.",
            where=str(file),
            why="\n".join(lines),
            next_step=f"run `backstay snapshot verify {file}` for all findings, and use another copy of this file",
        )
    dialect = DIALECTS[release]
    click.echo(rendered(status_of(inspection, dialect), dialect, output))
    for doubt in doubts_about(inspection):
        reporting.warn(f"{doubt.code}: {doubt.subject}: {doubt.evidence}", code=doubt.code)


def rendered(status: Status, dialect: Dialect, output: EtcdFormat) -> str:
    """`status` in one of etcd's formats."""
    if output is EtcdFormat.JSON:
        return etcd_json(status.as_json())
    if output is EtcdFormat.YAML:
        from backstay.cli.render.yaml_output import yaml_text

        return yaml_text(status.as_json())
    if output is EtcdFormat.FIELDS:
        return etcd_tables.fields(status.as_fields())
    row = status.as_row()
    if output is EtcdFormat.TABLE:
        return etcd_tables.table(HEADER[: len(row)], [row], etcd_tables.style_of(dialect.release))
    return etcd_tables.simple(row)
