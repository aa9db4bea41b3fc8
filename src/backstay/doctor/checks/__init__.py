"""All checks, in the order in which an administrator at 18:30 wants their answers. One subject per file."""

from backstay.doctor.check import Check
from backstay.doctor.checks import (
    alarms,
    backups,
    certificates,
    clock,
    database,
    exposure,
    hashes,
    installation,
    large_keys,
    members,
    permissions,
    processes,
    quota,
    releases,
    space,
    sync_latency,
)

ALL: tuple[Check, ...] = (
    installation.CHECK,
    space.CHECK,
    quota.CHECK,
    alarms.CHECK,
    processes.CHECK,
    database.CHECK,
    certificates.CHECK,
    permissions.CHECK,
    members.CHECK,
    hashes.CHECK,
    exposure.CHECK,
    backups.CHECK,
    clock.CHECK,
    sync_latency.CHECK,
    large_keys.CHECK,
    releases.CHECK,
)

__all__ = ["ALL"]
