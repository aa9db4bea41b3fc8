"""Which lists are maps in disguise: the fields that name their elements, as the API's types declare them.

    containers: [{name: web, ...}]                    by name
    ports: [{containerPort: 80, protocol: TCP}]       by both; a Service's by port and protocol
    conditions: [{type: Ready, ...}]                  by type

A list is compared by name only when every element has its own, on both sides; all others are compared by position.
"""

from __future__ import annotations

from typing import Any

_BY_NAME = (
    "containers", "initContainers", "ephemeralContainers", "volumes", "env", "imagePullSecrets", "secrets", "webhooks",
    "containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses", "resourceClaims", "schedulingGates",
    "versions", "volumesAttached", "matchConditions", "variables", "drivers", "listeners", "users", "clusters", "contexts",
    "volumeClaimTemplates", "devices", "requests", "podGroups",
)  # fmt: skip

_KEYS: dict[str, tuple[tuple[str, ...], ...]] = {
    **{name: (("name",),) for name in _BY_NAME},
    "ports": (("containerPort", "protocol"), ("port", "protocol"), ("name",)),
    "volumeMounts": (("mountPath",),),
    "volumeDevices": (("devicePath",),),
    "hostAliases": (("ip",),),
    "podIPs": (("ip",),),
    "hostIPs": (("ip",),),
    "topologySpreadConstraints": (("topologyKey", "whenUnsatisfiable"),),
    "conditions": (("type",),),
    "addresses": (("type", "address"), ("type",)),
    "taints": (("key", "effect"),),
    "ownerReferences": (("uid",),),
    "managedFields": (("manager", "operation", "subresource", "apiVersion"),),
    "readinessGates": (("conditionType",),),
    "metrics": (("type", "name"),),
    "parents": (("controllerName",),),
}
_OPTIONAL = frozenset({"protocol", "subresource"})
"""Fields that may be absent, which is a value as well."""

SETS = frozenset({"finalizers"})
"""Lists of text in which order means nothing."""

Names = dict[tuple[str, ...], Any]


def by_names(field: str, before: list[Any], after: list[Any]) -> tuple[tuple[str, ...], Names, Names] | None:
    """The fields that name elements, and both lists by name; None where elements have to be compared by position."""
    for fields in _KEYS.get(field, ()):
        mine, other = _named(fields, before), _named(fields, after)
        if mine is not None and other is not None:
            return fields, mine, other
    return None


def _named(fields: tuple[str, ...], elements: list[Any]) -> Names | None:
    found: Names = {}
    for each in elements:
        if not isinstance(each, dict):
            return None
        name = []
        for field in fields:
            value = each.get(field)
            if isinstance(value, bool) or not isinstance(value, str | int):
                if field not in _OPTIONAL or value is not None:
                    return None
                value = ""
            name.append(value if isinstance(value, str) else _short(value))
        if tuple(name) in found:
            return None
        found[tuple(name)] = each
    return found


def _short(value: int) -> str:
    return str(value) if value.bit_length() < 1024 else hex(value)
