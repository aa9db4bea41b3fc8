"""What words such as `pods web`, `deploy,svc`, `all`, `pod/web` or `/registry/pods/default/web` ask for, and finding it.

kubectl's grammar: either one list of types and names of the first of them, or words TYPE/NAME, or whole keys as people
remember them. The namespace is `default` unless another one, or all of them, is asked for.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from backstay import errors

if TYPE_CHECKING:
    from backstay.kube.resources import Resource
    from backstay.kube.values import KubernetesObject
    from backstay.sources.objects import Objects

DEFAULT_NAMESPACE = "default"
_COMPARED = 2000
"""Names among which one that is meant is looked for; more would take longer than anybody waits for an error."""


class Wish(NamedTuple):
    """One thing that was asked for: everything of a resource, one name of it, or one key."""

    resource: Resource | None = None
    name: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """All wishes of one command line. `namespace` None means all namespaces."""

    wishes: tuple[Wish, ...]
    namespace: str | None

    @property
    def is_single(self) -> bool:
        """Whether one object was asked for by its name, which is then printed bare."""
        return len(self.wishes) == 1 and bool(self.wishes[0].name or self.wishes[0].key)

    def found(self, wish: Wish, objects: Objects) -> Iterator[KubernetesObject]:
        """What a wish asks for, in the order of keys. Raises `OBJECT_NOT_FOUND` for a name or key that is not there."""
        from backstay.sources.objects import Choice

        if wish.key:
            yield objects.look_up(wish.key)
            return
        resource = wish.resource
        if resource is None:
            return
        namespace = self.namespace if resource.namespaced else None
        if wish.name and (namespace is not None or not resource.namespaced):
            one = objects.get(resource, wish.name, namespace or "")
            if one is None:
                raise _not_found(resource, wish.name, namespace, objects)
            yield one
            return
        is_empty = True
        for each in objects.objects(Choice(resource, namespace, wish.name or None)):
            is_empty = False
            yield each
        if wish.name and is_empty:
            raise _not_found(resource, wish.name, None, objects)


def ask(words: Sequence[str], objects: Objects, *, namespace: str | None, everywhere: bool) -> Question:
    """What `words` ask of `objects`. Raises `USAGE` and `RESOURCE_UNKNOWN`."""
    if not words:
        raise errors.USAGE.error("say what to show", next_step="name a type, such as pods, or a key")
    where = None if everywhere else (namespace or DEFAULT_NAMESPACE)
    if any(word.startswith("/") for word in words):
        return Question(tuple(Wish(key=word) for word in words), where)
    if any("/" in word for word in words):
        return Question(tuple(_slashed(word, objects) for word in words), where)
    resources = tuple(dict.fromkeys(each for word in words[0].split(",") if word for each in _meant(word, objects)))
    if not resources:
        raise errors.USAGE.error("say what to show", next_step="name a type, such as pods, or a key")
    names = tuple(dict.fromkeys(words[1:]))
    if not names:
        return Question(tuple(Wish(each) for each in resources), where)
    return Question(tuple(Wish(each, name) for each in resources for name in names), where)


def _slashed(word: str, objects: Objects) -> Wish:
    kind, slash, name = word.partition("/")
    if not slash or not kind or not name or "," in kind:
        raise errors.USAGE.error(
            f"{word!r} does not go with TYPE/NAME", next_step="write every object as TYPE/NAME, or types before names"
        )
    if "/" in name:
        return Wish(key=word)  # `services/default/web`: a key without its prefix
    return Wish(objects.find(kind), name)


def _meant(word: str, objects: Objects) -> tuple[Resource, ...]:
    category = objects.resources.in_category(word) if word == "all" or not objects.layout.resources.find(word) else ()
    return tuple(dict.fromkeys(category)) or (objects.find(word),)


def _not_found(resource: Resource, name: str, namespace: str | None, objects: Objects) -> errors.BackstayError:
    what = f'{resource.group_resource} "{name}" not found'
    where = f"namespace {namespace}" if namespace else f"revision {objects.revision}"
    return errors.OBJECT_NOT_FOUND.error(what, where=where, next_step=_hint(resource, name, namespace, objects))


def _hint(resource: Resource, name: str, namespace: str | None, objects: Objects) -> str:
    """Where else it is, when it was deleted, or what is called nearly so; empty where nothing is known."""
    from backstay.sources.objects import Choice

    others: list[str] = []
    for head in objects.heads(Choice(resource)):
        identity = head.identity
        if identity.name == name:
            return f"it is in namespace {identity.namespace}: -n {identity.namespace}"
        if namespace is None or identity.namespace == namespace:
            others.append(identity.name)
    for prefix in objects.layout.prefixes if namespace is not None or not resource.namespaced else ():
        key = objects.layout.key(resource, name, namespace or "", prefix=prefix)
        deleted = [past.revision for past in objects.history(key) if past.object is None]
        if deleted:
            return f"it was deleted at revision {deleted[-1]}: --revision {deleted[-1] - 1} shows it"
    begins = [each for each in others if each.startswith(name)]
    near = begins or difflib.get_close_matches(name, others[:_COMPARED], 1)
    return f"did you mean {near[0]}?" if near else ""
