"""What was lost between two states of a cluster: what `changes` finds, without what came back or comes back by itself.

    deleted      is gone, and nobody makes it again
    recreated    is there under a new uid, and is not the same as it was: its fields that a person writes are compared
    changed      is another than it was, in what a person writes
    created      was not there before

    volumes      the PersistentVolumes of claims that are gone, and whether their reclaim policy may have deleted the data

An object that was restored is no loss: with the fields of the server taken out (`kube.exporting`) both are equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NamedTuple

from backstay.kube.compare import Change, FieldChange, ObjectChange, compare_objects
from backstay.kube.compare.noise import STANDARD
from backstay.kube.exporting import Left, Surroundings, applicable, left_out
from backstay.kube.exporting.reading import mapping, text
from backstay.kube.resources import Resource
from backstay.kube.values import KubernetesObject
from backstay.sources.objects.changes import changes
from backstay.sources.objects.cluster import Objects

_BY_ITSELF = frozenset({Left.MADE, Left.OWNED, Left.TOKEN, Left.OVER})


class Fate(Enum):
    """What became of the data of a volume, as far as objects tell."""

    DELETED = "the reclaim policy has the storage delete the data"
    GONE = "the object is gone; the policy leaves the data on the storage"
    THERE = "the volume is still there"

    def __str__(self) -> str:
        return self.value


class Volume(NamedTuple):
    """A PersistentVolume whose claim is gone. `where` is the driver and its handle, or the kind of volume."""

    name: str
    claim: str
    policy: str
    where: str
    fate: Fate


@dataclass(slots=True)
class Lost:
    """The answer to "what did I lose". Iterate `changes` first; the numbers are complete then."""

    changes: Iterator[ObjectChange]
    restored: int = 0
    """Objects that were created again as they were."""
    by_itself: int = 0
    """Objects that are gone or new and are made by controllers, nodes or the server."""
    volumes: list[Volume] = field(default_factory=list)


def lost(before: Objects, after: Objects, *, resources: Sequence[Resource] = (), namespace: str | None = None) -> Lost:
    """What is not in `after` as it was in `before`."""
    answer = Lost(iter(()))
    found = changes(before, after, resources=resources, namespace=namespace, noise=STANDARD)
    answer.changes = _judged(answer, found, before, after)
    return answer


def _judged(answer: Lost, found: Iterator[ObjectChange], before: Objects, after: Objects) -> Iterator[ObjectChange]:
    at_first, at_last = _surroundings(before), _surroundings(after)
    for change in found:
        _note_volume(answer, change, before, after)
        if change.change is Change.DELETED:
            is_own = _comes_by_itself(change.before, at_first)
        elif change.change is Change.CREATED:
            is_own = _comes_by_itself(change.after, at_last)
        else:
            is_own = _comes_by_itself(change.before, at_first) and _comes_by_itself(change.after, at_last)
        if is_own:
            answer.by_itself += 1
            continue
        if change.change in (Change.RECREATED, Change.CHANGED):
            fields = _written_fields(change, at_first, at_last)
            if not fields:
                answer.restored += change.change is Change.RECREATED
                answer.by_itself += change.change is Change.CHANGED
                continue
            change = replace(change, fields=fields)
        yield change


def _surroundings(objects: Objects) -> Surroundings:
    names = {
        (head.identity.group, head.identity.kind, head.identity.namespace, head.identity.name)
        for head in objects.heads()
        if head.identity.resource
    }

    def has_selector(namespace: str, name: str) -> bool:
        service = objects.get(objects.find("services"), name, namespace)
        return service is not None and bool(mapping(service.json, "spec", "selector"))

    return Surroundings(exists=lambda *name: name in names, has_selector=has_selector)


def _comes_by_itself(each: KubernetesObject | None, surroundings: Surroundings) -> bool:
    return each is not None and left_out(each.identity, each.json, surroundings) in _BY_ITSELF


def _written_fields(change: ObjectChange, at_first: Surroundings, at_last: Surroundings) -> tuple[FieldChange, ...]:
    before, after = change.before, change.after
    if before is None or after is None or before.json is None or after.json is None:
        return change.fields
    return compare_objects(
        applicable(before.identity, before.json, at_first), applicable(after.identity, after.json, at_last), STANDARD
    )


def _note_volume(answer: Lost, change: ObjectChange, before: Objects, after: Objects) -> None:
    identity = change.identity
    if identity.group or change.change not in (Change.DELETED, Change.RECREATED) or change.before is None:
        return
    name = ""
    if identity.resource == "persistentvolumeclaims":
        name = text(change.before.json, "spec", "volumeName")
    elif identity.resource == "persistentvolumes":
        name = identity.name
    if not name or any(each.name == name for each in answer.volumes):
        return
    resource = before.find("persistentvolumes")
    volume = before.get(resource, name)
    if volume is None:
        return
    spec = mapping(volume.json, "spec")
    claim = mapping(spec, "claimRef")
    policy = text(spec, "persistentVolumeReclaimPolicy") or "Retain"
    is_there = after.get(resource, name) is not None
    fate = Fate.THERE if is_there else Fate.DELETED if policy == "Delete" else Fate.GONE
    where = text(spec, "csi", "driver")
    if where:
        where += f" {text(spec, 'csi', 'volumeHandle')}"
    else:
        where = next((kind for kind, value in spec.items() if isinstance(value, dict) and kind in _KINDS), "")
    answer.volumes.append(
        Volume(name, f"{text(claim, 'namespace')}/{text(claim, 'name')}" if claim else "", policy, where, fate)
    )


_KINDS = frozenset(
    (
        "hostPath", "local", "nfs", "iscsi", "fc", "rbd", "cephfs", "awsElasticBlockStore", "gcePersistentDisk",
        "azureDisk", "azureFile", "vsphereVolume", "cinder", "glusterfs", "flexVolume", "portworxVolume", "scaleIO",
        "storageos", "quobyte", "photonPersistentDisk", "flocker",
    )
)  # fmt: skip
