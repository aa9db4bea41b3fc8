"""`backstay hashkv`: etcdutl's command, read-only, by the rule of any release.

etcdutl opens the file as a server would, and so changes it; 3.6 panics on it as soon as a key has a lease.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from backstay.cli.groups import etcd_command
from backstay.cli.options import EtcdFormat, etcd_output_option, reporting_options
from backstay.cli.render import etcd_tables
from backstay.cli.render.json_output import etcd_json
from backstay.cli.reporting import Reporting
from backstay.formats.hashkv import HashKV, rule_of
from backstay.snapshot import opened
from backstay.snapshot.hash import hash_kv_of
from backstay.values import Revision

DEFAULT_RELEASE = "3.7"
HEADER = ("HASH", "HASH REVISION", "COMPACT REVISION")
_RELEASE = re.compile(r"3\.\d+(?:\.\d+)?")


def _release(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if not _RELEASE.fullmatch(value):
        raise click.BadParameter(f"{value!r} is no release such as 3.5 or 3.4.23", ctx, param)
    return value


@etcd_command(
    failure=1,
    bad_arguments=1,
    examples="""
    backstay hashkv backup.db
    backstay hashkv backup.db --rev 4711 -w json
    # what a server of 3.5.1 answers, whose rule is another
    backstay hashkv backup.db --as 3.5.1
    backstay hashkv /var/lib/etcd
    """,
)
@etcd_output_option()
@reporting_options
@click.option("--rev", "revision", type=int, default=0, help="The revision to hash; the newest unless given.")
@click.option(
    "--as",
    "release",
    default=DEFAULT_RELEASE,
    callback=_release,
    metavar="RELEASE",
    help=f"Hash by the rule of this release; {DEFAULT_RELEASE} unless given.",
)
@click.argument("file", type=click.Path(path_type=Path, readable=False), metavar="FILE")
def command(*, file: Path, revision: int, release: str, output: EtcdFormat, reporting: Reporting) -> None:
    """Print HashKV of the snapshot, database or data directory FILE at a revision.

    HashKV is the hash by which members of a cluster compare their keys. Two answers compare only at the same revision
    and the same compact revision. FILE is only read.
    """
    with opened.open_directory(file) if file.is_dir() else opened.open_file(file) as store:
        answer = hash_kv_of(store, Revision(revision), rule_of(release))
    click.echo(rendered(answer, output))


def rendered(answer: HashKV, output: EtcdFormat) -> str:
    """`answer` in one of etcdutl's formats."""
    values: list[Any] = [answer.hash, answer.revision, answer.compact_revision]
    named = dict(zip(("hash", "hashRevision", "compactRevision"), values, strict=True))
    if output is EtcdFormat.JSON:
        return etcd_json(named)
    if output is EtcdFormat.YAML:
        from backstay.cli.render.yaml_output import yaml_text

        return yaml_text(named)
    if output is EtcdFormat.FIELDS:
        return etcd_tables.fields(list(zip(("Hash", "Hash revision", "Compact revision"), values, strict=True)))
    if output is EtcdFormat.TABLE:
        return etcd_tables.table(HEADER, [values], etcd_tables.TableStyle.BOX)
    return etcd_tables.simple(values)
