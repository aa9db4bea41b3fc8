"""What is taken out of objects of one kind before they are applied again.

A rule changes `made`, a shallow copy that it may fill with new parts, and never the parts of `json` themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from backstay.kube.exporting.reading import is_true, mapping, mappings, text
from backstay.kube.exporting.surroundings import Surroundings
from backstay.kube.values import JsonObject

Rule = Callable[[JsonObject, JsonObject, Surroundings], None]

_BINDING = frozenset(
    (
        "pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller",
        "volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner",
        "volume.kubernetes.io/selected-node",
    )
)  # fmt: skip
_UID_LABELS = frozenset(
    ("controller-uid", "batch.kubernetes.io/controller-uid", "job-name", "batch.kubernetes.io/job-name")
)
_TOKEN = re.compile(r"-token-[a-z0-9]{5}\Z")
_NODE_PORTS = ("nodePort", "healthCheckNodePort")


def pod_template(template: JsonObject) -> JsonObject:
    """A template without the time at which nothing was created."""
    made = dict(template)
    metadata = made.get("metadata")
    if isinstance(metadata, dict) and metadata.get("creationTimestamp", "") is None:
        made["metadata"] = {name: value for name, value in metadata.items() if name != "creationTimestamp"}
    spec = made.get("spec")
    if isinstance(spec, dict) and isinstance(spec.get("template"), dict):
        made["spec"] = {**spec, "template": pod_template(spec["template"])}
    return made


def _namespace(made: JsonObject, json: JsonObject, surroundings: Surroundings) -> None:
    spec = {name: value for name, value in mapping(json, "spec").items() if name != "finalizers"}
    made.pop("spec", None)
    if spec:
        made["spec"] = spec


def _service(made: JsonObject, json: JsonObject, surroundings: Surroundings) -> None:
    spec = dict(mapping(json, "spec"))
    made["spec"] = spec
    if surroundings.keeps_addresses:
        return
    if spec.get("clusterIP") != "None":
        spec.pop("clusterIP", None)
        spec.pop("clusterIPs", None)
    if spec.get("ipFamilyPolicy") == "SingleStack":
        spec.pop("ipFamilies", None)
    asked = _asked_ports(json)
    if "healthCheckNodePort" not in asked:
        spec.pop("healthCheckNodePort", None)
    ports = spec.get("ports")
    if isinstance(ports, list) and "nodePort" not in asked:
        spec["ports"] = [_without(each, "nodePort") for each in ports]


def _asked_ports(json: JsonObject) -> set[str]:
    """The node ports that somebody asked for: only what was in a request has an owner."""
    found: set[str] = set()
    for entry in mappings(json, "metadata", "managedFields"):
        spec = mapping(entry, "fieldsV1", "f:spec")
        found.update(name for name in _NODE_PORTS if f"f:{name}" in spec)
        if any(isinstance(port, dict) and "f:nodePort" in port for port in mapping(spec, "f:ports").values()):
            found.add("nodePort")
    return found


def _claim(made: JsonObject, json: JsonObject, surroundings: Surroundings) -> None:
    _drop_annotations(made, _BINDING)
    spec = dict(mapping(json, "spec"))
    if not surroundings.has_volume(text(spec, "volumeName")):
        spec.pop("volumeName", None)
    made["spec"] = spec


def _volume(made: JsonObject, json: JsonObject, surroundings: Surroundings) -> None:
    spec = dict(mapping(json, "spec"))
    claim = spec.get("claimRef")
    if isinstance(claim, dict):
        spec["claimRef"] = {name: value for name, value in claim.items() if name not in ("uid", "resourceVersion")}
    made["spec"] = spec
    _drop_annotations(made, frozenset({"pv.kubernetes.io/bound-by-controller"}))


def _pod(made: JsonObject, json: JsonObject, surroundings: Surroundings) -> None:
    gone = ("nodeName", "priority", "ephemeralContainers", "serviceAccount")
    spec = {name: value for name, value in mapping(json, "spec").items() if name not in gone}
    if "serviceAccountName" not in spec and text(json, "spec", "serviceAccount"):
        spec["serviceAccountName"] = text(json, "spec", "serviceAccount")
    tokens = {
        text(each, "name")
        for each in mappings(spec, "volumes")
        if _TOKEN.search(text(each, "name")) and text(each, "secret", "secretName") == text(each, "name")
    }
    if tokens:
        spec["volumes"] = [each for each in mappings(spec, "volumes") if text(each, "name") not in tokens]
        for field in ("containers", "initContainers"):
            if isinstance(spec.get(field), list):
                spec[field] = [_without_mounts(each, tokens) for each in mappings(spec, field)]
    made["spec"] = spec


def _without_mounts(container: JsonObject, names: set[str]) -> JsonObject:
    mounts = [each for each in mappings(container, "volumeMounts") if text(each, "name") not in names]
    return {**_without(container, "volumeMounts"), **({"volumeMounts": mounts} if mounts else {})}


def _job(made: JsonObject, json: JsonObject, surroundings: Surroundings) -> None:
    spec = dict(mapping(json, "spec"))
    if not is_true(spec, "manualSelector"):
        spec.pop("selector", None)
        template = mapping(spec, "template")
        metadata = mapping(template, "metadata")
        labels = {name: value for name, value in mapping(metadata, "labels").items() if name not in _UID_LABELS}
        rest = _without(metadata, "labels")
        spec["template"] = {**template, "metadata": {**rest, **({"labels": labels} if labels else {})}}
        own = mapping(made, "metadata", "labels")
        kept = {name: value for name, value in own.items() if name not in _UID_LABELS}
        if kept != own:
            made["metadata"] = {**_without(made["metadata"], "labels"), **({"labels": kept} if kept else {})}
    made["spec"] = spec


def _stateful_set(made: JsonObject, json: JsonObject, surroundings: Surroundings) -> None:
    spec = dict(mapping(json, "spec"))
    if isinstance(spec.get("volumeClaimTemplates"), list):
        spec["volumeClaimTemplates"] = [
            pod_template(_without(each, "status")) for each in mappings(spec, "volumeClaimTemplates")
        ]
    made["spec"] = spec


def _service_account(made: JsonObject, json: JsonObject, surroundings: Surroundings) -> None:
    start = f"{text(json, 'metadata', 'name')}-token-"
    kept = [each for each in mappings(json, "secrets") if not text(each, "name").startswith(start)]
    made.pop("secrets", None)
    if kept:
        made["secrets"] = kept


def _secret(made: JsonObject, json: JsonObject, surroundings: Surroundings) -> None:
    if text(json, "type") != "kubernetes.io/service-account-token":
        return
    _drop_annotations(made, frozenset({"kubernetes.io/service-account.uid"}))
    gone = ("token", "ca.crt", "namespace")
    data = {name: value for name, value in mapping(json, "data").items() if name not in gone}
    made.pop("data", None)
    if data:
        made["data"] = data


def _cluster_role(made: JsonObject, json: JsonObject, surroundings: Surroundings) -> None:
    if mapping(json, "aggregationRule"):
        made.pop("rules", None)


def _drop_annotations(made: JsonObject, names: frozenset[str]) -> None:
    own = mapping(made, "metadata", "annotations")
    kept = {name: value for name, value in own.items() if name not in names}
    if kept != own:
        made["metadata"] = {**_without(made["metadata"], "annotations"), **({"annotations": kept} if kept else {})}


def _without(value: Any, name: str) -> Any:
    return {key: each for key, each in value.items() if key != name} if isinstance(value, dict) else value


RULES: dict[tuple[str, str], Rule] = {
    ("", "namespaces"): _namespace,
    ("", "services"): _service,
    ("", "persistentvolumeclaims"): _claim,
    ("", "persistentvolumes"): _volume,
    ("", "pods"): _pod,
    ("", "serviceaccounts"): _service_account,
    ("", "secrets"): _secret,
    ("batch", "jobs"): _job,
    ("apps", "statefulsets"): _stateful_set,
    ("rbac.authorization.k8s.io", "clusterroles"): _cluster_role,
}
"""By group and resource."""
