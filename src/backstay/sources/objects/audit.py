"""The audit of a source: every object once, then the older revisions of what should not be readable in them.

audited(objects, Terms(...)) -> findings, worst last or first as the checks have them
"""

from __future__ import annotations

from backstay.findings import Finding
from backstay.kube.audit import Audit, Terms
from backstay.sources.objects.cluster import Objects
from backstay.sources.selection import Selection
from backstay.telemetry.progress import Progress, SilentProgress

_PROGRESS_BYTES = 1 << 20


def audited(
    objects: Objects, terms: Terms, *, with_past: bool = True, progress: Progress | None = None
) -> list[Finding]:
    """What `terms` find in all that `objects` has stored. Raises what reading the source raises."""
    progress = progress or SilentProgress()
    audit = Audit(terms)
    _ = objects.resources  # so that custom resources are named
    try:
        progress.begin("reading objects", None)
        read = 0
        for each in objects.objects():
            audit.see(each)
            read += each.size
            if read >= _PROGRESS_BYTES:
                progress.advance(read)
                read = 0
        if with_past:
            progress.begin("looking at older revisions", None)
            _see_past(objects, audit, progress)
    finally:
        progress.finish()
    return audit.findings()


def _see_past(objects: Objects, audit: Audit, progress: Progress) -> None:
    """Values are not decoded here: whether one is encrypted is seen at its start."""
    wanted: dict[str, bool] = {}
    read = 0
    for record in objects.source.records(Selection()):
        read += len(record.item.value)
        if read >= _PROGRESS_BYTES:
            progress.advance(read)
            read = 0
        identity = objects.layout.identify(record.item.key)
        if identity is None:
            continue
        resource = identity.group_resource
        if resource not in wanted:
            wanted[resource] = audit.wants_past(resource)
        if wanted[resource] and not record.revision.tombstone:
            audit.see_past(identity, record.item.key, record.revision.main, record.item.value)
