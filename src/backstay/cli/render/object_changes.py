"""What happened to Kubernetes objects between two states, as lines for people, as data, and as a patch.

    + configmaps shop/prices
    ~ deployments.apps shop/web
        spec.replicas: 3 -> 5
    - secrets shop/token
    ± configmaps shop/settings (deleted and created again)

Pure: changes come in, text goes out; whether it is coloured is said by the caller.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator
from typing import Any

from backstay.cli.render.plain import Plain
from backstay.cli.render.tables import printable
from backstay.kube.compare import MISSING, Change, FieldChange, ObjectChange
from backstay.kube.compare.sets import uid_of
from backstay.kube.printing.json_text import compact_json
from backstay.kube.printing.yaml_text import yaml_of
from backstay.kube.values import JsonObject, KubernetesObject
from backstay.sources import key_text

SIGNS = {Change.CREATED: "+", Change.DELETED: "-", Change.CHANGED: "~", Change.RECREATED: "±"}
COLOURS = {Change.CREATED: "green", Change.DELETED: "red", Change.CHANGED: "yellow", Change.RECREATED: "magenta"}

_VALUE_LIMIT = 100
_SAID_FIELDS = 40
_PATCH_LINES = 20_000
"""A patch of longer texts replaces them as a whole: finding the shortest one takes time that grows with the square."""


def change_lines(change: ObjectChange, colours: bool) -> Iterator[str]:
    """A change as lines for people, with at most some dozen fields."""
    again = " (deleted and created again)" if change.change is Change.RECREATED else ""
    what = title(change.newest) + again
    yield painted(f"{SIGNS[change.change]} {printable(what)}", COLOURS[change.change], colours)
    if change.change is Change.CHANGED and not change.fields:
        yield "    (written again with the same content)"
    for field in change.fields[:_SAID_FIELDS]:
        path = printable(field.path) or "(value)"
        before, after = value_text(field.before), value_text(field.after)
        yield f"    {path}: {painted(before, 'red', colours)} -> {painted(after, 'green', colours)}"
    if len(change.fields) > _SAID_FIELDS:
        yield f"    ... and {len(change.fields) - _SAID_FIELDS} fields more (-o json has them)"


def title(each: KubernetesObject) -> str:
    """What an object is called, or its key where that names none."""
    return str(each.identity) if each.identity.resource else key_text(each.key)


def value_text(value: Any) -> str:
    """A value on one line, cut where it is long."""
    if value is MISSING:
        return "(missing)"
    text = printable(value if isinstance(value, str) and value else compact_json(value))
    return text if len(text) <= _VALUE_LIMIT else f"{text[:_VALUE_LIMIT]}... ({len(text)} characters)"


def summary(counts: Counter[Change]) -> str:
    """`3 created, 1 deleted`, or that nothing differs."""
    said = [f"{counts[change]} {change.value}" for change in Change if counts[change]]
    return ", ".join(said) or "no differences"


def change_plain(change: ObjectChange) -> dict[str, Plain]:
    """A change as data."""
    newest = change.newest
    plain: dict[str, Plain] = {
        "change": change.change.value,
        "key": key_text(change.key),
        "apiVersion": newest.stored_api_version,
        "kind": newest.identity.kind,
        "namespace": newest.identity.namespace,
        "name": newest.identity.name,
        "before": _state(change.before),
        "after": _state(change.after),
    }
    if change.before is not None and change.after is not None:
        plain["fields"] = [_field(each) for each in change.fields]
    return plain


def change_patch(change: ObjectChange, colours: bool) -> Iterator[str]:
    """A change as a unified diff of YAML."""
    before, after = _yaml_lines(change.before), _yaml_lines(change.after)
    name = key_text(change.key).lstrip("/")
    old = "/dev/null" if change.before is None else f"a/{name}"
    new = "/dev/null" if change.after is None else f"b/{name}"
    if len(before) + len(after) > _PATCH_LINES:
        hunk = f"@@ -1,{len(before)} +1,{len(after)} @@"
        lines = [f"--- {old}", f"+++ {new}", hunk, *(f"-{each}" for each in before), *(f"+{each}" for each in after)]
    else:
        lines = list(difflib.unified_diff(before, after, old, new, lineterm=""))
    if not lines:
        yield f"# {name}: written again with the same content, or with values that are not shown"
    for line in lines:
        yield painted(line, {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], ""), colours)


def painted(text: str, colour: str, colours: bool) -> str:
    """`text` in a colour, where colours are wanted."""
    if not colours or not colour:
        return text
    import click

    return click.style(text, fg=colour)


def _state(each: KubernetesObject | None) -> Plain:
    if each is None:
        return None
    state: dict[str, Plain] = {
        "uid": uid_of(each.json),
        "modRevision": int(each.mod_revision),
        "createRevision": int(each.create_revision),
    }
    if each.problem is not None:
        state["problem"] = str(each.problem)
    return state


def _field(field: FieldChange) -> Plain:
    plain: dict[str, Any] = {"path": field.path}
    if field.before is not MISSING:
        plain["before"] = field.before
    if field.after is not MISSING:
        plain["after"] = field.after
    return plain


def _yaml_lines(each: KubernetesObject | None) -> list[str]:
    if each is None:
        return []
    json: JsonObject | str = (
        each.json if each.json is not None else each.text or f"({each.problem or each.encoding.value})"
    )
    return yaml_of(json).splitlines()
