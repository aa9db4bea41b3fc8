"""The tables of what belongs to the cluster itself: nodes, namespaces, events, configuration, leases, quotas, limits."""

from __future__ import annotations

from backstay.kube.printing.ages import UNKNOWN, age
from backstay.kube.printing.columns import (
    AGE,
    CREATED_AT,
    NAME,
    NONE,
    UNSET,
    Cell,
    Column,
    Context,
    at,
    conditions,
    first_few,
    flag,
    flag_at,
    is_true,
    items,
    name_of,
    number,
    number_at,
    part,
    size,
    size_at,
    text,
    words,
)
from backstay.kube.values import JsonObject

_ROLE_PREFIX, _ROLE = "node-role.kubernetes.io/", "kubernetes.io/role"


def _node_status(node: JsonObject, _: Context) -> str:
    ready = conditions(node).get("Ready")
    word = "Unknown" if ready is None else "Ready" if is_true(ready) else "NotReady"
    return f"{word},SchedulingDisabled" if flag(node, "spec", "unschedulable") else word


def _roles(node: JsonObject, _: Context) -> str:
    labels = part(node, "metadata", "labels")
    found = set()
    for name, value in labels.items() if isinstance(labels, dict) else ():
        if name.startswith(_ROLE_PREFIX):
            found.add(name.removeprefix(_ROLE_PREFIX))
        elif name == _ROLE:
            found.add(str(value))
    return ",".join(sorted(found - {""})) or NONE


def _node_address(kind: str, node: JsonObject) -> str:
    found = (each for each in items(node, "status", "addresses") if each.get("type") == kind)
    first = next(found, None)
    return NONE if first is None else text(first, "address")


def _node_info(name: str, node: JsonObject) -> str:
    return text(node, "status", "nodeInfo", name, default=UNKNOWN)


def _kernel(node: JsonObject, _: Context) -> str:
    architecture = text(node, "status", "nodeInfo", "architecture")
    return _node_info("kernelVersion", node) + (f" ({architecture})" if architecture else "")


def _kernel_alone(node: JsonObject, _: Context) -> str:
    return _node_info("kernelVersion", node)


NODE = (
    NAME,
    Column("Status", _node_status),
    Column("Roles", _roles),
    AGE,
    Column("Version", at("status", "nodeInfo", "kubeletVersion")),
    Column("Internal-IP", lambda item, _: _node_address("InternalIP", item), wide=True),
    Column("External-IP", lambda item, _: _node_address("ExternalIP", item), wide=True),
    Column("OS-Image", lambda item, _: _node_info("osImage", item), wide=True),
    Column("Kernel-Version", _kernel, wide=True),
    Column("Container-Runtime", lambda item, _: _node_info("containerRuntimeVersion", item), wide=True),
)
NODE_WITHOUT_ARCHITECTURE = tuple(
    Column(each.title, _kernel_alone, wide=True) if each.title == "Kernel-Version" else each for each in NODE
)
NAMESPACE = (NAME, Column("Status", at("status", "phase", default="Active")), AGE)


def _first_seen(event: JsonObject, context: Context) -> str:
    return age(part(event, "firstTimestamp") or part(event, "eventTime"), context.now)


def _last_seen(event: JsonObject, context: Context) -> str:
    series = part(event, "series")
    if isinstance(series, dict):
        return age(series.get("lastObservedTime"), context.now)
    last = part(event, "lastTimestamp")
    return age(last, context.now) if last else _first_seen(event, context)


def _object(event: JsonObject, _: Context) -> str:
    kind, name = text(event, "involvedObject", "kind").lower(), text(event, "involvedObject", "name")
    return f"{kind}/{name}" if name else kind


def _source(event: JsonObject, _: Context) -> str:
    component = text(event, "source", "component") or text(event, "reportingComponent")
    host = text(event, "source", "host") or text(event, "reportingInstance")
    return f"{component}, {host}" if host else component


def _count(event: JsonObject, _: Context) -> int:
    series = part(event, "series")
    return number(series, "count") if isinstance(series, dict) else number(event, "count") or 1


EVENT = (
    Column("Last Seen", _last_seen),
    Column("Type", at("type")),
    Column("Reason", at("reason")),
    Column("Object", _object),
    Column("Subobject", at("involvedObject", "fieldPath"), wide=True),
    Column("Source", _source, wide=True),
    Column("Message", lambda item, _: text(item, "message").strip()),
    Column("First Seen", _first_seen, wide=True),
    Column("Count", _count, wide=True),
    Column("Name", name_of, wide=True, is_name=True),
)
CONFIG_MAP = (NAME, Column("Data", lambda item, _: size(item, "data") + size(item, "binaryData")), AGE)
SECRET = (NAME, Column("Type", at("type")), Column("Data", size_at("data")), AGE)
NAME_AND_AGE = (NAME, AGE)
SERVICE_ACCOUNT_WITH_SECRETS = (NAME, Column("Secrets", size_at("secrets")), AGE)
LEASE = (NAME, Column("Holder", at("spec", "holderIdentity")), AGE)
LEASE_CANDIDATE = (
    NAME,
    Column("LeaseName", at("spec", "leaseName")),
    Column("BinaryVersion", at("spec", "binaryVersion")),
    Column("EmulationVersion", at("spec", "emulationVersion")),
    AGE,
)


def _quota(item: JsonObject, *, limits: bool) -> str:
    hard = part(item, "status", "hard")
    names = sorted(hard) if isinstance(hard, dict) else []
    return ", ".join(
        f"{name}: {text(item, 'status', 'used', name, default='0')}/{text(item, 'status', 'hard', name, default='0')}"
        for name in names
        if name.startswith("limits.") == limits
    )


RESOURCE_QUOTA = (
    NAME,
    Column("Request", lambda item, _: _quota(item, limits=False)),
    Column("Limit", lambda item, _: _quota(item, limits=True)),
    AGE,
)
RESOURCE_QUOTA_WITH_AGE_FIRST = (NAME, AGE, RESOURCE_QUOTA[1], RESOURCE_QUOTA[2])
PRIORITY_CLASS = (
    NAME,
    Column("Value", number_at("value")),
    Column("Global-Default", flag_at("globalDefault")),
    AGE,
    Column("PreemptionPolicy", at("preemptionPolicy")),
)
PRIORITY_CLASS_WITHOUT_PREEMPTION = PRIORITY_CLASS[:-1]
RUNTIME_CLASS = (NAME, Column("Handler", at("handler")), AGE)


def _amount(path: tuple[str, ...], item: JsonObject) -> str:
    value = part(item, *path)
    return "N/A" if value is None else str(value)


DISRUPTION_BUDGET = (
    NAME,
    Column("Min Available", lambda item, _: _amount(("spec", "minAvailable"), item)),
    Column("Max Unavailable", lambda item, _: _amount(("spec", "maxUnavailable"), item)),
    Column("Allowed Disruptions", number_at("status", "disruptionsAllowed")),
    AGE,
)


def _distinguisher(item: JsonObject, _: Context) -> str:
    method = part(item, "spec", "distinguisherMethod")
    return NONE if method is None else text(method, "type")


def _missing_level(item: JsonObject, _: Context) -> str:
    for each in items(item, "status", "conditions"):
        if each.get("type") == "Dangling":
            return text(each, "status")
    return "?"


FLOW_SCHEMA = (
    NAME,
    Column("PriorityLevel", at("spec", "priorityLevelConfiguration", "name")),
    Column("MatchingPrecedence", number_at("spec", "matchingPrecedence")),
    Column("DistinguisherMethod", _distinguisher),
    AGE,
    Column("MissingPL", _missing_level),
)


def _limit(item: JsonObject, *path: str) -> Cell:
    found = part(item, "spec", "limited", *path)
    return NONE if found is None else str(found)


_QUEUING = ("limitResponse", "queuing")
PRIORITY_LEVEL = (
    NAME,
    Column("Type", at("spec", "type")),
    Column("NominalConcurrencyShares", lambda item, _: _limit(item, "nominalConcurrencyShares")),
    Column("Queues", lambda item, _: _limit(item, *_QUEUING, "queues")),
    Column("HandSize", lambda item, _: _limit(item, *_QUEUING, "handSize")),
    Column("QueueLengthLimit", lambda item, _: _limit(item, *_QUEUING, "queueLengthLimit")),
    AGE,
)


def _service(item: JsonObject, _: Context) -> str:
    service = part(item, "spec", "service")
    return "Local" if service is None else f"{text(service, 'namespace')}/{text(service, 'name')}"


def _available(item: JsonObject, _: Context) -> str:
    condition = conditions(item).get("Available")
    if condition is None:
        return "Unknown"
    status, reason = text(condition, "status"), text(condition, "reason")
    return f"{status} ({reason})" if reason and not is_true(condition) else status


API_SERVICE = (NAME, Column("Service", _service), Column("Available", _available), AGE)


def _versions(item: JsonObject, _: Context) -> str:
    served = [each for each in items(item, "spec", "versions") if flag(each, "served")]
    return ",".join(sorted(text(each, "name") + ("(storage)" if flag(each, "storage") else "") for each in served))


CUSTOM_RESOURCE_DEFINITION = (
    NAME,
    Column("Scope", at("spec", "scope")),
    Column("Versions", _versions),
    CREATED_AT,
    Column("Group", at("spec", "group"), wide=True),
    Column("Kind", at("spec", "names", "kind"), wide=True),
    Column("ShortNames", lambda item, _: ",".join(words(item, "spec", "names", "shortNames")), wide=True),
    Column("Established", lambda item, _: is_true(conditions(item).get("Established")), wide=True),
)


def _storage_versions(item: JsonObject, _: Context) -> str:
    versions = items(item, "status", "storageVersions")
    return first_few(f"{text(each, 'apiServerID')}={text(each, 'encodingVersion')}" for each in versions)


STORAGE_VERSION = (
    NAME,
    Column("CommonEncodingVersion", at("status", "commonEncodingVersion", default=UNSET)),
    Column("StorageVersions", _storage_versions),
    AGE,
)


def _migrated(item: JsonObject, _: Context) -> str:
    resource = part(item, "spec", "resource")
    group = text(resource, "group")
    return f"{text(resource, 'resource')}.{group}" if group else text(resource, "resource")


def _migration_status(item: JsonObject, _: Context) -> str:
    word = "Unknown"
    for each in items(item, "status", "conditions"):
        if is_true(each) and each.get("type") in ("Running", "Failed", "Succeeded"):
            word = text(each, "type")
    return word


# This name is no name for `kubectl`: it never gets its kind before it.
MIGRATION = (
    Column("Name", name_of),
    Column("Resource", _migrated),
    Column("Status", _migration_status),
)
