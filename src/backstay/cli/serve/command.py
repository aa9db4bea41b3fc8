"""`backstay serve`: settings from flags, variables or a file, then the store and its transports, until a signal.

Settings are read and checked before anything is opened; a port that is taken, a certificate that is no good or a directory
that is in use end the command with nothing changed. What it says while it serves is a log in etcd's form, on stderr.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from pathlib import Path
from typing import Any

import click

import backstay
from backstay import errors
from backstay.cli import invocation
from backstay.cli.groups import own_command
from backstay.cli.options import Format, dry_run_option, output_options
from backstay.cli.repository.opened import Access, repository_options
from backstay.cli.serve.backup import ServedBackup
from backstay.cli.serve.flags import ServeCommand, given_flags
from backstay.server.settings import Notice, Resolved, ServerSettings, gather, resolve
from backstay.telemetry.log import FIELDS, fields

_LARGEST_FILE = 4 << 20

_log = logging.getLogger(__name__)


@own_command(
    cls=ServeCommand,
    examples="""
    backstay serve --data-dir /var/lib/backstay
    # TLS, with a certificate made on the spot; `backstay pki init` makes some that can be trusted
    backstay serve --data-dir data --listen-client-urls https://0.0.0.0:2379 --auto-tls
    # a backup as a read-only etcd, at once
    backstay serve --from backup.db --at-revision 4711
    backstay serve --from s3://bucket/etcd --at 2026-11-25T00:10 --identity operator.key
    backstay serve --config-file /etc/etcd/etcd.yaml
    """,
)
@click.option(
    "--from", "source", metavar="FILE|DIRECTORY|REPO", help="Serve this backup, or a point of a repository, read-only."
)
@click.option("--at-revision", type=click.IntRange(min=1), metavar="N", help="With --from: the revision to serve.")
@click.option(
    "--at",
    default="",
    metavar="POINT",
    help="With --from REPO: latest, a tag, an id, a revision, a time, before-delete:KEY.",
)
@click.option("--cluster", default="", metavar="NAME", help="With --from REPO: only points of this cluster.")
@click.option(
    "--scratch",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="With --from REPO: where the rebuilt store lies, in a file without a name.",
)
@repository_options
@click.option("--print-systemd-unit", is_flag=True, help="Print a systemd unit for these flags, and end.")
@click.option("--version", is_flag=True, help="Print the version of etcd that is served, and end.")
@output_options
@dry_run_option
def command(
    *,
    source: str | None,
    at_revision: int | None,
    at: str,
    cluster: str,
    scratch: Path | None,
    access: Access,
    print_systemd_unit: bool,
    version: bool,
    dry_run: bool,
    output: Format,
    **etcd_flags: Any,
) -> None:
    """Run the embedded store: an etcd v3 server in one process.

    Takes etcd's flags and ETCD_* variables, or its --config-file, unchanged. The data directory is etcd's own: real etcd
    3.4 to 3.7 starts on it, and this starts on that of a single etcd. Clients see etcd 3.7.3.

    With --from nothing is written. A point of a repository is rebuilt and proven first; what is rebuilt has no name in any
    directory and is gone with the process.

    SIGTERM and SIGINT drain; SIGHUP reads the certificates again. -o is the format of --dry-run.
    """
    flags = given_flags(etcd_flags)
    if version:
        from backstay.server.release import VERSION

        click.echo(f"etcd Version: {VERSION}\nbackstay Version: {backstay.__version__}")
        return
    for flag, given_too in (
        ("--at-revision", at_revision is not None),
        ("--at", bool(at)),
        ("--cluster", bool(cluster)),
    ):
        if given_too and source is None:
            raise errors.USAGE.error(f"{flag} goes with --from", where=flag)
    backup = None if source is None else ServedBackup(source, at, at_revision, access, scratch, cluster)
    environment = invocation.current().environment
    given, notices = gather(flags, environment, _read_file)
    resolved = resolve(given)
    resolved = Resolved(resolved.settings, (*notices, *resolved.notices))
    if print_systemd_unit:
        from backstay.cli.serve.unit import program_of, systemd_unit

        said = [f"--{name}={text}" for name, text in flags.items()]
        program = program_of(sys.argv, sys.executable)
        click.echo(systemd_unit(program, ["serve", *(backup.arguments if backup else ()), *said], Path.cwd()), nl=False)
    elif dry_run:
        from backstay.cli.serve.plan import show_plan

        show_plan(resolved, source, output)
    else:
        _serve(resolved, backup)


def _serve(resolved: Resolved, backup: ServedBackup | None) -> None:
    gc.disable()  # what is imported and loaded first stays: looking for cycles in it is time lost, then and later
    try:
        from backstay.assembly import open_server
        from backstay.cli.serve.log import http2_debugging, logging_to
        from backstay.cli.serve.process import serve

        settings = resolved.settings
        environment = invocation.current().environment
        with logging_to(settings.log), http2_debugging(environment):
            for notice in resolved.notices:
                _say(notice)
            _log.info("starting an etcd server", extra=_described(settings, backup.source if backup else None))
            opened = backup.open(settings) if backup else open_server(settings)
            try:
                for finding in opened.findings:
                    _log.warning(finding.evidence, extra=fields(code=finding.code, subject=finding.subject))
                gc.freeze()
                gc.enable()
                asyncio.run(serve(opened, environment))
            finally:
                opened.close()
    finally:
        gc.enable()


def _say(notice: Notice) -> None:
    _log.log(logging.WARNING if notice.warns else logging.INFO, notice.message, extra={FIELDS: dict(notice.fields)})


def _described(settings: ServerSettings, source: str | None) -> Any:
    return fields(
        backstay_version=backstay.__version__,
        name=settings.name,
        **({"backup": source} if source else {"data_dir": str(settings.data_directory)}),
        listen_client_urls=[each.text for each in settings.listen_client_urls],
        advertise_client_urls=list(settings.advertise_client_urls),
        snapshot_count=settings.snapshot_count,
        quota_backend_bytes=settings.quota_bytes,
        v2_deprecation="write-only",  # etcd's own words: nothing of v2 is served
    )


def _read_file(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except OSError as problem:
        kind = errors.SOURCE_NOT_FOUND if isinstance(problem, FileNotFoundError) else errors.SOURCE_UNREADABLE
        why = problem.strerror or str(problem)
        raise kind.error(f"the --config-file `{path}` cannot be read", where=path, why=why) from problem
    if len(content) > _LARGEST_FILE:
        raise errors.SETTING_INVALID.error(f"`{path}` is no configuration file: it is too large", where=path)
    return content
