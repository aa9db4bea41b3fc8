"""The export of a source: its objects ready to be applied, in order, read as they are written.

    export = Export(objects, namespace="production", missing_in=live)
    for ready in export:                 # Ready(identity, json, stage), a few at a time in memory
        ...
    export.left                          # what was left out, and why

The heads of everything are looked at first (what exists, of which kinds); then each kind is read in its turn, so that memory
does not grow with the store. The rules are `kube.exporting`.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from typing import NamedTuple

from backstay.kube.exporting import Left, Stage, Surroundings, applicable, left_out, sort_key, stage_of
from backstay.kube.exporting.reading import mapping, mappings, text
from backstay.kube.redaction import is_secret
from backstay.kube.resources import Resource
from backstay.kube.values import Identity, JsonObject
from backstay.sources.objects.cluster import Choice, Objects

_Kind = tuple[str, str]


class Ready(NamedTuple):
    """An object to apply."""

    identity: Identity
    json: JsonObject
    stage: Stage


class Export:
    """What to apply to have the chosen objects again. Iterate once; `left` is complete afterwards."""

    def __init__(
        self,
        objects: Objects,
        *,
        resources: Sequence[Resource] = (),
        namespace: str | None = None,
        missing_in: Objects | None = None,
        with_secrets: bool = False,
        keeps_addresses: bool = False,
        takes_children: bool = False,
    ) -> None:
        self.left: Counter[Left] = Counter()
        self._objects = objects
        self._wanted = {(each.group, each.resource) for each in resources}
        self._namespace = namespace
        self._missing_in = missing_in
        self._with_secrets = with_secrets
        self._keeps_addresses = keeps_addresses
        self._takes_children = takes_children
        self._names: set[tuple[str, str, str, str]] = set()
        self._missing: set[bytes] = set()
        self._kinds: Counter[_Kind] = Counter()

    def __iter__(self) -> Iterator[Ready]:
        is_there = (
            {head.key for head in self._missing_in.heads()} if self._missing_in is not None else frozenset[bytes]()
        )
        self._survey(is_there)
        surroundings = self._surroundings(is_there)
        only = self._missing if self._missing_in is not None else None
        for resource in self._in_order():
            for each in self._objects.objects(self._choice(resource), only=only):
                why = left_out(each.identity, each.json, surroundings)
                if why is None and not self._with_secrets and is_secret(each.identity, each.json):
                    why = Left.SECRET
                if why is not None:
                    self.left[why] += 1
                    continue
                json = applicable(each.identity, each.json or {}, surroundings)
                yield Ready(each.identity, json, stage_of(each.identity))

    def _survey(self, is_there: Set[bytes]) -> None:
        """What the source has; of a kind of which the target has everything, nothing has to be read."""
        for head in self._objects.heads():
            identity = head.identity
            if not identity.resource:
                continue
            self._names.add((identity.group, identity.kind, identity.namespace, identity.name))
            if head.key in is_there:
                continue
            if self._missing_in is not None:
                self._missing.add(head.key)
            kind = identity.group, identity.resource
            self._kinds[kind] += self._namespace is None or identity.namespace == self._namespace

    def _in_order(self) -> list[Resource]:
        known = [each for each in self._objects.resources if (each.group, each.resource) in self._kinds]
        unknown = self._kinds.keys() - {(each.group, each.resource) for each in known}
        if not self._wanted and unknown:
            self.left[Left.UNDEFINED] += sum(self._kinds[each] for each in unknown)
        if self._wanted:
            known = [each for each in known if (each.group, each.resource) in self._wanted]
        elif self._namespace is not None:
            known = [each for each in known if each.namespaced or each.resource == "namespaces"]
        return sorted(known, key=lambda each: sort_key(Identity(each.group, "", each.resource, each.kind, "", "")))

    def _choice(self, resource: Resource) -> Choice:
        if self._namespace is not None and resource.resource == "namespaces" and not resource.group:
            return Choice(resource, "", self._namespace)  # what is in a namespace needs it
        return Choice(resource, self._namespace if resource.namespaced else None)

    def _surroundings(self, is_there: Set[bytes]) -> Surroundings:
        takes_volumes = self._namespace is None and (not self._wanted or ("", "persistentvolumes") in self._wanted)
        return Surroundings(
            exists=lambda *name: name in self._names,
            has_selector=self._has_selector,
            lives_in_target=self._lives_in_target if self._missing_in is not None else lambda *_: False,
            has_volume=functools.lru_cache(maxsize=4096)(functools.partial(self._has_volume, is_there, takes_volumes)),
            keeps_addresses=self._keeps_addresses,
            takes_children=self._takes_children,
            status_is_data=self._status_is_data(),
        )

    def _has_selector(self, namespace: str, name: str) -> bool:
        service = self._objects.get(self._objects.find("services"), name, namespace)
        return service is not None and bool(mapping(service.json, "spec", "selector"))

    def _lives_in_target(self, group: str, kind: str, namespace: str, name: str, uid: str) -> bool:
        target = self._missing_in
        resource = self._objects.resources.of_kind(group, kind)
        if target is None or resource is None or bool(namespace) != resource.namespaced:
            return False
        found = target.get(resource, name, namespace)
        return found is not None and text(found.json, "metadata", "uid") == uid

    def _has_volume(self, is_there: Set[bytes], takes_volumes: bool, name: str) -> bool:
        resource = self._objects.find("persistentvolumes")
        if not name:
            return False
        if any(
            self._objects.layout.key(resource, name, prefix=each) in is_there for each in self._objects.layout.prefixes
        ):
            return True
        found = self._objects.get(resource, name) if takes_volumes else None
        return found is not None and left_out(found.identity, found.json, Surroundings()) is None

    def _status_is_data(self) -> frozenset[str]:
        definitions = self._objects.find("customresourcedefinitions")
        if not any(each.is_custom and (each.group, each.resource) in self._kinds for each in self._objects.resources):
            return frozenset()
        return frozenset(
            f"{text(each.json, 'spec', 'names', 'plural')}.{text(each.json, 'spec', 'group')}"
            for each in self._objects.objects(Choice(definitions))
            if not any(
                "status" in mapping(version, "subresources") for version in mappings(each.json, "spec", "versions")
            )
        )
