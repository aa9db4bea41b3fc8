"""The sequence of a save: receive, prove, publish. Leaves the proven file or nothing.

Called by the command line and by jobs. Everything outside comes through ports (a stream of chunks, hashes of members, the
disk, the clock), so that every step can fail in a test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backstay.clock import Clock, SystemClock
from backstay.durable import Disk, LocalDisk, durable_file
from backstay.findings import Finding
from backstay.formats.hashkv import HashKV
from backstay.snapshot.save.members import Comparison, HashSource
from backstay.snapshot.save.stream import receive
from backstay.snapshot.save.target import SUFFIX, FreeBytes, check_target, free_bytes_of
from backstay.snapshot.save.verify import Proof, prove
from backstay.snapshot.status import Status, status_of
from backstay.snapshot.verify import Check, Level
from backstay.telemetry import Progress, SilentProgress
from backstay.values import MemberId, Revision

if TYPE_CHECKING:
    from backstay.etcd.snapshot_stream import SnapshotChunk

MODE = 0o600
"""A snapshot holds every Secret of the cluster."""


@dataclass(frozen=True, slots=True)
class SnapshotSource:
    """The member to copy: its stream, its hash, and the other members to compare with."""

    stream: Callable[[], AbstractContextManager[Iterator[SnapshotChunk]]]
    hashes: HashSource
    etcd_version: str = ""
    others: tuple[HashSource, ...] = ()


@dataclass(frozen=True, slots=True)
class SaveReport:
    """What was saved and what is known of it. Sizes in bytes; `storage_version` is empty before etcd 3.6.

    `status` is what etcd's own tool prints of the file.
    """

    path: Path
    size: int
    mode: int
    sha256: str
    revision: Revision
    compact_revision: Revision
    keys: int
    records: int
    hash: int
    hash_kv: HashKV | None
    storage_version: str
    endpoint: str
    member_id: MemberId
    etcd_version: str
    seconds: float
    reached: Level
    checks: tuple[Check, ...]
    comparisons: tuple[Comparison, ...]
    findings: tuple[Finding, ...]
    status: Status


def save(
    path: Path,
    source: SnapshotSource,
    *,
    disk: Disk | None = None,
    clock: Clock | None = None,
    progress: Progress | None = None,
    free_bytes: FreeBytes = free_bytes_of,
    beside: Callable[[Path], None] | None = None,
) -> SaveReport:
    """Save a verified snapshot as `path`, which must not exist.

    `beside` gets the whole file under its temporary name before it is proven: for who wants to read it meanwhile.

    Raises `TARGET_EXISTS`, `TARGET_UNWRITABLE`, `TARGET_FULL`, `INPUT_OUTPUT`, `STREAM_BROKEN`, `SNAPSHOT_INVALID`,
    `MEMBERS_DISAGREE`, and what the stream raises. Whatever is raised, no file stays.
    """
    disk, clock, progress = disk or LocalDisk(), clock or SystemClock(), progress or SilentProgress()
    began = clock.monotonic()
    check_target(path, 0, free_bytes=free_bytes)

    def fits(size: int) -> None:
        # The `.part` file is there already, and empty.
        check_target(path, size, free_bytes=free_bytes)

    with (
        durable_file(disk, path, mode=MODE, suffix=SUFFIX) as file,
        ThreadPoolExecutor(1, thread_name_prefix="backstay-sync") as background,
    ):
        with source.stream() as chunks:
            received = receive(chunks, file, progress, where=source.hashes.endpoint, size_known=fits)
        synced = background.submit(file.sync)  # the disk works while the file is proven
        if beside is not None:
            beside(path.with_name(path.name + SUFFIX))
        proof = prove(
            path.with_name(path.name + SUFFIX),
            source=source.hashes,
            others=source.others,
            etcd_version=source.etcd_version,
            clock=clock,
            progress=progress,
        )
        synced.result()
        progress.finish()
    return _report(path, source, received.size, received.sha256, received.storage_version, proof, clock, began)


def _report(
    path: Path,
    source: SnapshotSource,
    size: int,
    sha256: str,
    storage_version: str,
    proof: Proof,
    clock: Clock,
    began: float,
) -> SaveReport:
    inspection = proof.inspection
    return SaveReport(
        path=path,
        size=size,
        mode=MODE,
        sha256=sha256,
        revision=inspection.current_revision,
        compact_revision=inspection.compact_revision,
        keys=inspection.records.live_key_count,
        records=inspection.records.record_count,
        hash=inspection.hash,
        hash_kv=inspection.hash_kv,
        storage_version=storage_version,
        endpoint=source.hashes.endpoint,
        member_id=source.hashes.member_id,
        etcd_version=source.etcd_version,
        seconds=clock.monotonic() - began,
        reached=proof.reached,
        checks=proof.checks,
        comparisons=proof.comparisons,
        findings=proof.findings,
        status=status_of(inspection),
    )
