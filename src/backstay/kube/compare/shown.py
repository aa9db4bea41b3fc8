"""A change with the values of Secrets taken out: which field changed stays to be seen, from what to what does not.

data.password        <redacted: 6 bytes> -> <redacted: 6 bytes, another value>
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from backstay.kube.compare.fields import MISSING, FieldChange
from backstay.kube.compare.sets import ObjectChange
from backstay.kube.redaction import REDACTED, holds_copy, is_secret, redact, redacted
from backstay.kube.values import KubernetesObject

_PLAIN = ("metadata", "kind", "apiVersion", "type", "immutable")
_ANNOTATIONS = "metadata.annotations"


def shown(change: ObjectChange) -> ObjectChange:
    """`change` as it may be shown to anybody; changes of other objects as they are."""
    states = [each for each in (change.before, change.after) if each is not None]
    if not any(is_secret(each.identity, each.json) for each in states):
        return change
    return replace(
        change,
        before=_hidden(change.before),
        after=_hidden(change.after),
        fields=tuple(hidden_field(each) for each in change.fields),
    )


def _hidden(each: KubernetesObject | None) -> KubernetesObject | None:
    if each is None:
        return None
    if is_secret(each.identity, each.json):
        return redact(each)
    # The other state is a Secret, so this one's values are looked at with the same suspicion.
    return replace(
        each, json=redacted(each.json) if each.json is not None else None, text=REDACTED if each.text else ""
    )


def hidden_field(field: FieldChange) -> FieldChange:
    """A difference of a Secret, without its values."""
    name = field.path.partition(".")[0].partition("[")[0]
    is_copy = field.path.startswith(_ANNOTATIONS) and (
        "[" not in field.path or any(holds_copy(field.path, each) for each in (field.before, field.after))
    )
    if name in _PLAIN and not (is_copy or field.path == "metadata"):
        return field
    before, after = _value(name, field.before), _value(name, field.after)
    if before == after:
        after = f"{after[:-1]}, another value>" if isinstance(after, str) and after.endswith(">") else after
    return FieldChange(field.path, before, after)


def _value(name: str, value: Any) -> Any:
    if value is MISSING or value is None:
        return value
    if isinstance(value, dict):
        return {key: REDACTED for key in value} if name in ("data", "stringData") else REDACTED
    if isinstance(value, str) and name == "data":
        return f"<redacted: {len(value) * 3 // 4 - value[-2:].count('=')} bytes>"
    return REDACTED
