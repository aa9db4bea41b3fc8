"""The modules that declare findings: `backstay explain` imports them to know every code.

A test compares this table with the source tree, so a check in a new module fails the build until it is listed here.
"""

from __future__ import annotations

FINDING_MODULES: tuple[str, ...] = (
    "backstay.blobs.probe",
    "backstay.etcd.discovery.search",
    "backstay.formats.bbolt.check",
    "backstay.formats.survey",
    "backstay.formats.wal.reader",
    "backstay.snapshot.coherence",
    "backstay.snapshot.contents",
    "backstay.snapshot.verify",
)
