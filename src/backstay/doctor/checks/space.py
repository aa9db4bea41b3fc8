"""Space and inodes of the disks under the data, the log and the backups."""

from __future__ import annotations

from collections.abc import Iterator

from backstay import findings
from backstay.cluster.host import DiskSpace
from backstay.doctor.check import Check
from backstay.doctor.facts import Facts
from backstay.findings import Finding, Severity
from backstay.values import size_text

FULL_BYTES = 64 << 20
"""etcd preallocates log segments of 64,000,000 bytes; with less than one left it stops at the next."""
LOW_SHARE = 0.10
INODES_LOW_SHARE = 0.05

DISK_FULL = findings.declare(
    "disk-full",
    Severity.ERROR,
    "The disk under etcd's data has no room for another log segment: etcd stops, and what it was writing may be damaged.",
    "free space on this file system (old logs, images, backups); then start etcd, or recover when its data is damaged",
)
DISK_LOW = findings.declare(
    "disk-low",
    Severity.WARNING,
    "The disk under etcd's data is nearly full.",
    "free space or enlarge the file system before etcd stops",
)
DISK_READ_ONLY = findings.declare(
    "disk-read-only",
    Severity.ERROR,
    "The file system under etcd's data is mounted read-only; the kernel does that after an input/output error.",
    "look for the error with `dmesg`, repair or replace the disk, then recover from the newest backup",
)
INODES_LOW = findings.declare(
    "inodes-low",
    Severity.ERROR,
    "The file system has space but no inodes left for new files.",
    "remove the many small files on it (`df -i` shows the count)",
)
BACKUP_DISK_LOW = findings.declare(
    "backup-disk-low",
    Severity.WARNING,
    "The disk under the backups has no room for two more snapshots of the present size.",
    "free space there, or keep fewer backups; `backstay snapshot rotate` cleans up safely",
)


def examine(facts: Facts) -> Iterator[Finding]:
    """Every disk that etcd or its backups need."""
    if facts.data_disk is not None:
        yield from _data_disk(f"data directory {facts.data_dir}", facts.data_disk)
    if facts.wal_disk is not None and facts.wal_disk != facts.data_disk:
        yield from _data_disk("write-ahead log", facts.wal_disk)
    for backups in facts.backups:
        newest = backups.files[0].size if backups.files else 0
        if backups.disk is not None and backups.disk.available < 2 * newest:
            yield BACKUP_DISK_LOW.at(
                f"backups in {backups.directory}",
                f"{size_text(backups.disk.available)} left, the newest snapshot has {size_text(newest)}",
            )


def _data_disk(subject: str, disk: DiskSpace) -> Iterator[Finding]:
    evidence = f"{size_text(disk.available)} of {size_text(disk.total)} left on {disk.mount_point}"
    if disk.is_read_only:
        yield DISK_READ_ONLY.at(subject, f"{disk.mount_point} ({disk.file_system}) is read-only")
    if disk.available < FULL_BYTES:
        yield DISK_FULL.at(subject, evidence)
    elif disk.available < LOW_SHARE * disk.total:
        yield DISK_LOW.at(subject, evidence)
    if disk.inodes_total and disk.inodes_available < INODES_LOW_SHARE * disk.inodes_total:
        yield INODES_LOW.at(
            subject, f"{disk.inodes_available} of {disk.inodes_total} inodes left on {disk.mount_point}"
        )


CHECK = Check("space", "space and inodes of the data and backup disks", examine)
