"""`backstay import`: a folder of dated backups taken over into a repository."""

from __future__ import annotations

import os
from datetime import UTC, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from backstay import errors
from backstay.cli.groups import own_command
from backstay.cli.options import Format, dry_run_option, output_options, reporting_options
from backstay.cli.render.plain import Plain
from backstay.cli.render.show import show
from backstay.cli.render.tables import columns
from backstay.cli.reporting import Reporting
from backstay.cli.repository.backup import USUAL_CLUSTER
from backstay.cli.repository.opened import Access, opened_repository, repository_options, scratch_parent, state_of
from backstay.cli.repository.rendering import time_plain
from backstay.clock import SystemClock
from backstay.errors import ExitStatus
from backstay.jobs.backup.run import scratch as scratch_directory
from backstay.jobs.importing import run as importing
from backstay.jobs.importing.run import Fate, ImportFile, ImportReport
from backstay.jobs.importing.unpacking import Opening
from backstay.values import size_text


@own_command(
    examples="""
    backstay import /backup/etcd /mnt/backups --dry-run
    backstay import /backup/etcd s3://bucket/etcd --cluster prod-1
    backstay import snapshot-2024-12-10.db.zst.age snapshot-2024-12-11.db.zst.age /mnt/backups --identity old.key
    """
)
@repository_options
@output_options
@reporting_options
@dry_run_option
@click.option("--cluster", default=USUAL_CLUSTER, show_default=True, metavar="NAME", help="Whose backups they are.")
@click.option("--zone", default="UTC", show_default=True, metavar="ZONE", help="The time zone of the times in names.")
@click.option(
    "--scratch", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="For what is unpacked."
)
@click.argument("sources", metavar="DIR|FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.argument("repository", metavar="REPO")
def command(
    *,
    sources: tuple[Path, ...],
    repository: str,
    cluster: str,
    zone: str,
    scratch: Path | None,
    dry_run: bool,
    access: Access,
    output: Format,
    reporting: Reporting,
) -> int:
    """Make a point of REPO of every backup in DIR, with the time it was made: oldest first, stored as what is new in each.

    Times come from names in all usual spellings, else from the file. Files may be packed by gzip, zstd, xz, bzip2 or zip, and
    encrypted by age (--identity) or gpg. Each is verified as `backup` verifies; a bad one is reported and left out, and the
    command ends with 3. What is there already is left out, so an import can be repeated.
    """
    clock, progress = SystemClock(), reporting.watch()
    where = zone_of(zone)
    try:
        with (
            opened_repository(repository, access, reporting) as opened,
            scratch_directory(scratch_parent(scratch, access)) as place,
        ):
            if dry_run:
                report = importing.make_plan(opened, cluster, sources, zone=where, now=clock.now())
            else:
                state = state_of(access, opened)
                report = importing.run(
                    opened, cluster, sources, state.signing_key(),
                    opening=Opening(_identities(access), access.environment, place),
                    zone=where, clock=clock, entropy=os.urandom, progress=progress,
                )  # fmt: skip
                for each in report.files:
                    if each.point is not None:
                        state.see(each.point)
    finally:
        progress.finish()
    show(_plain(report), output, lambda: _text(report))
    return ExitStatus.WARNINGS if report.count(Fate.REFUSED) else ExitStatus.OK


def zone_of(name: str) -> tzinfo:
    """The time zone of this name. Raises `USAGE`."""
    try:
        return UTC if name.upper() in ("UTC", "Z") else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as problem:
        raise errors.USAGE.error(
            f"there is no time zone `{name}`", where="--zone", next_step="write one such as Europe/Berlin"
        ) from problem


def _identities(access: Access) -> list[object]:
    from backstay.crypto.opening import read_age_identities

    said = access.environment.get("BACKSTAY_IDENTITY", "")
    texts: list[tuple[str, bytes]] = []
    for name in access.identity_files or ((said,) if said else ()):
        if name.lstrip().startswith("AGE-SECRET-KEY-"):
            texts.append(("BACKSTAY_IDENTITY", name.encode()))
        elif Path(name).is_file():
            texts.append((name, Path(name).read_bytes()))
    return read_age_identities(texts)


def _plain(report: ImportReport) -> list[Plain]:
    return [
        {
            "file": str(each.path),
            "time": time_plain(each.time),
            "time_from": each.time_source.value,
            "size": each.size,
            "packed": each.packing or None,
            "result": each.fate.value,
            "why": each.why or None,
            "point": each.point.id if each.point is not None else None,
            "revision": each.revision or None,
            "new_bytes": each.new_bytes if each.point is not None else None,
            "base_reason": each.base_reason or None,
        }
        for each in report.files
    ]


def _text(report: ImportReport) -> str:
    if not report.files:
        return "There is no backup."
    rows = [
        (
            each.path.name,
            time_plain(each.time),
            each.time_source.value,
            size_text(each.size),
            each.packing or "-",
            each.fate.value,
            _note(each),
        )
        for each in report.files
    ]
    counts = ", ".join(f"{report.count(fate)} {fate.value}" for fate in Fate if report.count(fate))
    return f"{columns(('FILE', 'TIME', 'TIME FROM', 'SIZE', 'PACKED', 'RESULT', 'NOTE'), rows)}\n\n{counts}"


def _note(file: ImportFile) -> str:
    if file.point is None:
        return file.why
    note = f"{file.point.id} at revision {file.revision}, {size_text(file.new_bytes)} new"
    return f"{note} ({file.base_reason})" if file.base_reason and file.point.sequence > 1 else note
