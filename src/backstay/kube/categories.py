"""The kinds of objects in the groups in which people learn them: workloads, services, configuration, storage, and so on."""

from __future__ import annotations

from enum import Enum

from backstay.kube.values import Identity


class Category(Enum):
    """What an object is for; in the order in which they are shown."""

    WORKLOADS = "workloads"
    SERVICES = "services"
    CONFIGURATION = "configuration"
    STORAGE = "storage"
    RBAC = "RBAC"
    CLUSTER = "cluster"
    EVENTS = "events"
    CUSTOM = "custom"
    OTHER = "other"
    """Keys that are no object of Kubernetes."""


_MEMBERS = {
    Category.WORKLOADS: """
        pods podtemplates replicationcontrollers deployments replicasets statefulsets daemonsets controllerrevisions jobs
        cronjobs horizontalpodautoscalers poddisruptionbudgets workloads podgroups compositepodgroups evictions
        evictionrequests podpresets
    """,
    Category.SERVICES: """
        services endpoints endpointslices ingresses ingressclasses networkpolicies ipaddresses servicecidrs clustercidrs
    """,
    Category.CONFIGURATION: "configmaps secrets limitranges resourcequotas",
    Category.STORAGE: """
        persistentvolumes persistentvolumeclaims storageclasses volumeattachments volumeattributesclasses csidrivers csinodes
        csistoragecapacities
    """,
    Category.RBAC: "roles rolebindings clusterroles clusterrolebindings",
    Category.EVENTS: "events",
    Category.CUSTOM: "customresourcedefinitions",
}
_BY_RESOURCE = {resource: category for category, resources in _MEMBERS.items() for resource in resources.split()}


def category_of(identity: Identity, *, is_custom: bool) -> Category:
    """The category of what `identity` names. `is_custom`: whether a CustomResourceDefinition made its kind."""
    if not identity.resource:
        return Category.OTHER
    if is_custom or not identity.kind:
        # A kind that is neither built in nor defined any more was a custom one, or is of another release.
        return Category.CUSTOM
    return _BY_RESOURCE.get(identity.resource, Category.CLUSTER)
