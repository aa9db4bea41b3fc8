"""What a restore will bring, and what it cannot: objects by resource and namespace, every volume, and how long it takes.

Called by `backstay restore --plan`. The keys of the point are read from its runs; of the values only those of
PersistentVolumes are looked at. Nothing is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from backstay.kube.values import JsonObject
from backstay.repository.facts import LEVELS, Fact, rank
from backstay.repository.manifest import Manifest, PointFacts
from backstay.sources.objects import Choice, Objects

READ_BYTES_PER_SECOND = 70_000_000
"""Of runs as they are unpacked: opened, merged, proven. Measured on a shared machine with two cores, from a local disk."""

WRITE_BYTES_PER_SECOND = 85_000_000
"""Of the file: sorted, built and read back. Measured in the same restores."""

NOT_IN_ETCD = (
    "the contents of the volumes above",
    "container images",
    "logs, metrics and traces",
    "what nodes keep on their own disks (emptyDir, hostPath, caches)",
    "certificates, keys and manifests of the control plane (the companions of a backup)",
    "what lives outside the cluster: load balancers, DNS, cloud disks and identities",
)
"""What no backup of an etcd holds, this one included."""

_SOURCES = {
    "csi": ("driver", "volumeHandle"),
    "nfs": ("server", "path"),
    "hostPath": ("path",),
    "local": ("path",),
    "iscsi": ("targetPortal", "iqn"),
    "awsElasticBlockStore": ("volumeID",),
    "gcePersistentDisk": ("pdName",),
    "azureDisk": ("diskURI",),
    "azureFile": ("shareName",),
    "cephfs": ("monitors", "path"),
    "rbd": ("pool", "image"),
    "fc": ("targetWWNs", "wwids", "lun"),
    "glusterfs": ("endpoints", "path"),
    "flexVolume": ("driver", "options"),
    "portworxVolume": ("volumeID",),
    "quobyte": ("registry", "volume"),
    "scaleIO": ("gateway", "volumeName"),
    "storageos": ("volumeNamespace", "volumeName"),
    "photonPersistentDisk": ("pdID",),
    "vsphereVolume": ("volumePath",),
    "cinder": ("volumeID",),
}
"""Where a PersistentVolume's data is, by the field of its spec that says so: what names it there."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A PersistentVolume: `handle` names its data at the `driver`. `problem` says why nothing else is known."""

    name: str
    capacity: str = ""
    claim: str = ""
    storage_class: str = ""
    reclaim_policy: str = ""
    driver: str = ""
    handle: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What Kubernetes will see. Counts are of objects."""

    release: str
    resources: Mapping[str, int]
    namespaces: Mapping[str, int]
    other_keys: int
    """Keys that are no Kubernetes object's."""
    volumes: tuple[Volume, ...]


@dataclass(frozen=True, slots=True)
class Duration:
    """How many seconds a restore takes: `measured` at a time and a level, else estimated from its bytes."""

    seconds: float
    measured: datetime | None = None
    level: str = ""


def look_ahead(objects: Objects) -> Outlook:
    """What `objects`, those of the point, tell. Raises what reading raises."""
    resources, namespaces, others = Counter[str](), Counter[str](), 0
    for head in objects.heads():
        if not head.identity.resource:
            others += 1
            continue
        resources[head.identity.group_resource] += 1
        if head.identity.namespace:
            namespaces[head.identity.namespace] += 1
    volumes = tuple(
        _volume(each.json, each.identity.name, str(each.problem or ""))
        for each in objects.objects(Choice(objects.find("persistentvolumes")))
    )
    return Outlook(
        str(objects.release),
        dict(sorted(resources.items())),
        dict(sorted(namespaces.items())),
        others,
        volumes,
    )


def _volume(content: JsonObject | None, name: str, problem: str) -> Volume:
    spec = content.get("spec") if content is not None else None
    if not isinstance(spec, dict):
        return Volume(name, problem=problem or "its value cannot be read")
    driver, handle = "", ""
    for kind, fields in _SOURCES.items():
        source = spec.get(kind)
        if isinstance(source, dict):
            said = [_said(source.get(field)) for field in fields]
            driver, handle = (said[0], said[1]) if kind == "csi" else (kind, ":".join(filter(None, said)))
            break
    claim, capacity = spec.get("claimRef"), spec.get("capacity")
    return Volume(
        name,
        str(capacity.get("storage", "")) if isinstance(capacity, dict) else "",
        f"{claim.get('namespace', '')}/{claim.get('name', '')}" if isinstance(claim, dict) else "",
        str(spec.get("storageClassName", "")),
        # What the API server fills in where nothing was said.
        str(spec.get("persistentVolumeReclaimPolicy", "Retain")),
        driver,
        handle,
        problem,
    )


def _said(value: object) -> str:
    """What a field says, on one line."""
    if isinstance(value, list):
        return ",".join(map(str, value))
    if isinstance(value, dict):
        return ",".join(f"{name}={each}" for name, each in value.items())
    return "" if value is None else str(value)


def duration(manifest: Manifest, facts: PointFacts, known: Sequence[Fact]) -> Duration:
    """How long a restore of the point takes: as its own verification took, as that of its neighbour, or by its bytes."""
    best: tuple[int, datetime, float, str] | None = None
    for fact in known:
        for each in fact.points:
            if each.lineage != manifest.lineage or each.milliseconds is None or rank(each.level) < _REBUILT:
                continue
            found = (-abs(each.sequence - manifest.sequence), fact.time, each.milliseconds / 1000, each.level)
            best = max(best, found) if best is not None else found
    if best is not None:
        return Duration(best[2], best[1], best[3])
    base = next(iter(manifest.runs)).size
    return Duration(estimated_seconds(manifest.stored_bytes, base, facts.file.size))


def estimated_seconds(stored_bytes: int, base_bytes: int, file_bytes: int) -> float:
    """How long a restore takes that reads so many stored bytes, of which the base unpacks to about the file's size."""
    unpacked = stored_bytes * file_bytes / max(1, base_bytes)
    return unpacked / READ_BYTES_PER_SECOND + file_bytes / WRITE_BYTES_PER_SECOND


_REBUILT = LEVELS.index("rebuilt")
