"""Reading parts of objects that anybody may have written: a part of the wrong type is as good as none."""

from __future__ import annotations

from typing import Any

from backstay.kube.values import JsonObject


def mapping(value: Any, *path: str) -> JsonObject:
    """The object at `path`; an empty one where there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def text(value: Any, *path: str) -> str:
    """The text at `path`; empty where there is none."""
    found = mapping(value, *path[:-1]).get(path[-1]) if path else value
    return found if isinstance(found, str) else ""


def mappings(value: Any, *path: str) -> list[JsonObject]:
    """The objects in the list at `path`, in order."""
    found = mapping(value, *path[:-1]).get(path[-1])
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def is_true(value: Any, *path: str) -> bool:
    """Whether `path` holds true."""
    return mapping(value, *path[:-1]).get(path[-1]) is True


def has_condition(value: JsonObject, *types: str) -> bool:
    """Whether one of the conditions `types` is true."""
    return any(
        text(each, "type") in types and text(each, "status") == "True"
        for each in mappings(value, "status", "conditions")
    )


def group_of(api_version: str) -> str:
    """The group of an apiVersion, empty for the core."""
    return api_version.rpartition("/")[0]
