"""`backstay snapshot verify`: how far a snapshot can be trusted, with everything that was looked at and found."""

from __future__ import annotations

from pathlib import Path

import click

from backstay.cli.groups import own_command
from backstay.cli.options import Format, output_options, reporting_options
from backstay.cli.render.findings import findings_plain, findings_table
from backstay.cli.render.outcome import exit_status
from backstay.cli.render.plain import Plain
from backstay.cli.render.show import show
from backstay.cli.render.tables import columns, pairs
from backstay.cli.reporting import Reporting
from backstay.findings import worst
from backstay.snapshot import opened
from backstay.snapshot.verify import Check, Level, Verification, verify
from backstay.values import compaction_text, size_text

LEVELS = {str(level): level for level in Level if level is not Level.NONE}


@own_command(
    examples="""
    backstay snapshot verify backup.db
    backstay snapshot verify backup.db --level rebuilt
    backstay snapshot verify backup.db -o json | jq -r .reached
    # is this the copy of a member that may have lost writes?
    backstay snapshot verify copied.db --etcd-version 3.5.1
    """
)
@output_options
@reporting_options
@click.option(
    "--level",
    type=click.Choice(list(LEVELS)),
    default=str(Level.COHERENT),
    help=f"How far to go: each level includes the ones before; {Level.COHERENT} unless given.",
)
@click.option("--etcd-version", default="", metavar="VERSION", help="The release of etcd that wrote FILE, if known.")
@click.argument("file", type=click.Path(path_type=Path, readable=False), metavar="FILE")
def command(*, file: Path, level: str, etcd_version: str, output: Format, reporting: Reporting) -> int:
    """Verify the snapshot, database file or data directory FILE and say which level it reaches.

    \b
    listed     it is there and can be read
    intact     not cut short, both meta pages valid, all pages and keys in order
    authentic  the SHA-256 at its end is right
    coherent   it is etcd's, no revision is missing, and all its parts fit together
    rebuilt    a new file built from its content holds the same content

    Exits with 0 when nothing is wrong, 3 with warnings, 4 when the verification failed.
    """
    progress = reporting.watch()
    try:
        with opened.open_directory(file) if file.is_dir() else opened.open_file(file) as store:
            verification = verify(store, LEVELS[level], etcd_version=etcd_version, progress=progress)
    finally:
        progress.finish()
    show(as_data(file, verification), output, lambda: as_text(file, verification))
    return exit_status(verification.findings)


def as_data(file: Path, verification: Verification) -> dict[str, Plain]:
    """The report as JSON and YAML have it; keys are stable."""
    inspection = verification.inspection
    kv = inspection.hash_kv
    return {
        "file": str(file),
        "wanted": str(verification.wanted),
        "reached": str(verification.reached),
        "revision": inspection.current_revision,
        "compact_revision": inspection.compact_revision,
        "records": inspection.records.record_count,
        "keys": inspection.records.live_key_count,
        "file_size": inspection.file_size,
        "data_size": inspection.data_size,
        "hash": inspection.hash,
        "hash_kv": None if kv is None else kv.hash,
        "trailer": inspection.trailer.value,
        "checks": [
            {
                "level": str(check.level),
                "check": check.name,
                "looked_at": check.looked_at,
                "result": result_of(check),
                "findings": findings_plain(check.findings),
            }
            for check in verification.checks
        ],
    }


def as_text(file: Path, verification: Verification) -> str:
    """The report for a person."""
    inspection = verification.inspection
    head = pairs(
        [
            ("File", f"{file} ({size_text(inspection.file_size)})"),
            ("Level", f"{verification.reached}" + _short_of(verification)),
            ("Revision", f"{inspection.current_revision} ({compaction_text(inspection.compact_revision)})"),
            ("Keys", f"{inspection.records.live_key_count} in {inspection.records.record_count} records"),
        ]
    )
    rows = [(str(check.level), check.name, result_of(check), check.looked_at) for check in verification.checks]
    parts = [head, columns(("LEVEL", "CHECK", "RESULT", "LOOKED AT"), rows), findings_table(verification.findings)]
    return "\n\n".join(part for part in parts if part)


def result_of(check: Check) -> str:
    """One word for a check: passed, note, warning, error, or impossible."""
    severity = worst(check.findings)
    if severity is not None:
        return str(severity)
    return "passed" if check.is_possible else "impossible"


def _short_of(verification: Verification) -> str:
    return "" if verification.reached >= verification.wanted else f", not {verification.wanted}"
