"""Commands that exist only for the tests of the frame: an own one, one with etcd's exit statuses, and their table."""

from __future__ import annotations

import click

from backstay import errors
from backstay.cli.commands import Entry, Section
from backstay.cli.groups import etcd_command, own_command
from backstay.cli.main import build_root
from backstay.cli.options import (
    EtcdFormat,
    Format,
    connection_options,
    dry_run_option,
    etcd_output_option,
    output_options,
    reporting_options,
    switch_option,
    yes_option,
)
from backstay.cli.reporting import Reporting
from backstay.cli.settings import ConnectionSettings

SUMMARIES = {"snapshot": "Save, check and restore snapshots"}
TABLE = (
    Entry("look", Section.LOOK_INSIDE, "Look at what was given", "tests.cli.samples"),
    Entry("snapshot status", Section.SNAPSHOTS, "Do as etcd does", "tests.cli.sample_etcd"),
)


def root() -> click.Group:
    """A command tree over the samples."""
    return build_root(TABLE, SUMMARIES)


def fail(how: str) -> None:
    """Go wrong in the way that `how` names."""
    match how:
        case "declared":
            raise errors.TRAILER_MISMATCH.error("wrong hash", where="a.db", why="expected 1\ngot 2")
        case "credentials":
            raise errors.CREDENTIALS_UNREADABLE.error("cannot read ca.crt")
        case "contradiction":
            raise click.UsageError("--a and --b contradict each other")
        case "interrupt":
            raise KeyboardInterrupt
        case "full":
            raise OSError(28, "No space left on device", "target.db")
        case "absent":
            raise FileNotFoundError(2, "No such file or directory", "absent.db")
        case "defect":
            raise RuntimeError("boom")
        case "pipe":
            raise BrokenPipeError(32, "Broken pipe")


@own_command(examples="backstay look here --yes")
@connection_options
@output_options
@reporting_options
@dry_run_option
@yes_option
@switch_option("--hex", help="Show bytes as hex.")
@click.option("--fail", "how", default="")
@click.argument("source")
def command(
    *,
    source: str,
    how: str,
    hex: bool,
    yes: bool,
    dry_run: bool,
    connection: ConnectionSettings,
    output: Format,
    reporting: Reporting,
) -> int | None:
    """Look at SOURCE."""
    fail(how)
    reporting.note("looking", source=source)
    click.echo(f"{source} {output.value} hex={hex} yes={yes} dry_run={dry_run} quiet={reporting.quiet}")
    click.echo(f"{connection.endpoints} {connection.user} {connection.command_timeout_seconds}")
    return 3 if how == "warnings" else None


@etcd_command(examples="backstay snapshot status FILE", failure=5, interrupted=5)
@connection_options
@etcd_output_option()
@switch_option("--skip-hash-check", help="Do not check.")
@click.option("--fail", "how", default="")
@click.argument("file")
def etcd_sample(
    *, file: str, how: str, skip_hash_check: bool, connection: ConnectionSettings, output: EtcdFormat
) -> None:
    """Do as etcd does with FILE."""
    fail(how)
    click.echo(f"{file} {output.value} {skip_hash_check} {connection.endpoints}")
