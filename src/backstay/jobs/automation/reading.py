"""What one reading of a cluster leaves for its copies: a proven snapshot in a private directory, and where it came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from backstay import errors
from backstay.clock import Clock
from backstay.durable import Disk
from backstay.etcd.connection import ConnectionOptions
from backstay.findings import Finding
from backstay.jobs.backup.computing import Computing
from backstay.jobs.backup.run import scratch
from backstay.jobs.companions.collecting import COMPANION_LEFT_OUT, collect
from backstay.repository.companions import CompanionSet
from backstay.snapshot.save import SaveReport, save
from backstay.snapshot.save.living import living_source
from backstay.telemetry import Progress
from backstay.values import hex_id


@dataclass(frozen=True, slots=True)
class Reading:
    """A snapshot at `path`. `scratch` is for temporary files; it goes with the snapshot.

    `companions` are files of the host that are stored with it, `findings` what of them could not be read.
    """

    path: Path
    saved: SaveReport
    described: Mapping[str, str]
    scratch: Path
    computing: Computing = field(default_factory=Computing)
    """What every repository needs to know of it, computed once."""
    companions: CompanionSet | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class CompanionsWish:
    """Files of the host below `root` that are stored with each point: see `jobs.companions`."""

    root: Path
    wanted: tuple[str, ...]
    recipients: tuple[str, ...]

    def collected(self) -> tuple[CompanionSet | None, tuple[Finding, ...]]:
        """The files. That nothing of them can be read is a finding: keys without companions are better than nothing."""
        if not self.wanted:
            return None, ()
        try:
            return collect(self.root, self.wanted, self.recipients)
        except errors.BackstayError as problem:
            if problem.kind is not errors.COMPANION_UNREADABLE:
                raise
            return None, (COMPANION_LEFT_OUT.at(problem.where or "companions", str(problem)),)


@contextmanager
def read_cluster(
    options: ConnectionOptions,
    parent: Path,
    *,
    disk: Disk,
    clock: Clock,
    progress: Progress,
    companions: CompanionsWish | None = None,
) -> Iterator[Reading]:
    """Save a snapshot; the connection is closed before the block begins. Raises what choosing and saving raise.

    It lies in a private directory of `parent`, in clear; what a run left there that was killed is removed first.
    """
    with scratch(parent) as directory, Computing() as computing:
        with living_source(options, clock=clock, with_others=True) as chosen:
            path = directory / "snapshot.db"
            saved = save(path, chosen.source, disk=disk, clock=clock, progress=progress, beside=computing.begin)
            cluster_id = chosen.status.header.cluster_id
        described = {
            "kind": "etcd",
            "endpoint": saved.endpoint,
            "member": hex_id(saved.member_id),
            "cluster": hex_id(cluster_id),
            "version": saved.etcd_version,
        }
        found, findings = companions.collected() if companions is not None else (None, ())
        yield Reading(saved.path, saved, described, directory, computing, found, findings)
