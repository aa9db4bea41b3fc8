"""A point restored: its canonical file under a temporary name, read back, and only then named; or a data directory of it.

Called by `backstay restore`. The file ends with the SHA-256 that `etcdutl snapshot restore` and `backstay snapshot
restore` ask for. Where the target is a data directory, the file is made beside it, restored by the same code as any
snapshot, and removed.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backstay import errors
from backstay.clock import Clock
from backstay.crypto.sealing import ObjectClass
from backstay.durable import Disk, durable_file, refuse_occupied, translated
from backstay.jobs.points.rebuild import Rebuilt, rebuild
from backstay.repository.manifest import Manifest, PointFacts
from backstay.repository.reading import PointReader
from backstay.repository.repository import Entropy
from backstay.snapshot import restore as restoring
from backstay.snapshot.restore import Changes, RestorePlan, RestoreResult, Target
from backstay.snapshot.restore.members import DEFAULT_NAME
from backstay.telemetry import Progress

FILE_MODE = 0o600
_READ_BYTES = 8 << 20
_STAGED = ".restoring.db"


@dataclass(frozen=True, slots=True)
class PointPlan:
    """What a restore will read and write."""

    manifest: Manifest
    facts: PointFacts
    target: Path
    is_directory: bool
    read_objects: int
    read_bytes: int
    written_bytes: int


@dataclass(frozen=True, slots=True)
class RestoredPoint:
    """What was restored and proven. `directory` says what `snapshot restore` made, where a directory was wanted."""

    manifest: Manifest
    facts: PointFacts
    target: Path
    rebuilt: Rebuilt
    sha256: str
    seconds: float
    directory_plan: RestorePlan | None = None
    directory: RestoreResult | None = None


def is_directory_target(text: str) -> bool:
    """Whether `--to` names a data directory: what ends with a slash, or is a directory."""
    return text.endswith("/") or Path(text).is_dir()


def plan_restore(point: PointReader, target: Path, *, is_directory: bool) -> PointPlan:
    """The plan. Raises `TARGET_EXISTS`."""
    if is_directory:
        refuse_occupied(target)
    elif target.exists() or target.is_symlink():
        raise errors.TARGET_EXISTS.error(f"`{target}` exists", where=str(target))
    manifest = point.manifest
    kept = manifest.of_kind(*(kind for kind in ObjectClass if kind is not ObjectClass.LOG))
    return PointPlan(
        manifest, point.facts, target, is_directory, len(kept), manifest.stored_bytes, point.facts.file.size
    )


def restore(
    point: PointReader, plan: PointPlan, *, disk: Disk, clock: Clock, entropy: Entropy, progress: Progress
) -> RestoredPoint:
    """Carry out `plan`. Raises what reading and writing raise, `POINT_UNPROVEN`; then nothing is there."""
    began = clock.monotonic()
    if not plan.is_directory:
        rebuilt, sha256 = _write(point, plan.target, disk=disk, entropy=entropy, progress=progress)
        return RestoredPoint(plan.manifest, plan.facts, plan.target, rebuilt, sha256, clock.monotonic() - began)
    with _staged(plan.target) as file:
        rebuilt, sha256 = _write(point, file, disk=disk, entropy=entropy, progress=progress)
        cluster = restoring.new_cluster()
        targets = (Target(DEFAULT_NAME, plan.target),)
        with restoring.open_source(file, skip_hash_check=False) as store:
            facts = restoring.examine(store, skip_hash_check=False, progress=progress)
            directory_plan = restoring.make_plan(facts, Changes(), cluster, targets)
            result = restoring.restore(store, directory_plan, cluster, targets, disk=disk, progress=progress)
    return RestoredPoint(
        plan.manifest,
        plan.facts,
        plan.target,
        rebuilt,
        sha256,
        clock.monotonic() - began,
        directory_plan,
        result,
    )


@contextlib.contextmanager
def _staged(target: Path) -> Iterator[Path]:
    """Where the file lies until the directory is made of it."""
    file = target.with_name(target.name + _STAGED)
    try:
        yield file
    finally:
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)


def _write(
    point: PointReader, target: Path, *, disk: Disk, entropy: Entropy, progress: Progress
) -> tuple[Rebuilt, str]:
    """Write the file, read every byte of it back, and let it have its name."""
    page_size = point.facts.file.page_size
    with durable_file(disk, target, mode=FILE_MODE) as file:
        file.write([bytes(2 * page_size)])  # the meta pages' place: until they are there it is no database
        rebuilt = rebuild(point, spill=target.parent, entropy=entropy, progress=progress, sink=file.write)
        file.write_at(rebuilt.file.meta_pages, 0)
        with translated(target):
            file.sync()
            sha256 = _read_back(file.descriptor, rebuilt, target)
        file.write([sha256])
    return rebuilt, sha256.hex()


def _read_back(descriptor: int, rebuilt: Rebuilt, target: Path) -> bytes:
    """SHA-256 of the file as the disk gives it back. Raises `POINT_UNPROVEN` when it is not what was written."""
    size, metas = rebuilt.file.size, 2 * rebuilt.file.page_size
    with (
        mmap.mmap(descriptor, size, access=mmap.ACCESS_READ) as mapping,
        memoryview(mapping) as view,
        view[metas:size] as pages,
        view[:metas] as head,
    ):
        digest, whole = hashlib.sha256(), hashlib.sha256(head)
        for start in range(0, len(pages), _READ_BYTES):
            with pages[start : start + _READ_BYTES] as part:
                digest.update(part)
                whole.update(part)
        digest.update(head)
    if digest.hexdigest() != rebuilt.file.pages_sha256:
        raise errors.POINT_UNPROVEN.error(f"`{target}` does not read back as it was written", where=str(target))
    return whole.digest()
