"""The life of one object out of its stored revisions: when it changed, what changed, and which field manager did it.

Who: `metadata.managedFields` names managers with the time of their last write. A manager whose entry is new or different
after a revision has written it; where none is, the only one that owns what changed. What is older than the compaction is
not stored, so the first revision that is there may be the middle of a life.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any, NamedTuple

from backstay.kube.compare import FieldChange, compare_objects
from backstay.kube.compare.shown import hidden_field
from backstay.kube.printing.columns import items, text
from backstay.kube.redaction import is_secret
from backstay.kube.values import JsonObject, KubernetesObject
from backstay.values import Revision

_LEFT_OUT = ("metadata.managedFields", "metadata.resourceVersion")


class Event(Enum):
    """What happened at a revision."""

    CREATED = "created"
    CHANGED = "changed"
    DELETED = "deleted"
    FOUND = "found"
    """The oldest revision that is stored; it was created before."""


class Author(NamedTuple):
    """A field manager, how it wrote, and through which subresource."""

    manager: str
    operation: str
    subresource: str

    def __str__(self) -> str:
        return f"{self.manager} ({self.subresource})" if self.subresource else self.manager


class Chapter(NamedTuple):
    """One revision of an object."""

    revision: Revision
    event: Event
    time: str
    """When, as far as the object says; empty where it does not."""
    authors: tuple[Author, ...]
    fields: tuple[FieldChange, ...]
    object: KubernetesObject | None


def chapters(
    past: Iterable[tuple[Revision, KubernetesObject | None]], *, show_secrets: bool = False
) -> Iterator[Chapter]:
    """The chapters of a life, oldest first. Values of Secrets are hidden unless they may be shown."""
    before: KubernetesObject | None = None
    for revision, after in past:
        if after is None:
            yield Chapter(revision, Event.DELETED, "", (), (), None)
        elif before is None:
            is_first = after.create_revision == after.mod_revision
            event = Event.CREATED if is_first else Event.FOUND
            time = text(after.json, "metadata", "creationTimestamp") if is_first else ""
            yield Chapter(revision, event, time, authors(None, after.json), (), after)
        else:
            yield _changed(revision, before, after, show_secrets=show_secrets)
        before = after


def _changed(revision: Revision, before: KubernetesObject, after: KubernetesObject, *, show_secrets: bool) -> Chapter:
    fields = tuple(each for each in compare_objects(before.json, after.json) if not each.path.startswith(_LEFT_OUT))
    if is_secret(after.identity, after.json) and not show_secrets:
        fields = tuple(hidden_field(each) for each in fields)
    wrote = authors(before.json, after.json) or _owner(after.json, fields)
    times = [text(each, "time") for each in items(after.json, "metadata", "managedFields") if _author(each) in wrote]
    return Chapter(revision, Event.CHANGED, max(times, default=""), wrote, fields, after)


def authors(before: JsonObject | None, after: JsonObject | None) -> tuple[Author, ...]:
    """The managers that wrote `after`, in their order.

    Those that have a new time or own more than before; who only lost fields to another manager has written nothing.
    """
    known = {_author(each): each for each in items(before, "metadata", "managedFields")}
    found = []
    for entry in items(after, "metadata", "managedFields"):
        earlier = known.get(_author(entry))
        if (
            earlier is None
            or earlier.get("time") != entry.get("time")
            or not _owned(entry.get("fieldsV1")) <= _owned(earlier.get("fieldsV1"))
        ):
            found.append(_author(entry))
    return tuple(dict.fromkeys(found))


def _owner(after: JsonObject | None, fields: tuple[FieldChange, ...]) -> tuple[Author, ...]:
    """The only manager that owns every changed field: who wrote twice within a second shows no newer time."""
    changed = {tuple(f"f:{name}" for name in each.path.partition("[")[0].split(".")[:2]) for each in fields}
    found = [
        _author(each)
        for each in items(after, "metadata", "managedFields")
        if changed and changed <= _owned(each.get("fieldsV1"))
    ]
    return tuple(found) if len(found) == 1 else ()


def _owned(fields: Any) -> set[tuple[str, ...]]:
    """The paths that a field set names."""
    paths: set[tuple[str, ...]] = set()
    waiting: list[tuple[tuple[str, ...], Any]] = [((), fields)]
    while waiting:
        path, value = waiting.pop()
        paths.add(path)
        if isinstance(value, dict):
            waiting += [((*path, name), each) for name, each in value.items()]
    return paths


def _author(entry: JsonObject) -> Author:
    return Author(text(entry, "manager"), text(entry, "operation"), text(entry, "subresource"))
