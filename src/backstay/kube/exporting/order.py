"""In which order objects are applied: each after what it needs.

    10 namespaces         50 accounts          80 workloads
    20 definitions        60 configuration     85 owners of workloads
    30 classes            65 limits            90 policies, autoscalers, custom objects
    40 volumes            70 services          99 webhooks, admission policies

Custom objects come after everything of Kubernetes that their controllers may run as; webhooks last, because one whose service
is not up refuses everything behind it.
"""

from __future__ import annotations

from typing import NamedTuple

from backstay.kube.values import Identity


class Stage(NamedTuple):
    """A step of an export; comparable."""

    number: int
    name: str


_STAGES: tuple[tuple[Stage, tuple[str, ...]], ...] = (
    (Stage(10, "namespaces"), ("namespaces",)),
    (Stage(20, "definitions"), ("customresourcedefinitions.apiextensions.k8s.io",)),
    (
        Stage(30, "classes"),
        (
            "priorityclasses.scheduling.k8s.io", "runtimeclasses.node.k8s.io", "ingressclasses.networking.k8s.io",
            "storageclasses.storage.k8s.io", "volumeattributesclasses.storage.k8s.io", "csidrivers.storage.k8s.io",
            "deviceclasses.resource.k8s.io",
        ),
    ),
    (Stage(40, "volumes"), ("persistentvolumes", "persistentvolumeclaims")),
    (
        Stage(50, "accounts"),
        (
            "serviceaccounts", "clusterroles.rbac.authorization.k8s.io", "roles.rbac.authorization.k8s.io",
            "clusterrolebindings.rbac.authorization.k8s.io", "rolebindings.rbac.authorization.k8s.io",
        ),
    ),
    (Stage(60, "configuration"), ("secrets", "configmaps")),
    (Stage(65, "limits"), ("limitranges",)),
    (Stage(70, "services"), ("endpoints", "endpointslices.discovery.k8s.io", "services")),
    (
        Stage(80, "workloads"),
        (
            "podtemplates", "workloads.scheduling.k8s.io", "podgroups.scheduling.k8s.io",
            "compositepodgroups.scheduling.k8s.io", "resourceclaims.resource.k8s.io",
            "resourceclaimtemplates.resource.k8s.io", "pods", "replicasets.apps", "replicationcontrollers",
        ),
    ),
    (
        Stage(85, "controllers"),
        ("daemonsets.apps", "deployments.apps", "statefulsets.apps", "jobs.batch", "cronjobs.batch"),
    ),
    (
        Stage(95, "policies"),
        (
            "poddisruptionbudgets.policy", "horizontalpodautoscalers.autoscaling", "ingresses.networking.k8s.io",
            "networkpolicies.networking.k8s.io", "resourcequotas", "apiservices.apiregistration.k8s.io",
        ),
    ),
    (
        Stage(99, "admission"),
        tuple(
            f"{each}.admissionregistration.k8s.io"
            for each in (
                "validatingadmissionpolicies", "validatingadmissionpolicybindings", "mutatingadmissionpolicies",
                "mutatingadmissionpolicybindings", "validatingwebhookconfigurations", "mutatingwebhookconfigurations",
            )
        ),
    ),
)  # fmt: skip
_OTHERS = Stage(90, "others")
_PLACES = {name: (stage, place) for stage, names in _STAGES for place, name in enumerate(names)}


def stage_of(identity: Identity) -> Stage:
    """The step in which an object is applied."""
    found = _PLACES.get(identity.group_resource)
    return found[0] if found is not None else _OTHERS


def sort_key(identity: Identity) -> tuple[int, int, str, str, str]:
    """Sorts objects into the order in which they are applied."""
    stage, place = _PLACES.get(identity.group_resource, (_OTHERS, 0))
    return stage.number, place, identity.group_resource, identity.namespace, identity.name
