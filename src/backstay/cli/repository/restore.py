"""`backstay restore`: a point back as a snapshot file or as a data directory, proven before it gets its name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click

from backstay import errors
from backstay.cli.groups import own_command
from backstay.cli.kube.options import decryption_of
from backstay.cli.options import Format, dry_run_option, output_options, reporting_options
from backstay.cli.render.plain import Plain
from backstay.cli.render.show import show
from backstay.cli.render.tables import pairs, printable
from backstay.cli.reporting import Reporting
from backstay.cli.repository.opened import (
    Access,
    at_option,
    cluster_option,
    opened_repository,
    repository_options,
)
from backstay.cli.repository.rendering import point_plain, point_rows
from backstay.cli.repository.restore_companions import CompanionsRestore
from backstay.cli.repository.restore_directory import DirectoryOptions, directory_options
from backstay.cli.repository.restore_plan import RestoreOutlook
from backstay.clock import SystemClock
from backstay.durable import LocalDisk
from backstay.jobs.points.keeping import kept
from backstay.jobs.points.restore import DirectoryWish, PointPlan, RestoredPoint, plan_restore, restore
from backstay.repository.catalogue import read_catalogue
from backstay.repository.choosing import choose
from backstay.repository.reading import PointReader
from backstay.values import size_text


@own_command(
    examples="""
    backstay restore /mnt/backups --to restored.db --identity operator.key
    backstay restore s3://bucket/etcd --to /var/lib/etcd-new/ --at 2026-11-25T00:10 --identity operator.key
    # the revision right before it was deleted, where history holds it
    backstay restore /mnt/backups --to restored.db --at before-delete:/registry/namespaces/shop -i operator.key
    # what it would bring, how long it would take, and what no backup holds
    backstay restore /mnt/backups --plan --identity operator.key
    # the certificates, manifests and tokens that were stored with it
    backstay restore /mnt/backups --companions brought-back/ --identity operator.key
    # all members of a new cluster, a directory for each
    backstay restore /mnt/backups --to new/ --all-members --initial-cluster a=http://h1:2380,b=http://h2:2380
    """
)
@repository_options
@output_options
@reporting_options
@dry_run_option
@click.option("--to", "target", default="", metavar="FILE|DIR/", help="A snapshot file, or a new data directory.")
@click.option(
    "--plan", "only_plan", is_flag=True, help="Look ahead: time, what Kubernetes will see, what etcd cannot hold."
)
@click.option(
    "--encryption-config",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="With --plan: the EncryptionConfiguration that opens what the API server encrypted.",
)
@click.option(
    "--companions",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Also, or only, bring the companions, to a new DIR.",
)
@at_option
@cluster_option
@directory_options
@click.argument("repository", metavar="REPO")
def command(
    *,
    repository: str,
    target: str,
    companions: Path | None,
    at: str,
    cluster: str,
    directory: DirectoryOptions,
    only_plan: bool,
    encryption_config: Path | None,
    dry_run: bool,
    access: Access,
    output: Format,
    reporting: Reporting,
) -> None:
    """Restore a point of REPO: to FILE, as `snapshot save` would have written it, or to DIR/, a data directory.

    Digests, the SHA-256 of every page, etcd's HASH and HashKV must be the recorded ones; else nothing appears. A revision
    between points is built from the history of the next one, as long as there is one: of a point whose history has faded the
    digest of the state is what proves it. A target that exists is refused, and so is what is not held
    exactly: the nearest points are named. In a data directory of Kubernetes' keys the revision is raised, so that whoever
    watches begins anew.

    --companions DIR brings the files that `backup --with-companions` stored, each at its path below DIR, with its mode and, for
    root, its owner. It never writes to where they came from.

    --plan reads the keys of the point and writes nothing: objects by resource and namespace, minutes, every volume with
    its handle, and what no backup of an etcd holds.
    """
    if not target and not only_plan and companions is None:
        raise errors.USAGE.error(
            "where to restore to is missing", where="--to", next_step="give --to FILE or --to DIR/"
        )
    if encryption_config is not None and not only_plan:
        raise errors.USAGE.error("only --plan looks into values", where="--encryption-config")
    progress = reporting.watch()
    wish = directory.wish(target) if target else None
    try:
        with opened_repository(repository, access, reporting) as opened:
            points = [each for each in read_catalogue(opened).require_sound().points if cluster in ("", each.cluster)]
            chosen = choose(opened, points, at)
            point = PointReader(opened, chosen.point)
            if only_plan:
                if target:
                    plan_restore(point, Path(target), directory=wish, revision=chosen.revision)  # refuses what is there
                progress.begin("reading keys", None)
                decryption = decryption_of(encryption_config)
                outlook = RestoreOutlook(opened, point, chosen.revision, decryption)
                progress.finish()
                show(outlook.as_data(target), output, lambda: outlook.as_text(target))
                return
            beside = None if companions is None else CompanionsRestore(point, companions, access)
            if beside is not None and not target:
                if not dry_run:
                    beside.run()
                show({"companions": beside.as_data()}, output, beside.as_text)
                return
            plan = plan_restore(point, Path(target), directory=wish, revision=chosen.revision)
            if dry_run:
                show({**_plan_data(plan), **_data(beside)}, output, lambda: _plan_text(plan) + _text(beside))
                return
            with kept(opened, chosen.point, clock=SystemClock(), entropy=os.urandom, progress=progress) as watched:
                restored = restore(
                    point, plan, disk=LocalDisk(), clock=SystemClock(), entropy=os.urandom, progress=watched
                )
                if beside is not None:
                    beside.run()
    finally:
        progress.finish()
    show({**as_data(restored), **_data(beside)}, output, lambda: as_text(restored) + _text(beside))


def _data(beside: CompanionsRestore | None) -> dict[str, Plain]:
    return {} if beside is None else {"companions": beside.as_data()}


def _text(beside: CompanionsRestore | None) -> str:
    return "" if beside is None else f"\n\n{beside.as_text()}"


def as_data(restored: RestoredPoint) -> dict[str, Plain]:
    """The outcome as JSON and YAML have it; keys are stable."""
    plan, directory = restored.plan, restored.directory
    return {
        "point": point_plain(plan.manifest, plan.facts),
        "revision": plan.revision,
        "target": str(plan.target),
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
    plan = restored.plan
    proven = "digests of all records, SHA-256 of all pages, HASH, HashKV, and read back from the disk"
    if plan.manifest.is_state_only:
        proven = "digest of the state and of the other buckets, and read back from the disk; its history has faded"
    elif plan.is_of_history:
        proven = (
            f"digests of all records, of which those up to revision {plan.revision} are taken; read back from the disk"
        )
    rows: list[tuple[str, object]] = [
        *point_rows(plan.manifest, plan.facts),
        *((("Revision chosen", plan.revision),) if plan.is_of_history else ()),
        ("Restored", plan.target),
        ("SHA-256", restored.sha256),
        ("Proven", proven),
    ]
    if restored.directory is not None:
        made = restored.directory
        rows.append(("Server", f"must answer HashKV {made.hash} at revision {made.hash_revision}"))
    text = pairs([*rows, ("Seconds", f"{restored.seconds:.1f}")])
    minds = [_OF_HISTORY] if plan.is_of_history else []
    directory_plan = restored.directory_plan
    if directory_plan is not None:
        minds += [*directory_plan.changes, *directory_plan.notices]
    return f"{text}\n\nMind:\n{_bullets(minds)}" if minds else text


_OF_HISTORY = "users, roles, alarms and leases are those of the point: only keys have a history"


def _plan_data(plan: PointPlan) -> dict[str, Plain]:
    return {
        "point": point_plain(plan.manifest, plan.facts),
        "revision": plan.revision,
        "target": str(plan.target),
        "read_objects": plan.read_objects,
        "read_bytes": plan.read_bytes,
        "written_bytes": plan.written_bytes,
    }


def _plan_text(plan: PointPlan) -> str:
    kind = "a snapshot file" if plan.directory is None else _directories(plan.directory)
    return pairs(
        [
            *point_rows(plan.manifest, plan.facts),
            *((("Revision chosen", plan.revision),) if plan.is_of_history else ()),
            ("Would read", f"{plan.read_objects} objects, {size_text(plan.read_bytes)}"),
            ("Would write", f"{plan.target}, {kind}, {size_text(plan.written_bytes)}"),
        ]
    )


def _directories(wish: DirectoryWish) -> str:
    return "a data directory" if wish.parent is None else f"{len(wish.targets)} data directories"


def _bullets(texts: Sequence[str]) -> str:
    return "\n".join(f"  - {printable(text)}" for text in texts)
