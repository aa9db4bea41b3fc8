"""`backstay check`: whether the repository hangs together, without an identity: chains, signatures, hashes, leftovers."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from backstay.cli.groups import own_command
from backstay.cli.options import Format, output_options, reporting_options, switch_option
from backstay.cli.render.show import show
from backstay.cli.reporting import Reporting
from backstay.cli.repository.opened import Access, opened_repository, repository_options
from backstay.cli.repository.verify import as_data, as_text
from backstay.errors import ExitStatus
from backstay.findings import Severity, worst
from backstay.jobs.points.verify import verify
from backstay.repository.catalogue import read_catalogue
from backstay.snapshot.verify import Level


@own_command(
    examples="""
    backstay check /mnt/backups
    backstay check s3://bucket/etcd --read-data
    """
)
@repository_options
@output_options
@reporting_options
@switch_option("--read-data", help="Read every object and compare its SHA-256, not only its size.")
@click.argument("repository", metavar="REPO")
def command(*, repository: str, read_data: bool, access: Access, output: Format, reporting: Reporting) -> int:
    """Check that every manifest follows from the one before and is signed, and that every object it names is there.

    Exits with 4 when an object is missing or changed, with 6 when a chain or a signature is wrong.
    """
    progress = reporting.watch()
    try:
        with opened_repository(repository, access, reporting) as opened:
            catalogue = read_catalogue(opened)
            verified = verify(
                opened,
                catalogue,
                catalogue.points,
                Level.INTACT if read_data else Level.LISTED,
                spill=Path(access.environment.get("TMPDIR") or tempfile.gettempdir()),
                entropy=os.urandom,
                progress=progress,
            )
    finally:
        progress.finish()
    show(as_data(verified), output, lambda: as_text(verified))
    if catalogue.damage:
        return ExitStatus.TAMPERED
    if worst(verified.all_findings) is Severity.ERROR:
        return ExitStatus.VERIFICATION_FAILED
    return ExitStatus.OK
