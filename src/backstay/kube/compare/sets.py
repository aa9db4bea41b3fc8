"""What happened to every object between two states of a cluster.

    pairs of stored values that differ  ->  created | deleted | changed | recreated

The pairs come in the order of keys from whoever reads the stores, without what is equal byte for byte: most of it is never
decoded. A new uid under an old name is another object: `RECREATED`, which was deleted and created again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from backstay.formats.mvcc import KeyValue
from backstay.kube.compare.fields import FieldChange, compare_objects
from backstay.kube.compare.noise import Noise
from backstay.kube.values import Identity, JsonObject, KubernetesObject


class Pair(NamedTuple):
    """A key's value in both states; None where the key does not exist."""

    key: bytes
    before: KeyValue | None
    after: KeyValue | None


class Change(Enum):
    """What happened to an object."""

    CREATED = "created"
    DELETED = "deleted"
    CHANGED = "changed"
    RECREATED = "recreated"


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """One object that is not what it was. `fields` are its differences where there is something on both sides."""

    change: Change
    identity: Identity
    before: KubernetesObject | None
    after: KubernetesObject | None
    fields: tuple[FieldChange, ...] = ()

    @property
    def key(self) -> bytes:
        return self.newest.key

    @property
    def newest(self) -> KubernetesObject:
        """The object as it is after the change, or as it was before it was deleted."""
        found = self.after or self.before
        assert found is not None  # a change without both states is not made
        return found


Decode = Callable[[KeyValue], KubernetesObject]


def compare_stored(
    pairs: Iterable[Pair], decode_before: Decode, decode_after: Decode, *, noise: Noise | None = None
) -> Iterator[ObjectChange]:
    """The changes that `pairs` are, in their order. With `noise`, objects whose differences are noise only do not come."""
    for pair in pairs:
        before = decode_before(pair.before) if pair.before is not None else None
        after = decode_after(pair.after) if pair.after is not None else None
        newest = after or before
        if newest is None or (noise is not None and noise.leaves_out_object(newest.identity)):
            continue
        if before is None or after is None:
            yield ObjectChange(Change.CREATED if before is None else Change.DELETED, newest.identity, before, after)
            continue
        fields = differences(before, after, noise)
        is_other = uid_of(before.json) != uid_of(after.json)
        if fields or is_other or noise is None:
            yield ObjectChange(
                Change.RECREATED if is_other else Change.CHANGED, newest.identity, before, after, fields
            )  # fmt: skip


def differences(
    before: KubernetesObject, after: KubernetesObject, noise: Noise | None = None
) -> tuple[FieldChange, ...]:
    """The fields that differ; of values that are no objects, the text or how they are stored."""
    if before.json is not None and after.json is not None:
        return compare_objects(before.json, after.json, noise)
    if before.json is None and after.json is None:
        mine, other = before.text, after.text
        if mine == other:
            return ()
        return (FieldChange("(value)", mine, other),)
    return (FieldChange("(value)", _what(before), _what(after)),)


def uid_of(json: JsonObject | None) -> str:
    """The uid of an object, empty where it has none."""
    metadata: Any = json.get("metadata") if json is not None else None
    uid = metadata.get("uid") if isinstance(metadata, dict) else None
    return uid if isinstance(uid, str) else ""


def _what(each: KubernetesObject) -> str:
    return str(each.problem) if each.json is None and each.problem is not None else each.encoding.value
