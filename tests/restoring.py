"""Restores for tests: of a golden snapshot or any other source, with the library and without the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from backstay.durable import Disk, LocalDisk
from backstay.snapshot.restore import (
    Changes,
    NewCluster,
    RestorePlan,
    RestoreResult,
    Target,
    examine,
    make_plan,
    new_cluster,
    open_source,
    restore,
)
from backstay.telemetry import SilentProgress
from tests import golden

WITHOUT_BUMP = Changes(keep_revision=True)


@dataclass(frozen=True, slots=True)
class Restored:
    """A finished restore."""

    plan: RestorePlan
    result: RestoreResult


def golden_snapshot(version: str, directory: Path) -> Path:
    """The golden snapshot of a release as a file in `directory`."""
    path = directory / f"snapshot-{version}.db"
    path.write_bytes(golden.snapshot(version))
    return path


def restore_one(
    source: Path,
    directory: Path,
    changes: Changes = WITHOUT_BUMP,
    *,
    cluster: NewCluster | None = None,
    wal_directory: Path | None = None,
    skip_hash_check: bool = False,
    disk: Disk | None = None,
) -> Restored:
    """Restore the first member of `cluster` (one member unless given) into `directory`."""
    cluster = cluster or new_cluster()
    return _restore(
        source,
        changes,
        cluster,
        (Target(cluster.members[0].name, directory, wal_directory),),
        None,
        skip_hash_check,
        disk,
    )


def restore_all(
    source: Path,
    parent: Path,
    initial_cluster: str,
    changes: Changes = WITHOUT_BUMP,
    *,
    disk: Disk | None = None,
) -> Restored:
    """Restore every member of `initial_cluster` into a directory of its own under `parent`."""
    cluster = new_cluster(initial_cluster)
    targets = tuple(Target(member.name, parent / f"{member.name}.etcd") for member in cluster.members)
    return _restore(source, changes, cluster, targets, parent, False, disk)


def _restore(
    source: Path,
    changes: Changes,
    cluster: NewCluster,
    targets: tuple[Target, ...],
    parent: Path | None,
    skip_hash_check: bool,
    disk: Disk | None,
) -> Restored:
    silent = SilentProgress()
    with open_source(source, skip_hash_check=skip_hash_check) as store:
        facts = examine(store, skip_hash_check=skip_hash_check, progress=silent)
        plan = make_plan(facts, changes, cluster, targets)
        result = restore(store, plan, cluster, targets, disk=disk or LocalDisk(), progress=silent, parent=parent)
    return Restored(plan, result)
