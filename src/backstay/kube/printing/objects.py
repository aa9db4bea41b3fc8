"""What `kubectl get` makes of objects before it prints them: managed fields hidden, several objects in one list."""

from __future__ import annotations

from collections.abc import Iterable

from backstay.kube.values import JsonObject


def without_managed_fields(item: JsonObject) -> JsonObject:
    """`item` without `metadata.managedFields`; the given one stays as it is."""
    metadata = item.get("metadata")
    if not isinstance(metadata, dict) or "managedFields" not in metadata:
        return item
    return {**item, "metadata": {name: each for name, each in metadata.items() if name != "managedFields"}}


def as_list(items: Iterable[JsonObject]) -> JsonObject:
    """The List in which `kubectl` prints several objects."""
    return {"apiVersion": "v1", "items": list(items), "kind": "List", "metadata": {"resourceVersion": ""}}
