"""Everything doctor looked at, as one value: gathered once, judged by the checks, thrown away.

`gather` is the only place of doctor that touches the host, the files and the network, each within a short deadline, so that the
cause is named in seconds however much is dead. What could not be seen is None, with the reason beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from backstay.cluster.host import ClockState, Connection, DiskSpace, Listener, Process
from backstay.doctor.certificate_files import CertificateFile
from backstay.errors import BackstayError
from backstay.etcd.discovery import Discovery, Installation
from backstay.etcd.health import EndpointHealth
from backstay.etcd.results import HashKV, Member
from backstay.findings import Finding
from backstay.snapshot.inspect import Inspection

DEFAULT_QUOTA_BYTES = 2 << 30
"""etcd's quota when no flag sets one (or sets 0)."""


@dataclass(frozen=True, slots=True)
class PathFact:
    """One file or directory whose owner and mode matter."""

    path: Path
    what: str
    mode: int
    uid: int
    wanted_mode: int


@dataclass(frozen=True, slots=True)
class StoredFacts:
    """The store of a member that does not run, or of a snapshot: one inspection with what verification says of it, and what
    reading its log found.

    `problem` is why it could not be opened; then `inspection` is None.
    """

    path: Path
    inspection: Inspection | None
    findings: tuple[Finding, ...] = ()
    log_findings: tuple[Finding, ...] = ()
    problem: BackstayError | None = None


@dataclass(frozen=True, slots=True)
class LiveFacts:
    """What the members answered. `hashes` are of one revision, by endpoint; `members` is None where nobody listed them."""

    healths: tuple[EndpointHealth, ...]
    members: tuple[Member, ...] | None = None
    hashes: Mapping[str, HashKV] = field(default_factory=lambda: MappingProxyType({}))
    hash_problem: str = ""
    compact_lag: int | None = None
    """Revisions since the last compaction, None where it cannot be told."""

    @property
    def answers(self) -> bool:
        """Whether any member said anything."""
        return any(each.status is not None for each in self.healths)

    @property
    def serves(self) -> bool:
        """Whether any member serves linearizable reads."""
        return any(each.status is not None and each.problem is None for each in self.healths)


@dataclass(frozen=True, slots=True)
class BackupFile:
    """A file that looks like a snapshot; `problem` is the first thing wrong with it, "" when its quick check is clean."""

    path: Path
    modified: datetime
    size: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class BackupFacts:
    """The backups in one directory, newest first, and the disk they are on."""

    directory: Path
    files: tuple[BackupFile, ...]
    disk: DiskSpace | None


@dataclass(frozen=True, slots=True)
class LargeKey:
    """A live key with a large value: the key as text, the bytes of the value, and the file in which it was found."""

    key: str
    size: int
    found_in: Path


@dataclass(frozen=True, slots=True)
class ApiServerFacts:
    """The API server of this host as its static pod says. `paths` are its etcd credentials by flag name.

    `ready` is the HTTP status of /readyz, None where nothing answers; `problem` is why the manifest cannot be understood.
    """

    manifest: Path
    etcd_servers: tuple[str, ...] = ()
    paths: Mapping[str, Path] = field(default_factory=lambda: MappingProxyType({}))
    ready: int | None = None
    is_running: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """One look at a host, a data directory or a snapshot. Times are UTC."""

    now: datetime
    discovery: Discovery | None = None
    installation: Installation | None = None
    data_dir: Path | None = None
    data_disk: DiskSpace | None = None
    wal_disk: DiskSpace | None = None
    quota_bytes: int | None = None
    processes: tuple[Process, ...] = ()
    listeners: tuple[Listener, ...] = ()
    connections: tuple[Connection, ...] = ()
    clock: ClockState | None = None
    paths: tuple[PathFact, ...] = ()
    certificates: tuple[CertificateFile, ...] = ()
    stored: StoredFacts | None = None
    live: LiveFacts | None = None
    backups: tuple[BackupFacts, ...] = ()
    api_server: ApiServerFacts | None = None
    large_keys: tuple[LargeKey, ...] = ()
    sync_seconds: tuple[float, ...] = ()
    """Latencies of the fsync probe, empty unless it was asked for."""

    @property
    def etcd_processes(self) -> tuple[Process, ...]:
        """The processes that are an etcd, or hold one (k3s, RKE2)."""
        names = ("etcd", "k3s", "rke2", "k3s-server")
        return tuple(
            each
            for each in self.processes
            if each.name in names or Path(each.arguments[0]).name in ("etcd", "k3s", "rke2")
        )
