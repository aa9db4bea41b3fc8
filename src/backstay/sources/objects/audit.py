"""The audit of a source: every object once, then the older revisions of what should not be readable in them.

audited(objects, Terms(...)) -> findings, worst last or first as the checks have them
"""

from __future__ import annotations

from backstay.findings import Finding
from backstay.kube.audit import Audit, Terms
from backstay.sources.objects.cluster import Objects
from backstay.sources.selection import Selection


def audited(objects: Objects, terms: Terms, *, with_past: bool = True) -> list[Finding]:
    """What `terms` find in all that `objects` has stored. Raises what reading the source raises."""
    audit = Audit(terms)
    _ = objects.resources  # so that custom resources are named
    for each in objects.objects():
        audit.see(each)
    if with_past:
        _see_past(objects, audit)
    return audit.findings()


def _see_past(objects: Objects, audit: Audit) -> None:
    """Values are not decoded here: whether one is encrypted is seen at its start."""
    wanted: dict[str, bool] = {}
    for record in objects.source.records(Selection()):
        identity = objects.layout.identify(record.item.key)
        if identity is None:
            continue
        resource = identity.group_resource
        if resource not in wanted:
            wanted[resource] = audit.wants_past(resource)
        if wanted[resource] and not record.revision.tombstone:
            audit.see_past(identity, record.item.key, record.revision.main, record.item.value)
