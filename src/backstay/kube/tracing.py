"""The story of one object and of all that comes of it, told revision by revision as etcd has them.

    Deployment web created (kubectl)             revision 812
    ReplicaSet web-5f created                         813        its owner is the Deployment
    Pod web-5f-x created                              815        its owner is the ReplicaSet
    Event: Scheduled                                  817
    Pod web-5f-x: bound to node-a (scheduler)         818
    Pod web-5f-x: phase Pending -> Running (kubelet)  823

What belongs to the story: the object, what it owns, directly or not, the Events about them, and the endpoints that lead to
them. Revisions are fed in their order; how they are read, from history or by a watch, is the caller's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from backstay.kube.biography import Author, authors
from backstay.kube.compare import MISSING, compare_objects
from backstay.kube.exporting.reading import has_condition, mapping, mappings, text
from backstay.kube.redaction import is_secret
from backstay.kube.values import Identity, JsonObject, KubernetesObject
from backstay.values import Revision

_LEFT_OUT = ("metadata.managedFields", "metadata.resourceVersion", "metadata.generation", "status.observedGeneration")
_SAID = 4
_VALUE = 60
_WORKLOAD_NUMBERS = (
    "replicas",
    "readyReplicas",
    "availableReplicas",
    "updatedReplicas",
    "active",
    "succeeded",
    "failed",
)


class Step(NamedTuple):
    """One revision of the story. `time` is what the object says of the write, empty where it says nothing."""

    revision: Revision
    time: str
    identity: Identity
    event: str
    """`created`, `changed`, `deleted`, or `found`: it was there before the story begins."""
    details: tuple[str, ...]
    authors: tuple[Author, ...]


class Story:
    """Follows the object that `wanted` names: its group, resource, namespace and name count."""

    def __init__(self, wanted: Identity) -> None:
        self._wanted = (wanted.group, wanted.resource, wanted.namespace, wanted.name)
        self._uids: set[str] = set()
        self._known: dict[bytes, KubernetesObject] = {}
        self.root: KubernetesObject | None = None
        """The object itself as it is now."""
        self.was_deleted = False

    def know(self, each: KubernetesObject) -> bool:
        """Take in an object of the state before the story; true when it belongs to it and was not known."""
        if each.key in self._known or not self._belongs(each):
            return False
        self._take(each)
        return True

    def tell(self, revision: Revision, key: bytes, after: KubernetesObject | None) -> Step | None:
        """The step that a revision is, None when it does not belong to the story."""
        before = self._known.get(key)
        if after is None:
            if before is None:
                return None
            del self._known[key]
            if self.root is not None and self.root.key == key:
                self.root, self.was_deleted = None, True
            return Step(revision, "", before.identity, "deleted", (), ())
        if before is None and not self._belongs(after):
            return None
        self._take(after)
        old = before.json if before is not None else None
        event = "changed" if before is not None else "created" if after.version == 1 else "found"
        wrote = authors(old, after.json)
        return Step(revision, _time(after, wrote, event), after.identity, event, tuple(_details(before, after)), wrote)

    def _take(self, each: KubernetesObject) -> None:
        self._known[each.key] = each
        if _name(each.identity) == self._wanted:
            self.root, self.was_deleted = each, False
        if not _is_about(each.identity):
            uid = text(each.json, "metadata", "uid")
            if uid:
                self._uids.add(uid)

    def _belongs(self, each: KubernetesObject) -> bool:
        if _name(each.identity) == self._wanted:
            return True
        return any(uid in self._uids for uid in _named(each.identity, each.json))


def is_ready(each: KubernetesObject | None) -> bool:
    """Whether an object is what it shall be, as its kind understands that."""
    if each is None or each.json is None:
        return False
    json, resource = each.json, each.identity.resource
    if resource in ("deployments", "replicasets", "statefulsets", "replicationcontrollers"):
        wanted = mapping(json, "spec").get("replicas", 1)
        status = mapping(json, "status")
        is_seen = _number(status.get("observedGeneration")) >= _number(mapping(json, "metadata").get("generation"))
        return is_seen and _number(status.get("readyReplicas")) == _number(wanted)
    if resource in ("persistentvolumeclaims", "persistentvolumes"):
        return text(json, "status", "phase") == "Bound"
    return has_condition(json, "Ready", "Available", "Complete", "Established")


def _named(identity: Identity, json: JsonObject | None) -> Iterator[str]:
    """The uids that an object names: its owners, what an Event is about, where endpoints lead."""
    for owner in mappings(json, "metadata", "ownerReferences"):
        yield text(owner, "uid")
    if identity.resource == "events":
        yield text(json, "involvedObject", "uid")
        yield text(json, "regarding", "uid")
    elif identity.resource == "endpointslices":
        for endpoint in mappings(json, "endpoints"):
            yield text(endpoint, "targetRef", "uid")
    elif identity.resource == "endpoints":
        for subset in mappings(json, "subsets"):
            for address in (*mappings(subset, "addresses"), *mappings(subset, "notReadyAddresses")):
                yield text(address, "targetRef", "uid")


def _is_about(identity: Identity) -> bool:
    """Objects that tell of others, and bring nothing else into a story."""
    return identity.resource in ("events", "endpoints", "endpointslices")


def _name(identity: Identity) -> tuple[str, str, str, str]:
    return identity.group, identity.resource, identity.namespace, identity.name


def _time(each: KubernetesObject, wrote: tuple[Author, ...], event: str) -> str:
    json = each.json
    if each.identity.resource == "events":
        return text(json, "lastTimestamp") or text(json, "eventTime") or text(json, "metadata", "creationTimestamp")
    if event == "created":
        return text(json, "metadata", "creationTimestamp")
    times = [
        text(entry, "time")
        for entry in mappings(json, "metadata", "managedFields")
        if Author(text(entry, "manager"), text(entry, "operation"), text(entry, "subresource")) in wrote
    ]
    return max(times, default="")


def _details(before: KubernetesObject | None, after: KubernetesObject) -> Iterator[str]:
    """What happened, in the words of the kind; else which fields changed."""
    json, resource = after.json, after.identity.resource
    if resource == "events":
        yield f"{text(json, 'reason')}: {text(json, 'message') or text(json, 'note')}"
        return
    if before is None:
        owners = [
            f"{text(each, 'kind')} {text(each, 'name')}" for each in mappings(json, "metadata", "ownerReferences")
        ]
        if owners:
            yield f"owned by {', '.join(owners)}"
        return
    old = before.json
    said = [*_common(old, json), *(_pod(old, json) if resource == "pods" else _numbers(old, json))]
    said = said or list(_fields(before, after))
    seen = _number(mapping(json, "status").get("observedGeneration"))
    if not said and seen != _number(mapping(old, "status").get("observedGeneration")):
        said = [f"generation {_short(seen)} seen by its controller"]
    yield from said


def _common(old: Any, new: Any) -> Iterator[str]:
    if text(new, "metadata", "deletionTimestamp") and not text(old, "metadata", "deletionTimestamp"):
        yield "deletion requested"


def _pod(old: Any, new: Any) -> Iterator[str]:
    node, phase = text(new, "spec", "nodeName"), text(new, "status", "phase")
    if node and node != text(old, "spec", "nodeName"):
        yield f"bound to {node}"
    if phase != text(old, "status", "phase"):
        yield f"phase {text(old, 'status', 'phase') or 'none'} -> {phase}"
    earlier = {text(each, "name"): _state(each) for each in mappings(old, "status", "containerStatuses")}
    for each in mappings(new, "status", "containerStatuses"):
        name, state = text(each, "name"), _state(each)
        if state != earlier.get(name, ""):
            yield f"container {name} {state}"
    known = {text(each, "type"): text(each, "status") for each in mappings(old, "status", "conditions")}
    for each in mappings(new, "status", "conditions"):
        kind, status = text(each, "type"), text(each, "status")
        if status != known.get(kind, ""):
            yield f"{kind} {status}"


def _state(status: JsonObject) -> str:
    for name in ("waiting", "running", "terminated"):
        found = mapping(status, "state").get(name)
        if isinstance(found, dict):
            reason = text(found, "reason")
            return f"{name} ({reason})" if reason else name
    return ""


def _numbers(old: Any, new: Any) -> Iterator[str]:
    wanted = mapping(old, "spec").get("replicas"), mapping(new, "spec").get("replicas")
    if wanted[0] != wanted[1]:
        yield f"replicas {_short(wanted[0])} -> {_short(wanted[1])}"
    earlier, status = mapping(old, "status"), mapping(new, "status")
    for name in _WORKLOAD_NUMBERS:
        mine, other = _number(earlier.get(name)), _number(status.get(name))
        if mine != other:
            yield f"{'actual ' if name == 'replicas' else ''}{name} {_short(mine)} -> {_short(other)}"


def _fields(before: KubernetesObject, after: KubernetesObject) -> Iterator[str]:
    fields = [each for each in compare_objects(before.json, after.json) if not each.path.startswith(_LEFT_OUT)]
    hides = is_secret(after.identity, after.json)
    for each in fields[:_SAID]:
        yield each.path if hides else f"{each.path} {_short(each.before)} -> {_short(each.after)}"
    if len(fields) > _SAID:
        yield f"and {len(fields) - _SAID} fields more"


def _short(value: Any) -> str:
    if value is MISSING or value is None:
        return "none"
    if isinstance(value, int) and value.bit_length() > 1023:
        return "(a very large number)"
    words = "{...}" if isinstance(value, dict) else "[...]" if isinstance(value, list) else str(value)
    return words if len(words) <= _VALUE else f"{words[:_VALUE]}..."


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
