"""An object as a person would write it: without what the server, controllers and the past of this object have put in.

metadata      uid, resourceVersion, generation, times, managedFields, finalizers that controllers set, owners that are gone
status        all of it, but for custom resources that have no status of their own
by kind       addresses of Services, nodes of Pods, bindings of claims, tokens, selectors of Jobs: `by_kind`
"""

from __future__ import annotations

from typing import Any

from backstay.kube.exporting.by_kind import RULES, pod_template
from backstay.kube.exporting.reading import group_of, mapping, mappings, text
from backstay.kube.exporting.surroundings import Surroundings
from backstay.kube.values import Identity, JsonObject

_SERVERS = frozenset(
    (
        "uid", "resourceVersion", "generation", "creationTimestamp", "selfLink", "managedFields", "deletionTimestamp",
        "deletionGracePeriodSeconds", "clusterName",
    )
)  # fmt: skip
_ANNOTATIONS = frozenset(
    (
        "kubectl.kubernetes.io/last-applied-configuration", "deployment.kubernetes.io/revision",
        "deprecated.daemonset.template.generation", "endpoints.kubernetes.io/last-change-trigger-time",
        "control-plane.alpha.kubernetes.io/leader",
    )
)  # fmt: skip
_FINALIZERS = frozenset(
    (
        "orphan", "foregroundDeletion", "kubernetes.io/pvc-protection", "kubernetes.io/pv-protection",
        "kubernetes.io/vac-protection", "batch.kubernetes.io/job-tracking", "service.kubernetes.io/load-balancer-cleanup",
        "scheduling.k8s.io/podgroup-protection", "networking.k8s.io/service-cidr-finalizer",
        "resource.kubernetes.io/delete-protection", "customresourcecleanup.apiextensions.k8s.io", "kubernetes",
        "external-provisioner.volume.kubernetes.io/finalizer",
    )
)  # fmt: skip
"""Set by the controllers of Kubernetes themselves, which set them again."""


def applicable(identity: Identity, json: JsonObject, surroundings: Surroundings) -> JsonObject:
    """What to apply to have the object again; the given one stays as it is."""
    made: JsonObject = {"apiVersion": json.get("apiVersion"), "kind": json.get("kind")}
    made["metadata"] = _metadata(mapping(json, "metadata"), surroundings)
    keeps_status = identity.group_resource in surroundings.status_is_data
    for name, value in json.items():
        if name not in made and (name != "status" or keeps_status):
            made[name] = value
    rule = RULES.get((identity.group, identity.resource))
    if rule is not None:
        rule(made, json, surroundings)
    return _without_empty_times(made)


def _metadata(metadata: JsonObject, surroundings: Surroundings) -> JsonObject:
    made = {name: value for name, value in metadata.items() if name not in _SERVERS}
    if text(made, "name"):
        made.pop("generateName", None)
    _keep(made, "annotations", lambda name: name not in _ANNOTATIONS)
    finalizers = metadata.get("finalizers")
    if isinstance(finalizers, list):
        kept = [each for each in finalizers if not (isinstance(each, str) and each in _FINALIZERS)]
        _set(made, "finalizers", kept)
    if "ownerReferences" in made:
        namespace = text(metadata, "namespace")
        owners = mappings(metadata, "ownerReferences")
        _set(made, "ownerReferences", [each for each in owners if _lives(each, namespace, surroundings)])
    return made


def _lives(owner: JsonObject, namespace: str, surroundings: Surroundings) -> bool:
    """Whether the owner with this very uid is in the target: the garbage collector takes any other for gone."""
    group, kind, name, uid = (
        group_of(text(owner, "apiVersion")), text(owner, "kind"), text(owner, "name"), text(owner, "uid"),
    )  # fmt: skip
    return any(surroundings.lives_in_target(group, kind, place, name, uid) for place in {namespace, ""})


def _keep(holder: JsonObject, name: str, wanted: Any) -> None:
    found = holder.get(name)
    if isinstance(found, dict):
        _set(holder, name, {key: value for key, value in found.items() if wanted(key)})


def _set(holder: JsonObject, name: str, value: Any) -> None:
    if value:
        holder[name] = value
    else:
        holder.pop(name, None)


def _without_empty_times(made: JsonObject) -> JsonObject:
    """Templates hold `creationTimestamp: null`, which nobody writes."""
    spec = made.get("spec")
    if not isinstance(spec, dict):
        if isinstance(made.get("template"), dict):
            made["template"] = pod_template(made["template"])
        return made
    spec = dict(spec)
    for name in ("template", "jobTemplate"):
        if isinstance(spec.get(name), dict):
            spec[name] = pod_template(spec[name])
    made["spec"] = spec
    return made
