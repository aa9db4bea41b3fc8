"""All objects of one cluster at one revision, read from a source as they are asked for.

Listing reads no values; objects are decoded one by one, so memory does not grow with the store. What the cluster's own
resources are is learned from its CustomResourceDefinitions, once and only when a name is not built in.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Container, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Self

from backstay import errors
from backstay.formats.mvcc import KeyValue, Record
from backstay.kube.crds import resources_of
from backstay.kube.decode import ObjectDecoder
from backstay.kube.encryption import Decryption
from backstay.kube.keys import PREFIXES, Layout
from backstay.kube.release import OLDEST, Release
from backstay.kube.resources import Resource, Resources
from backstay.kube.values import Head, Identity, KubernetesObject
from backstay.sources.key_text import key_bytes, key_text
from backstay.sources.objects import evidence
from backstay.sources.selection import Selection
from backstay.sources.source import NEWEST, Source
from backstay.values import Revision

_DEFINITIONS = "customresourcedefinitions"
_NO_NAME = Identity("", "", "", "", "", "")


@dataclass(frozen=True, slots=True)
class Settings:
    """How objects are read. `release` None: as the data speaks for; `decryption` None: what is encrypted stays so."""

    at: Revision = NEWEST
    decryption: Decryption | None = None
    release: Release | None = None
    prefixes: tuple[str, ...] = ()
    """Empty: those of `kube.keys.PREFIXES` that the source has."""


class Choice(NamedTuple):
    """Which objects are meant; None: any. Namespace "" means those that have none."""

    resource: Resource | None = None
    namespace: str | None = None
    name: str | None = None


ANYTHING = Choice()


class Past(NamedTuple):
    """A stored revision of an object; `object` is None where the object was deleted at that revision."""

    revision: Revision
    sub: int
    key: bytes
    identity: Identity
    object: KubernetesObject | None


class Objects:
    """The objects of a source. Use it in a `with` block; it closes the source."""

    def __init__(self, source: Source, settings: Settings) -> None:
        self.source = source
        self.settings = settings
        self._sample = evidence.sample(source, settings.prefixes or PREFIXES, settings.at)
        self.layout = Layout(settings.prefixes or evidence.used_prefixes(self._sample, PREFIXES))

    @functools.cached_property
    def release(self) -> Release:
        """The release of Kubernetes that objects are shown as."""
        return self.settings.release or evidence.release_of(self._sample)

    @functools.cached_property
    def _decoder(self) -> ObjectDecoder:
        return ObjectDecoder(self.layout, self.release, self.settings.decryption)

    def at(self, revision: Revision) -> Objects:
        """The objects of the same source at another revision, shown as the same release."""
        settings = Settings(revision, self.settings.decryption, self.release, self.layout.prefixes)
        return Objects(self.source, settings)

    @property
    def revision(self) -> Revision:
        """The revision that is shown."""
        return self.settings.at or self.source.revision

    @functools.cached_property
    def resources(self) -> Resources:
        """All resources of the cluster. The first use reads its CustomResourceDefinitions."""
        choice = Choice(self.layout.resources.find(_DEFINITIONS))
        # Every release prints a CRD the same, so which one it is need not be found out for this.
        decoder = ObjectDecoder(self.layout, OLDEST, self.settings.decryption)
        decoded = (decoder.decode(item).json for item in self._items(choice))
        found = Resources(resources_of(json for json in decoded if json is not None))
        self.layout.use(found)
        return found

    def find(self, text: str) -> Resource:
        """The resource that a person means (`deploy`, `widgets.example.com`). Raises `RESOURCE_UNKNOWN`."""
        found = self.layout.resources.find(text) or self.resources.find(text)
        if found is None:
            known = [each.resource for each in self.resources]
            near = difflib.get_close_matches(text.lower(), known, 1)
            step = f"did you mean {near[0]}?" if near else ""
            raise errors.RESOURCE_UNKNOWN.error(f"there is no resource {text!r} in this cluster", next_step=step)
        return found

    def heads(self, choice: Choice = ANYTHING) -> Iterator[Head]:
        """Names, kinds and sizes of what is chosen, in the order of keys, without reading a value.

        Without a choice of anything, keys outside of the prefixes come too, with an empty identity.
        """
        make, empty = tuple.__new__, _NO_NAME
        identify = self.layout.identify
        resources_read, is_chosen = choice.resource is not None, choice != ANYTHING
        for selection in self._selections(choice):
            for entry in self.source.keys(selection, self.settings.at):
                if not resources_read:  # after the first key: a file is walked once for both
                    resources_read = self.resources is not None
                key, create, mod, version, lease, size = entry
                identity = identify(key)
                if is_chosen and (identity is None or not _fits(identity, choice)):
                    continue
                yield make(Head, (key, identity or empty, create, mod, version, lease, size))

    def objects(self, choice: Choice = ANYTHING, *, only: Container[bytes] | None = None) -> Iterator[KubernetesObject]:
        """What is chosen, decoded, in the order of keys. Without a choice all keys come, as in `heads`.

        With `only`, other keys are not decoded.
        """
        return self._decoded(choice, only)

    def get(self, resource: Resource, name: str, namespace: str = "") -> KubernetesObject | None:
        """One object, None when it does not exist at this revision."""
        for prefix in self.layout.prefixes:
            found = self.read(self.layout.key(resource, name, namespace, prefix=prefix))
            if found is not None:
                return found
        return None

    def read(self, key: bytes) -> KubernetesObject | None:
        """The object of exactly this key, None when it does not exist at this revision."""
        item = self.source.get(key, self.settings.at)
        return self._decoder.decode(item) if item is not None else None

    def decode(self, item: KeyValue) -> KubernetesObject:
        """The object in an item of the source, whoever has read it. Raises nothing."""
        return self._decoder.decode(item)

    def look_up(self, text: str) -> KubernetesObject:
        """The object that a person means by a key as people remember keys (`Layout.candidates`).

        Raises `OBJECT_NOT_FOUND`, with the keys that were tried.
        """
        written = key_text(key_bytes(text))
        tried = []
        for is_last in (False, True):
            if is_last:
                _ = self.resources  # the name may be that of a custom resource
            for key in self.layout.candidates(written):
                if key in tried:
                    continue
                tried.append(key)
                found = self.read(key)
                if found is not None:
                    return found
        raise errors.OBJECT_NOT_FOUND.error(
            f"there is no key {text}", why="tried " + ", ".join(key_text(key) for key in tried)
        )

    def history(self, key: bytes) -> Iterator[Past]:
        """Every stored revision of a key up to the one that is shown, oldest first."""
        return (self._past(record) for record in self.source.history(key) if self._shows(record))

    def past(self, choice: Choice = ANYTHING) -> Iterator[Past]:
        """Every stored revision of what is chosen, in the order of revisions."""
        for selection in self._selections(choice):
            for record in self.source.records(selection):
                identity = self.layout.identify(record.item.key)
                if not self._shows(record) or (
                    choice != ANYTHING and (identity is None or not _fits(identity, choice))
                ):
                    continue
                yield self._past(record)

    def close(self) -> None:
        """Close the source."""
        self.source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _shows(self, record: Record) -> bool:
        return not self.settings.at or record.revision.main <= self.settings.at

    def _past(self, record: Record) -> Past:
        item = record.item
        decoded = None if record.revision.tombstone else self._decoder.decode(item)
        identity = decoded.identity if decoded is not None else self.layout.identify(item.key) or _NO_NAME
        return Past(Revision(record.revision.main), record.revision.sub, item.key, identity, decoded)

    def _decoded(self, choice: Choice, only: Container[bytes] | None = None) -> Iterator[KubernetesObject]:
        decode = self._decoder.decode
        for item in self._items(choice):
            if only is None or item.key in only:
                yield decode(item)

    def _items(self, choice: Choice) -> Iterator[KeyValue]:
        for selection in self._selections(choice):
            for item in self.source.items(selection, self.settings.at):
                if choice != ANYTHING:
                    identity = self.layout.identify(item.key)
                    if identity is None or not _fits(identity, choice):
                        continue
                yield item

    def _selections(self, choice: Choice) -> Iterator[Selection]:
        """The fewest keys that hold everything chosen. A file is walked for each, so one is best."""
        if choice.resource is None:
            yield Selection()
            return
        for prefix in self.layout.prefixes:
            directory = self.layout.directory(choice.resource, choice.namespace or "", prefix=prefix)
            is_one = choice.name is not None and (choice.namespace is not None or not choice.resource.namespaced)
            yield Selection(directory + (choice.name or "").encode() if is_one else directory)


def _fits(identity: Identity, choice: Choice) -> bool:
    resource, namespace, name = choice
    if resource is not None and (identity.resource != resource.resource or identity.group != resource.group):
        return False
    if namespace is not None and identity.namespace != namespace:
        # Of a resource without namespaces everything fits.
        return resource is not None and not resource.namespaced and not identity.namespace
    return name is None or identity.name == name


def open_objects(source: Source, settings: Settings | None = None) -> Objects:
    """The objects of `source`, which is closed with them. Looks at some records for prefixes and release.

    Raises what reading the source raises.
    """
    return Objects(source, settings or Settings())
