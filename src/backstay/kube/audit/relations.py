"""What objects say of each other: owners, namespaces, definitions and volumes that are not there, and deletions that hang.

An object whose owner's uid is gone is deleted by the garbage collector as soon as that runs again, which is how a careless
restore loses what it has just brought back.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from backstay.findings import Finding, Severity, declare
from backstay.kube.audit.tally import Tallies
from backstay.kube.exporting.reading import mapping, mappings, text
from backstay.kube.values import KubernetesObject

ORPHAN = declare(
    "kube-orphan",
    Severity.WARNING,
    "The owner of these objects does not exist under the uid that they name: the garbage collector will delete them.",
    "take ownerReferences out of what shall stay (kubectl edit), delete the rest",
)
NO_NAMESPACE = declare(
    "kube-no-namespace",
    Severity.WARNING,
    "Objects are in a namespace that does not exist: nothing lists them, and creating the namespace brings them to light.",
    "create the namespace to look at them, or delete their keys while no API server runs",
)
NO_DEFINITION = declare(
    "kube-no-definition",
    Severity.WARNING,
    "Custom objects have no CustomResourceDefinition: no API serves them, and they stay in etcd for ever.",
    "apply the definition to have them back, or delete the keys",
)
NO_VOLUME = declare(
    "kube-no-volume",
    Severity.WARNING,
    "A claim is bound to a PersistentVolume that does not exist, or a volume to a claim that does not.",
    "see where the data is before anything is deleted; a volume with policy Retain can be bound again",
)
ENDING = declare(
    "kube-deletion-hangs",
    Severity.NOTE,
    "Objects were deleted long ago and are still there: something that has to let go of them has not.",
    "find whose finalizer it is; take it out only when that controller is gone for good",
)

_PATIENCE = timedelta(hours=1)


class _Reference(NamedTuple):
    uid: str
    owner: str
    child: str


class Relations:
    """Judges what objects name, once all of them were seen. `now` tells how long a deletion has waited."""

    def __init__(self, now: datetime) -> None:
        self._before = (now - _PATIENCE).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._uids: set[str] = set()
        self._owned: list[_Reference] = []
        self._namespaces: set[str] = set()
        self._in_namespaces = Tallies()
        self._defined: set[str] = set()
        self._custom = Tallies()
        self._claims: dict[str, str] = {}
        self._volumes: dict[str, tuple[str, str]] = {}
        self._claim_uids: dict[str, str] = {}
        self._ending = Tallies()

    def see(self, each: KubernetesObject) -> None:
        """Take note of an object and of what it names."""
        identity, json = each.identity, each.json
        if not identity.resource or json is None:
            return
        metadata = mapping(json, "metadata")
        name = f"{identity.namespace}/{identity.name}" if identity.namespace else identity.name
        uid = text(metadata, "uid")
        self._uids.add(uid)
        for owner in mappings(metadata, "ownerReferences"):
            self._owned.append(
                _Reference(text(owner, "uid"), f"{text(owner, 'kind')} {text(owner, 'name')}", str(identity))
            )  # fmt: skip
        deleted = text(metadata, "deletionTimestamp")
        if deleted and deleted < self._before:
            self._ending.add(identity.group_resource, name)
        if identity.namespace:
            self._in_namespaces.add(identity.namespace, str(identity))
        if identity.resource == "namespaces" and not identity.group:
            self._namespaces.add(identity.name)
        elif identity.resource == "customresourcedefinitions":
            self._defined.add(identity.name)
        elif (
            "." in identity.group
            and not identity.group.endswith("k8s.io")
            and text(json, "apiVersion").startswith(identity.group)
        ):
            self._custom.add(identity.group_resource, name)
        elif identity.resource == "persistentvolumeclaims" and text(json, "status", "phase") == "Bound":
            self._claims[name] = text(json, "spec", "volumeName")
            self._claim_uids[name] = uid
        elif identity.resource == "persistentvolumes" and text(json, "status", "phase") == "Bound":
            claim = mapping(json, "spec", "claimRef")
            self._volumes[identity.name] = f"{text(claim, 'namespace')}/{text(claim, 'name')}", text(claim, "uid")

    def findings(self) -> Iterator[Finding]:
        orphans = Tallies()
        for reference in self._owned:
            if reference.uid not in self._uids:
                orphans.add(reference.child.partition(" ")[0], f"{reference.child} of {reference.owner}")
        for subject, tally in orphans.by_subject.items():
            yield ORPHAN.at(subject, f"{tally.count}: {tally}")
        for namespace, tally in self._in_namespaces.by_subject.items():
            if namespace not in self._namespaces and self._namespaces:
                yield NO_NAMESPACE.at(namespace, f"{tally.count}: {tally}")
        for resource, tally in self._custom.by_subject.items():
            if resource not in self._defined:
                yield NO_DEFINITION.at(resource, f"{tally.count}: {tally}")
        for claim, volume in self._claims.items():
            if volume and volume not in self._volumes:
                yield NO_VOLUME.at(
                    f"persistentvolumeclaims {claim}", f"bound to {volume}, which is not there or not bound"
                )
        for volume, (claim, uid) in self._volumes.items():
            if self._claim_uids.get(claim) != uid:
                yield NO_VOLUME.at(f"persistentvolumes {volume}", f"bound to {claim}, which is not there with this uid")
        for resource, tally in self._ending.by_subject.items():
            yield ENDING.at(resource, f"{tally.count}: {tally}")
