"""From keys to objects' names and back: `/registry/services/specs/default/web` is service `web` in namespace `default`.

    /<prefix>/<stored below>/<namespace>/<name>          /registry/pods/default/web
    /<prefix>/<stored below>/<name>                      /registry/minions/node-1

How many segments remain tells the scope, so that an unknown resource can be named too. A first segment with a dot is an API
group, because groups of custom resources must have one and no built-in place does. Names never hold a slash. The prefix is
the API server's `--etcd-prefix`: `/registry` nearly everywhere, `/kubernetes.io` and `/openshift.io` on OpenShift.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from backstay.kube.resources import Resource, Resources
from backstay.kube.values import Identity

REGISTRY = "/registry"
PREFIXES = (REGISTRY, "/kubernetes.io", "/openshift.io")
"""The prefixes that are looked for unless somebody names others."""

COMPACTION_KEY = b"compact_rev_key"
"""Written by API servers to agree on compactions; it stands outside of every prefix."""

_DIRECTORY_LIMIT = 100_000
_make = tuple.__new__


def clean_prefix(text: str) -> str:
    """A prefix as the API server takes it: with a slash in front, none at the end, none twice."""
    return "/" + "/".join(part for part in text.split("/") if part)


class Layout:
    """Where the objects of a cluster are in its etcd. `resources` are those of the cluster, its CRDs included."""

    def __init__(self, prefixes: Iterable[str] = PREFIXES, resources: Resources | None = None) -> None:
        self.prefixes = tuple(dict.fromkeys(clean_prefix(prefix) for prefix in prefixes))
        self.resources = resources or Resources()
        self._starts = tuple(f"{prefix}/".encode() for prefix in self.prefixes)
        # Directory (everything up to the last slash) -> (group, resource, kind, namespace). Keys of one directory
        # follow each other, and a store has few directories, so nearly every key costs one lookup.
        self._directories: dict[bytes, tuple[str, str, str, str] | None] = {}

    def use(self, resources: Resources) -> None:
        """Take the cluster's own resources into account from now on."""
        self.resources = resources
        self._directories.clear()

    def identify(self, key: bytes) -> Identity | None:
        """What `key` names; None for keys that are outside of the prefixes or that name no object."""
        directory, _, name = key.rpartition(b"/")
        try:
            known = self._directories[directory]
        except KeyError:
            known = self._read_directory(directory)
            if len(self._directories) < _DIRECTORY_LIMIT:
                self._directories[directory] = known
        if known is None or not name:
            return None
        group, resource, kind, namespace = known
        # Made as a tuple: listing does this for every key.
        return _make(Identity, (group, "", resource, kind, namespace, name.decode("utf-8", "backslashreplace")))

    def key(self, resource: Resource, name: str, namespace: str = "", *, prefix: str = "") -> bytes:
        """The key of an object; `prefix` is the first of the layout's unless given."""
        return self.directory(resource, namespace, prefix=prefix) + name.encode("utf-8", "surrogateescape")

    def directory(self, resource: Resource, namespace: str = "", *, prefix: str = "") -> bytes:
        """What the keys of a resource begin with, down to a namespace if one is given; it ends with a slash."""
        parts = [clean_prefix(prefix or self.prefixes[0]), resource.stored_below]
        if namespace and resource.namespaced:
            parts.append(namespace)
        return "/".join(parts).replace("//", "/").encode("utf-8", "surrogateescape") + b"/"

    def candidates(self, text: str) -> Iterator[bytes]:
        """Keys that somebody may mean by `text`, best first; the first is what they wrote.

        `/registry/services/default/web` means `/registry/services/specs/default/web`; `nodes/a` is
        `/registry/minions/a`; `deployments.apps/default/web` and `deploy/default/web` work as well.
        """
        written = text.encode("utf-8", "surrogateescape")
        seen = {written}
        yield written
        inside = text
        prefixes = self.prefixes
        for prefix in (*self.prefixes, *PREFIXES):
            if text.startswith(f"{prefix}/"):
                inside = text[len(prefix) + 1 :]
                # Whoever writes the usual prefix in a cluster that has another one means that.
                prefixes = (prefix,) if prefix in self.prefixes else self.prefixes
                break
        segments = [part for part in inside.split("/") if part]
        for prefix in prefixes:
            for guess in self._guesses(segments):
                key = f"{prefix}/{guess}".encode("utf-8", "surrogateescape")
                if key not in seen:
                    seen.add(key)
                    yield key

    def _guesses(self, segments: list[str]) -> Iterator[str]:
        if len(segments) < 2:
            return
        yield "/".join(segments)
        first, rest = segments[0], segments[1:]
        for words, names in ((first, rest), (f"{rest[0]}.{first}", rest[1:]), (rest[0], rest[1:])):
            resource = self.resources.find(words)
            if resource is not None and names:
                yield "/".join((resource.stored_below, *names))
                if resource.namespaced and len(names) == 1:
                    yield "/".join((resource.stored_below, "default", *names))

    def _read_directory(self, directory: bytes) -> tuple[str, str, str, str] | None:
        for start in self._starts:
            if directory.startswith(start):
                segments = directory[len(start) :].decode("utf-8", "backslashreplace").split("/")
                return self._read_segments(segments)
        return None

    def _read_segments(self, segments: list[str]) -> tuple[str, str, str, str] | None:
        for size in (2, 1):
            resource = self.resources.stored_at("/".join(segments[:size])) if len(segments) >= size else None
            if resource is not None:
                namespaces = segments[size:]
                if len(namespaces) > 1:
                    return None
                return resource.group, resource.resource, resource.kind, "".join(namespaces)
        # Unknown: a group with a plural where there is a dot, else an old or foreign resource.
        group, rest = (segments[0], segments[1:]) if "." in segments[0] else ("", segments)
        if not rest or not rest[0] or len(rest) > 2:
            return None
        return group, rest[0], "", "".join(rest[1:])
