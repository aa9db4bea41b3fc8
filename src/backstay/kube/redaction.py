"""Secrets with their values taken out: what may be shown to whoever looks over a shoulder or reads a log.

    data.password: c2VjcmV0      ->  data.password: <redacted: 6 bytes>

Names of keys, sizes and metadata stay. Annotations in which `kubectl apply` and other tools keep a copy of the whole object go
too. What is stored below a Secret's key counts as one, whatever it claims to be.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from backstay.kube.values import UNDECODED, Identity, JsonObject, KubernetesObject

REDACTED = "<redacted>"
_COPIES = ("last-applied", "kapp.k14s.io/original", "objectset.rio.cattle.io/applied")
"""Parts of the names of annotations that hold the object as it was applied, as text or compressed."""
_FIELDS_OF_VALUES = ('"data"', '"stringData"')
_SECRET_TEXT = '"Secret"'
_HARMLESS = frozenset({"kind", "apiVersion", "metadata", "type", "immutable"})


def is_secret(identity: Identity, json: JsonObject | None) -> bool:
    """Whether an object is a Secret, by its key or by what it says of itself."""
    if identity.resource == "secrets" and not identity.group:
        return True
    # Of the core group in any version, also one that no release has.
    return json is not None and json.get("kind") == "Secret" and "/" not in str(json.get("apiVersion", ""))


def redacted(json: JsonObject) -> JsonObject:
    """A Secret without its values; the given one stays as it is."""
    shown: JsonObject = {name: value if name in _HARMLESS else _without(value) for name, value in json.items()}
    metadata = shown.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    if isinstance(metadata, dict) and isinstance(annotations, dict):
        kept = {name: REDACTED if holds_copy(name, value) else value for name, value in annotations.items()}
        shown["metadata"] = {**metadata, "annotations": kept}
    return shown


def holds_copy(annotation: str, value: object) -> bool:
    """Whether an annotation of a Secret is a copy of it: by its name, or by what it says."""
    if any(each in annotation for each in _COPIES):
        return True
    said = value if isinstance(value, str) else ""
    return any(each in said for each in _FIELDS_OF_VALUES)


def redact(each: KubernetesObject) -> KubernetesObject:
    """`each` without values, where it is a Secret; everything else as it is."""
    # Damaged JSON outside of the prefix is text, and may be a Secret all the same.
    if not is_secret(each.identity, each.json) and _SECRET_TEXT not in each.text:
        return each
    json = redacted(each.json) if each.json is not None else None
    if json is not None and UNDECODED in json:
        json = {**json, UNDECODED: REDACTED}
    return replace(each, json=json, text=REDACTED if each.text else "")


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _size(each) for name, each in value.items()}
    return value if value is None else REDACTED


def _size(value: Any) -> str:
    if not isinstance(value, str):
        return REDACTED
    return f"<redacted: {len(value) * 3 // 4 - value[-2:].count('=')} bytes>"
