"""What changed between two states of a cluster: two sources, or two revisions of one.

    with open_objects(open_source("yesterday.db")) as before, open_objects(open_source("today.db")) as after:
        for change in changes(before, after):
            print(change.change.value, change.identity)

Keys that are equal byte for byte are not decoded, and of files not even copied out one by one, so the time goes with what
differs. The judgement is `kube.compare`; here is the reading.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backstay.formats.mvcc import KeyValue
from backstay.kube.compare import Noise, ObjectChange, compare_stored
from backstay.kube.compare.sets import Pair
from backstay.kube.resources import Resource
from backstay.sources.objects.cluster import Objects
from backstay.sources.selection import Selection
from backstay.sources.source import Source
from backstay.sources.stored import StoredSource
from backstay.values import Revision


def changes(
    before: Objects,
    after: Objects,
    *,
    resources: Sequence[Resource] = (),
    namespace: str | None = None,
    noise: Noise | None = None,
) -> Iterator[ObjectChange]:
    """The objects that are not the same in `after`, in the order of keys; without `resources`, of every kind.

    A Namespace counts as one of its own objects. Keys that hold no object come too unless something is chosen. Raises
    what reading the sources raises.
    """
    pairs = differing(before, after, _selection(before, after, resources))
    if resources or namespace is not None:
        wanted = {(each.group, each.resource) for each in resources}
        pairs = (pair for pair in pairs if _fits(after, pair.key, wanted, namespace))
    return compare_stored(pairs, before.decode, after.decode, noise=noise)


def differing(before: Objects, after: Objects, selection: Selection) -> Iterator[Pair]:
    """The keys whose values or revisions differ, with both values, in the order of keys."""
    at, at_after = before.settings.at, after.settings.at
    if isinstance(before.source, StoredSource) and isinstance(after.source, StoredSource):
        found = before.source.differing_items(selection, at, after.source, at_after)
        return (Pair(*each) for each in found)
    return _merged(before.source, at, after.source, at_after, selection)


def _merged(before: Source, at: Revision, after: Source, at_after: Revision, selection: Selection) -> Iterator[Pair]:
    """Both sides are read in the order of keys, so neither has to be held."""
    left, right = before.items(selection, at), after.items(selection, at_after)
    mine, other = next(left, None), next(right, None)
    while mine is not None or other is not None:
        if other is None or (mine is not None and mine.key < other.key):
            yield Pair(_key(mine), mine, None)
            mine = next(left, None)
        elif mine is None or other.key < mine.key:
            yield Pair(other.key, None, other)
            other = next(right, None)
        else:
            if mine != other:
                yield Pair(mine.key, mine, other)
            mine, other = next(left, None), next(right, None)


def _key(item: KeyValue | None) -> bytes:
    return item.key if item is not None else b""


def _selection(before: Objects, after: Objects, resources: Sequence[Resource]) -> Selection:
    """One directory where one kind is wanted, else everything: a file is walked whole either way."""
    prefixes = {*before.layout.prefixes, *after.layout.prefixes}
    if len(resources) != 1 or len(prefixes) != 1:
        return Selection()
    return Selection(after.layout.directory(resources[0]))


def _fits(objects: Objects, key: bytes, wanted: set[tuple[str, str]], namespace: str | None) -> bool:
    identity = objects.layout.identify(key)
    if identity is None:
        return False
    if wanted and (identity.group, identity.resource) not in wanted:
        return False
    if namespace is None or identity.namespace == namespace:
        return True
    return identity.resource == "namespaces" and not identity.group and identity.name == namespace
