"""Which objects are not exported, and why: what a controller, a node or the server makes again, and what would only harm.

A restore of the owner brings back what it owns; a child that came with it would be adopted, doubled, or deleted because it
names an owner by a uid that no longer exists.
"""

from __future__ import annotations

import re
from enum import Enum

from backstay.kube.exporting.reading import group_of, has_condition, is_true, mapping, mappings, text
from backstay.kube.exporting.surroundings import Surroundings
from backstay.kube.values import UNDECODED, Identity, JsonObject

_MADE = frozenset(
    (
        "events", "leases", "leasecandidates", "nodes", "csinodes", "volumeattachments", "certificatesigningrequests",
        "podcertificaterequests", "resourceslices", "ipaddresses", "storageversions", "storageversionmigrations",
        "controllerrevisions", "masterleases", "peerserverleases", "ranges", "resourcepoolstatusrequests", "evictions",
        "evictionrequests", "csistoragecapacities", "podschedulingcontexts",
    )
)  # fmt: skip
_BUILT_IN_GROUP = re.compile(r"|[a-z]+|(?:[a-z]+\.)*k8s\.io")
_DATA = frozenset({"persistentvolumeclaims", "secrets"})
_SERVICE_ACCOUNT = "kubernetes.io/service-account.name"
_MANAGED_SLICE = "endpointslice.kubernetes.io/managed-by"
_MANAGED_ENDPOINTS = "endpoints.kubernetes.io/managed-by"
_TRIGGER = "endpoints.kubernetes.io/last-change-trigger-time"
_NAMESPACES = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})
_SERVERS_OWN = frozenset(
    (
        ("configmaps", "kube-system", "extension-apiserver-authentication"),
        ("configmaps", "kube-system", "kube-apiserver-legacy-service-account-token-tracking"),
        ("services", "default", "kubernetes"),
        ("endpoints", "default", "kubernetes"),
        ("endpointslices", "default", "kubernetes"),
        ("servicecidrs", "", "kubernetes"),
        ("priorityclasses", "", "system-cluster-critical"),
        ("priorityclasses", "", "system-node-critical"),
    )
)


class Left(Enum):
    """Why an object is left out."""

    NOT_READ = "it could not be decoded"
    UNDEFINED = "its kind is defined nowhere in the source"
    MADE = "it is made by nodes, controllers or the server"
    OWNED = "its owner makes it again"
    ENDING = "it was being deleted"
    OVER = "it has finished, and would run again"
    TOKEN = "it is a token that is made again"
    DATA = "its volume is provisioned anew, with its claim"
    SECRET = "it is a Secret (--show-secrets exports it)"

    def __str__(self) -> str:
        return self.value


def left_out(identity: Identity, json: JsonObject | None, surroundings: Surroundings) -> Left | None:
    """Why the object is not exported; None when it is."""
    if json is None or UNDECODED in json or not text(json, "kind") or not identity.resource:
        return Left.NOT_READ
    metadata = mapping(json, "metadata")
    if text(metadata, "deletionTimestamp"):
        return Left.ENDING
    if _BUILT_IN_GROUP.fullmatch(identity.group) and _is_made(identity, json, surroundings):
        return Left.MADE
    if not surroundings.takes_children and _is_owned(identity, json, surroundings):
        return Left.OWNED
    return _by_kind(identity, json)


def _is_made(identity: Identity, json: JsonObject, surroundings: Surroundings) -> bool:
    resource, metadata = identity.resource, mapping(json, "metadata")
    if resource in _MADE or (resource, identity.namespace, identity.name) in _SERVERS_OWN:
        return True
    labels, annotations = mapping(metadata, "labels"), mapping(metadata, "annotations")
    if resource == "endpointslices":
        return bool(text(labels, _MANAGED_SLICE))
    if resource == "endpoints":
        if _TRIGGER in annotations or text(labels, _MANAGED_ENDPOINTS):
            return True
        return surroundings.has_selector(identity.namespace, identity.name)
    if resource == "configmaps":
        return identity.name == "kube-root-ca.crt"
    if resource == "serviceaccounts":
        own = {"secrets", "imagePullSecrets", "automountServiceAccountToken"} & json.keys()
        return identity.name == "default" and not (own or labels or annotations)
    if resource == "namespaces":
        return identity.name in _NAMESPACES and labels.keys() <= {"kubernetes.io/metadata.name"}
    if resource == "clustertrustbundles":
        return text(json, "spec", "signerName").startswith("kubernetes.io/")
    if resource == "apiservices":
        return bool(text(labels, "kube-aggregator.kubernetes.io/automanaged"))
    if identity.group == "flowcontrol.apiserver.k8s.io":
        return "apf.kubernetes.io/autoupdate-spec" in annotations
    return identity.group == "rbac.authorization.k8s.io" and "kubernetes.io/bootstrapping" in labels


def _is_owned(identity: Identity, json: JsonObject, surroundings: Surroundings) -> bool:
    """Whether a controller that exists, or will exist again, makes the object."""
    for owner in mappings(json, "metadata", "ownerReferences"):
        kind, name, group = text(owner, "kind"), text(owner, "name"), group_of(text(owner, "apiVersion"))
        if not is_true(owner, "controller"):
            continue
        if identity.resource in _DATA and not identity.group and _makes_another(group, kind):
            continue
        if any(surroundings.exists(group, kind, place, name) for place in {identity.namespace, ""}):
            return True
    return False


def _makes_another(group: str, kind: str) -> bool:
    """Whether what the owner makes again is another: a claim without its volume, a Secret with a new password."""
    return kind == "StatefulSet" or _BUILT_IN_GROUP.fullmatch(group) is None


def _by_kind(identity: Identity, json: JsonObject) -> Left | None:
    if identity.group == "batch" and identity.resource == "jobs":
        return Left.OVER if has_condition(json, "Complete", "Failed") else None
    if identity.group:
        return None
    metadata = mapping(json, "metadata")
    if identity.resource == "pods":
        if "kubernetes.io/config.mirror" in mapping(metadata, "annotations"):
            return Left.MADE
        return Left.OVER if text(json, "status", "phase") in ("Succeeded", "Failed") else None
    if identity.resource == "secrets" and text(json, "type") == "kubernetes.io/service-account-token":
        account = text(metadata, "annotations", _SERVICE_ACCOUNT)
        return Left.TOKEN if account and identity.name.startswith(f"{account}-token-") else None
    if identity.resource == "persistentvolumes":
        is_provisioned = "pv.kubernetes.io/provisioned-by" in mapping(metadata, "annotations")
        policy = text(json, "spec", "persistentVolumeReclaimPolicy")
        return Left.DATA if is_provisioned and policy == "Delete" else None
    return None
