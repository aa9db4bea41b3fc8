"""The modules that declare findings: `backstay explain` imports them to know every code.

A test compares this table with the source tree, so a check in a new module fails the build until it is listed here.
"""

from __future__ import annotations

FINDING_MODULES: tuple[str, ...] = (
    "backstay.blobs.probe",
    "backstay.etcd.discovery.search",
    "backstay.formats.bbolt.check",
    "backstay.formats.directory",
    "backstay.formats.raft_snapshot",
    "backstay.formats.survey",
    "backstay.formats.wal.reader",
    "backstay.snapshot.coherence",
    "backstay.snapshot.contents",
    "backstay.snapshot.opened.directory",
    "backstay.snapshot.save.verify",
    "backstay.snapshot.verify",
    "backstay.doctor.checks.alarms",
    "backstay.doctor.checks.backups",
    "backstay.doctor.checks.certificates",
    "backstay.doctor.checks.clock",
    "backstay.doctor.checks.database",
    "backstay.doctor.checks.exposure",
    "backstay.doctor.checks.hashes",
    "backstay.doctor.checks.installation",
    "backstay.doctor.checks.large_keys",
    "backstay.doctor.checks.members",
    "backstay.doctor.checks.permissions",
    "backstay.doctor.checks.processes",
    "backstay.doctor.checks.quota",
    "backstay.doctor.checks.releases",
    "backstay.doctor.checks.space",
    "backstay.doctor.checks.sync_latency",
    "backstay.doctor.check",
    "backstay.jobs.automation.plain_copy",
    "backstay.jobs.automation.standing",
    "backstay.jobs.backup.run",
    "backstay.jobs.companions.collecting",
    "backstay.jobs.points.drill",
    "backstay.jobs.points.verify",
)
