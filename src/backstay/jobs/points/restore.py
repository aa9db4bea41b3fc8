"""A point restored: its canonical file under a temporary name, read back, and only then named; or data directories of it.

Called by `backstay restore`. The file ends with the SHA-256 that `etcdutl snapshot restore` and `backstay snapshot
restore` ask for. Data directories are made by the same code as those of any snapshot, from a file that has no name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from backstay import errors
from backstay.clock import Clock
from backstay.crypto.sealing import ObjectClass
from backstay.durable import Disk, durable_file, translated
from backstay.jobs.points.private import open_private, read_back
from backstay.jobs.points.rebuild import Rebuilt, rebuild
from backstay.repository.manifest import Manifest, PointFacts
from backstay.repository.reading import PointReader
from backstay.repository.repository import Entropy
from backstay.snapshot import restore as restoring
from backstay.snapshot.restore import Changes, NewCluster, RestorePlan, RestoreResult, Target
from backstay.snapshot.restore.members import DEFAULT_NAME
from backstay.snapshot.restore.write import refuse_occupied_targets
from backstay.telemetry import Progress

FILE_MODE = 0o600


@dataclass(frozen=True, slots=True)
class DirectoryWish:
    """Data directories instead of a file: whose, where, and what is to be otherwise. With `parent` all lie in it."""

    cluster: NewCluster
    targets: tuple[Target, ...]
    changes: Changes = field(default_factory=Changes)
    parent: Path | None = None


@dataclass(frozen=True, slots=True)
class PointPlan:
    """What a restore will read and write. `revision` is the point's own, or one of its history."""

    manifest: Manifest
    facts: PointFacts
    revision: int
    target: Path
    directory: DirectoryWish | None
    read_objects: int
    read_bytes: int
    written_bytes: int

    @property
    def is_of_history(self) -> bool:
        """Whether an older revision than the point's own is restored."""
        return self.revision != self.facts.revision


@dataclass(frozen=True, slots=True)
class RestoredPoint:
    """What was restored and proven. `directory` says what `snapshot restore` made, where a directory was wanted."""

    plan: PointPlan
    rebuilt: Rebuilt
    sha256: str
    seconds: float
    directory_plan: RestorePlan | None = None
    directory: RestoreResult | None = None


def is_directory_target(text: str) -> bool:
    """Whether `--to` names a data directory: what ends with a slash, or is a directory."""
    return text.endswith("/") or Path(text).is_dir()


def one_directory(target: Path) -> DirectoryWish:
    """The data directory of a cluster of one member."""
    return DirectoryWish(restoring.new_cluster(), (Target(DEFAULT_NAME, target),))


def plan_restore(
    point: PointReader, target: Path, *, directory: DirectoryWish | None = None, revision: int | None = None
) -> PointPlan:
    """The plan. Raises `TARGET_EXISTS`, and `POINT_NOT_FOUND` for a revision that the point does not hold."""
    manifest, facts = point.manifest, point.facts
    at = facts.revision if revision is None else revision
    if not max(1, facts.compact_revision) <= at <= facts.revision:
        raise errors.POINT_NOT_FOUND.error(
            f"{manifest.id} does not hold revision {at}",
            why=f"it holds {max(1, facts.compact_revision)} to {facts.revision}",
        )
    if directory is not None:
        refuse_occupied_targets(directory.targets, directory.parent)
    elif target.exists() or target.is_symlink():
        raise errors.TARGET_EXISTS.error(f"`{target}` exists", where=str(target))
    read = [run for run in manifest.runs if run.kind is not ObjectClass.COMPANIONS]
    return PointPlan(manifest, facts, at, target, directory, len(read), sum(run.size for run in read), facts.file.size)


def restore(
    point: PointReader, plan: PointPlan, *, disk: Disk, clock: Clock, entropy: Entropy, progress: Progress
) -> RestoredPoint:
    """Carry out `plan`. Raises what reading and writing raise, `POINT_UNPROVEN`; then nothing is there."""
    began = clock.monotonic()
    if plan.directory is None:
        rebuilt, sha256 = _write(point, plan, disk=disk, entropy=entropy, progress=progress)
        return RestoredPoint(plan, rebuilt, sha256.hex(), clock.monotonic() - began)
    wish = plan.directory
    beside = (wish.parent or plan.target).absolute().parent
    private = open_private(point, beside, entropy=entropy, progress=progress, revision=plan.revision)
    with private.store as store:
        facts = restoring.examine(store, skip_hash_check=False, progress=progress)
        directory_plan = restoring.make_plan(facts, wish.changes, wish.cluster, wish.targets)
        result = restoring.restore(
            store, directory_plan, wish.cluster, wish.targets, disk=disk, progress=progress, parent=wish.parent
        )
    seconds = clock.monotonic() - began
    return RestoredPoint(plan, private.rebuilt, private.sha256.hex(), seconds, directory_plan, result)


def _write(
    point: PointReader, plan: PointPlan, *, disk: Disk, entropy: Entropy, progress: Progress
) -> tuple[Rebuilt, bytes]:
    """Write the file, read every byte of it back, and let it have its name."""
    target = plan.target
    with durable_file(disk, target, mode=FILE_MODE) as file:
        # The meta pages' place: until they are there it is no database.
        file.write([bytes(2 * point.facts.file.page_size)])
        rebuilt = rebuild(
            point, spill=target.parent, entropy=entropy, progress=progress, sink=file.write, revision=plan.revision
        )
        file.write_at(rebuilt.file.meta_pages, 0)
        with translated(target):
            file.sync()
            sha256 = read_back(file.descriptor, rebuilt.file, str(target))
        file.write([sha256])
    return rebuilt, sha256
