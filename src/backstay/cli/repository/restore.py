"""`backstay restore`: a point back as a snapshot file or as a data directory, proven before it gets its name."""

from __future__ import annotations

import os
from pathlib import Path

import click

from backstay.cli.groups import own_command
from backstay.cli.options import Format, dry_run_option, output_options, reporting_options
from backstay.cli.render.plain import Plain
from backstay.cli.render.show import show
from backstay.cli.render.tables import pairs
from backstay.cli.reporting import Reporting
from backstay.cli.repository.opened import (
    Access,
    at_option,
    cluster_option,
    opened_repository,
    repository_options,
)
from backstay.cli.repository.rendering import point_plain, point_rows
from backstay.clock import SystemClock
from backstay.durable import LocalDisk
from backstay.jobs.points.restore import PointPlan, RestoredPoint, is_directory_target, plan_restore, restore
from backstay.repository.catalogue import read_catalogue
from backstay.repository.choosing import choose_point
from backstay.repository.reading import PointReader
from backstay.values import size_text


@own_command(
    examples="""
    backstay restore /mnt/backups --to restored.db --identity operator.key
    backstay restore s3://bucket/etcd --to /var/lib/etcd-new/ --at 2026-11-25T00:10 --identity operator.key
    backstay restore /mnt/backups --to restored.db --at 120431 --dry-run --identity operator.key
    backstay restore /mnt/backups --to restored.db --at before-delete:/registry/namespaces/shop -i operator.key
    """
)
@repository_options
@output_options
@reporting_options
@dry_run_option
@click.option("--to", "target", required=True, metavar="FILE|DIR/", help="A snapshot file, or a new data directory.")
@at_option
@cluster_option
@click.argument("repository", metavar="REPO")
def command(
    *,
    repository: str,
    target: str,
    at: str,
    cluster: str,
    dry_run: bool,
    access: Access,
    output: Format,
    reporting: Reporting,
) -> None:
    """Restore a point of REPO: to FILE, as `snapshot save` would have written it, or to DIR/, a data directory.

    Digests, the SHA-256 of every page, etcd's HASH and HashKV must be the recorded ones; else nothing appears. A target that
    exists is refused, and so is a point that is not held exactly: the nearest ones are named. For members of a larger
    cluster restore to FILE, then use `snapshot restore`.
    """
    progress = reporting.watch()
    try:
        with opened_repository(repository, access, reporting) as opened:
            points = [each for each in read_catalogue(opened).require_sound().points if cluster in ("", each.cluster)]
            point = PointReader(opened, choose_point(opened, points, at))
            plan = plan_restore(point, Path(target), is_directory=is_directory_target(target))
            if dry_run:
                show(_plan_data(plan), output, lambda: _plan_text(plan))
                return
            restored = restore(
                point, plan, disk=LocalDisk(), clock=SystemClock(), entropy=os.urandom, progress=progress
            )
    finally:
        progress.finish()
    show(as_data(restored), output, lambda: as_text(restored))


def as_data(restored: RestoredPoint) -> dict[str, Plain]:
    """The outcome as JSON and YAML have it; keys are stable."""
    directory = restored.directory
    return {
        "point": point_plain(restored.manifest, restored.facts),
        "target": str(restored.target),
        "sha256": restored.sha256,
        "records": restored.rebuilt.records,
        "hash": restored.rebuilt.file.hash,
        "hash_kv": restored.rebuilt.hash_kv,
        "seconds": round(restored.seconds, 3),
        "data_directory": None
        if directory is None
        else {
            "revision": directory.hash_revision,
            "compact_revision": directory.compact_revision,
            "hash_kv": directory.hash,
            "keys": directory.live_key_count,
        },
    }


def as_text(restored: RestoredPoint) -> str:
    """The outcome for people."""
    rows: list[tuple[str, object]] = [
        *point_rows(restored.manifest, restored.facts),
        ("Restored", restored.target),
        ("SHA-256", restored.sha256),
        ("Proven", "digests of all records, SHA-256 of all pages, HASH, HashKV, and read back from the disk"),
    ]
    if restored.directory is not None:
        made = restored.directory
        rows.append(("Server", f"must answer HashKV {made.hash} at revision {made.hash_revision}"))
    text = pairs([*rows, ("Seconds", f"{restored.seconds:.1f}")])
    plan = restored.directory_plan
    if plan is None:
        return text
    changed = "\n".join(f"  - {each}" for each in (*plan.changes, *plan.notices))
    return f"{text}\n\nMind:\n{changed}"


def _plan_data(plan: PointPlan) -> dict[str, Plain]:
    return {
        "point": point_plain(plan.manifest, plan.facts),
        "target": str(plan.target),
        "read_objects": plan.read_objects,
        "read_bytes": plan.read_bytes,
        "written_bytes": plan.written_bytes,
    }


def _plan_text(plan: PointPlan) -> str:
    kind = "a data directory" if plan.is_directory else "a snapshot file"
    return pairs(
        [
            *point_rows(plan.manifest, plan.facts),
            ("Would read", f"{plan.read_objects} objects, {size_text(plan.read_bytes)}"),
            ("Would write", f"{plan.target}, {kind}, {size_text(plan.written_bytes)}"),
        ]
    )
