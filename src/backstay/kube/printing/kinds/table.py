"""Which columns a resource has: by its group and plural, and by the release whose API server would have drawn them."""

from __future__ import annotations

from collections.abc import Sequence

from backstay.kube.printing.columns import CREATED_AT, NAME, Column, number, text
from backstay.kube.printing.kinds import access, cluster, devices, networking, pods, storage, workloads
from backstay.kube.release import Release
from backstay.kube.values import JsonObject

Columns = tuple[Column, ...]

WITHOUT_TABLE: Columns = (NAME, CREATED_AT)
"""What the API server says of a kind that it has no table for."""

_TABLES: dict[str, Columns] = {
    "pods": pods.POD,
    "podtemplates": pods.POD_TEMPLATE,
    "deployments.apps": workloads.DEPLOYMENT,
    "replicasets.apps": workloads.REPLICA_SET,
    "replicationcontrollers": workloads.REPLICATION_CONTROLLER,
    "statefulsets.apps": workloads.STATEFUL_SET,
    "daemonsets.apps": workloads.DAEMON_SET,
    "controllerrevisions.apps": workloads.CONTROLLER_REVISION,
    "jobs.batch": workloads.JOB,
    "cronjobs.batch": workloads.CRON_JOB,
    "workloads.scheduling.k8s.io": workloads.WORKLOAD,
    "podgroups.scheduling.k8s.io": workloads.POD_GROUP,
    "compositepodgroups.scheduling.k8s.io": workloads.COMPOSITE_POD_GROUP,
    "priorityclasses.scheduling.k8s.io": cluster.PRIORITY_CLASS,
    "services": networking.SERVICE,
    "endpoints": networking.ENDPOINTS,
    "endpointslices.discovery.k8s.io": networking.ENDPOINT_SLICE,
    "ingresses.networking.k8s.io": networking.INGRESS,
    "ingressclasses.networking.k8s.io": networking.INGRESS_CLASS,
    "networkpolicies.networking.k8s.io": networking.NETWORK_POLICY,
    "ipaddresses.networking.k8s.io": networking.IP_ADDRESS,
    "servicecidrs.networking.k8s.io": networking.SERVICE_CIDR,
    "persistentvolumes": storage.VOLUME,
    "persistentvolumeclaims": storage.CLAIM,
    "volumeattributesclasses.storage.k8s.io": storage.VOLUME_ATTRIBUTES_CLASS,
    "volumeattachments.storage.k8s.io": storage.VOLUME_ATTACHMENT,
    "csidrivers.storage.k8s.io": storage.CSI_DRIVER,
    "csinodes.storage.k8s.io": storage.CSI_NODE,
    "nodes": cluster.NODE,
    "namespaces": cluster.NAMESPACE,
    "events": cluster.EVENT,
    "configmaps": cluster.CONFIG_MAP,
    "secrets": cluster.SECRET,
    "serviceaccounts": cluster.NAME_AND_AGE,
    "resourcequotas": cluster.RESOURCE_QUOTA,
    "leases.coordination.k8s.io": cluster.LEASE,
    "leasecandidates.coordination.k8s.io": cluster.LEASE_CANDIDATE,
    "runtimeclasses.node.k8s.io": cluster.RUNTIME_CLASS,
    "poddisruptionbudgets.policy": cluster.DISRUPTION_BUDGET,
    "flowschemas.flowcontrol.apiserver.k8s.io": cluster.FLOW_SCHEMA,
    "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io": cluster.PRIORITY_LEVEL,
    "apiservices.apiregistration.k8s.io": cluster.API_SERVICE,
    "customresourcedefinitions.apiextensions.k8s.io": cluster.CUSTOM_RESOURCE_DEFINITION,
    "storageversions.internal.apiserver.k8s.io": cluster.STORAGE_VERSION,
    "storageversionmigrations.storagemigration.k8s.io": cluster.MIGRATION,
    "rolebindings.rbac.authorization.k8s.io": access.BINDING,
    "clusterrolebindings.rbac.authorization.k8s.io": access.BINDING,
    "certificatesigningrequests.certificates.k8s.io": access.SIGNING_REQUEST,
    "clustertrustbundles.certificates.k8s.io": access.TRUST_BUNDLE,
    "podcertificaterequests.certificates.k8s.io": access.POD_CERTIFICATE_REQUEST,
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": access.WEBHOOKS,
    "validatingwebhookconfigurations.admissionregistration.k8s.io": access.WEBHOOKS,
    "validatingadmissionpolicies.admissionregistration.k8s.io": access.VALIDATING_POLICY,
    "validatingadmissionpolicybindings.admissionregistration.k8s.io": access.POLICY_BINDING,
    "mutatingadmissionpolicies.admissionregistration.k8s.io": access.MUTATING_POLICY,
    "mutatingadmissionpolicybindings.admissionregistration.k8s.io": access.POLICY_BINDING,
    "horizontalpodautoscalers.autoscaling": devices.AUTOSCALER,
    "deviceclasses.resource.k8s.io": cluster.NAME_AND_AGE,
    "resourceclaims.resource.k8s.io": devices.CLAIM,
    "resourceclaimtemplates.resource.k8s.io": cluster.NAME_AND_AGE,
    "resourceslices.resource.k8s.io": devices.SLICE,
    "devicetaintrules.resource.k8s.io": devices.TAINT_RULE,
    "resourcepoolstatusrequests.resource.k8s.io": devices.POOL_STATUS_REQUEST,
    "evictions.lifecycle.k8s.io": devices.EVICTION,
    "evictionrequests.lifecycle.k8s.io": devices.EVICTION_REQUEST,
}


# What older API servers drew. The tables of 1.30, 1.34 and 1.37 are known; a change in between counts from its later end.
_OLDER: dict[str, tuple[Release, Columns]] = {
    "customresourcedefinitions.apiextensions.k8s.io": (Release(1, 37), WITHOUT_TABLE),
    "nodes": (Release(1, 37), cluster.NODE_WITHOUT_ARCHITECTURE),
    "priorityclasses.scheduling.k8s.io": (Release(1, 34), cluster.PRIORITY_CLASS_WITHOUT_PREEMPTION),
    "resourcequotas": (Release(1, 34), cluster.RESOURCE_QUOTA_WITH_AGE_FIRST),
    "serviceaccounts": (Release(1, 37), cluster.SERVICE_ACCOUNT_WITH_SECRETS),
}
_ONE_DEFAULT = Release(1, 37)
"""Since then only one StorageClass is marked as the default."""


def columns_of(
    group_resource: str, release: Release | None = None, listed: Sequence[JsonObject] = ()
) -> tuple[Column, ...]:
    """The columns of a built-in resource such as `pods` or `deployments.apps`.

    `release` is that of the API server that would have drawn them (None: the newest), `listed` what it was asked to list;
    empty for single objects.
    """
    if group_resource == "storageclasses.storage.k8s.io":
        is_older = release is not None and release < _ONE_DEFAULT
        return storage.STORAGE_CLASS_AS_ANNOTATED if is_older else storage.storage_class(listed)
    until, columns = _OLDER.get(group_resource, (None, WITHOUT_TABLE))
    if until is not None and release is not None and release < until:
        return columns
    return _TABLES.get(group_resource, WITHOUT_TABLE)


def in_order(group_resource: str, listed: Sequence[JsonObject]) -> Sequence[JsonObject]:
    """Objects in the order of the API server's table, which is that of their keys but for FlowSchemas."""
    if group_resource != "flowschemas.flowcontrol.apiserver.k8s.io":
        return listed
    return sorted(listed, key=lambda each: (number(each, "spec", "matchingPrecedence"), text(each, "metadata", "name")))
