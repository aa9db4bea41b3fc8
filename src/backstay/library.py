"""The Kubernetes objects of a source for programs: `from backstay import open_source`.

    with open_source("backup.db") as backup:
        backup["/registry/pods/default/nginx"]["spec"]

A `Backup` is a read-only mapping from the text of a key to the object as the API server prints it. It reads as it is asked,
holds nothing but positions, and works the same over a snapshot file, a data directory, a repository and a living etcd.
"""

from __future__ import annotations

import weakref
from collections.abc import ItemsView, Iterator, Mapping, Sequence, ValuesView
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

from backstay import errors
from backstay.kube.encryption import plugin_at, read_configuration, read_local_keys
from backstay.kube.release import Release
from backstay.kube.values import Head, JsonObject, KubernetesObject
from backstay.sources import Selection, key_bytes, key_text
from backstay.sources import open_source as open_any
from backstay.sources.objects import Choice, Objects, Settings, open_objects
from backstay.values import Revision

if TYPE_CHECKING:
    from backstay.crypto.slots import AgeIdentity
    from backstay.etcd.client import Client
    from backstay.kube.compare import ObjectChange

_EVERYTHING = Selection()
_Path = str | Path
_T = TypeVar("_T")


class Version(NamedTuple):
    """One stored revision of a key; `object` is None where it was deleted."""

    revision: int
    object: JsonObject | None


class Backup(Mapping[str, JsonObject]):
    """The objects of a source at one revision, by key. Close it, or use it in a `with` block.

    Without either it is closed when nothing refers to it any more; what reads from it does so until it has ended.

    What holds no object is shown labelled: `{"$text": ...}` for text such as `compact_rev_key`, `{"$problem": ...}` for
    what cannot be decrypted or read. `object` tells encoding, size and revisions too.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._close = weakref.finalize(self, objects.close)
        self._opened_by: Backup | None = None

    @property
    def revision(self) -> int:
        """The revision of etcd that is shown."""
        return self._objects.revision

    @property
    def release(self) -> str:
        """The release of Kubernetes that objects are shown as: `1.34`."""
        return str(self._objects.release)

    def __getitem__(self, key: str) -> JsonObject:
        found = self._objects.read(key_bytes(key))
        if found is None:
            raise KeyError(key)
        return _shown(found)

    def __contains__(self, key: object) -> bool:
        settings = self._objects.settings
        return isinstance(key, str) and self._objects.source.get(key_bytes(key), settings.at) is not None

    def __iter__(self) -> Iterator[str]:
        return self._held(key_text(head.key) for head in self._objects.heads())

    def __len__(self) -> int:
        settings = self._objects.settings
        return self._objects.source.count(_EVERYTHING, settings.at, sizes=False).keys

    def items(self) -> ItemsView[str, JsonObject]:
        """Keys with their objects, read in one go and decoded one by one."""
        return _Items(self)

    def values(self) -> ValuesView[JsonObject]:
        """The objects in the order of their keys."""
        return _Values(self)

    def find(self, text: str) -> JsonObject:
        """The object that a person means by `services/default/web` or `/registry/services/default/web`.

        Raises `OBJECT_NOT_FOUND` with the keys that were tried.
        """
        return _shown(self._objects.look_up(text))

    def select(
        self, resource: str | None = None, namespace: str | None = None, name: str | None = None
    ) -> Iterator[KubernetesObject]:
        """The objects of a resource as kubectl names it (`pods`, `deploy`, `widgets.example.com`), in the order of keys.

        Raises `RESOURCE_UNKNOWN`.
        """
        return self._held(self._objects.objects(self._choice(resource, namespace, name)))

    def list(
        self, resource: str | None = None, namespace: str | None = None, name: str | None = None
    ) -> Iterator[Head]:
        """As `select`, but names, kinds, revisions and sizes only, which is many times faster."""
        return self._held(self._objects.heads(self._choice(resource, namespace, name)))

    def at(self, revision: int) -> Backup:
        """The same source as it was at an older revision. It is closed with this one."""
        older = Backup(self._objects.at(Revision(revision)))
        older._close.detach()
        older._opened_by = self
        return older

    def history(self, key: str) -> Iterator[Version]:
        """Every revision of a key that is still stored, oldest first; nothing for a key that never was."""
        for past in self._objects.history(key_bytes(key)):
            yield Version(past.revision, _shown(past.object) if past.object is not None else None)

    def diff(self, newer: Backup) -> Iterator[ObjectChange]:
        """What was created, changed and deleted on the way to `newer`, field by field, in the order of keys."""
        from backstay.sources.objects.changes import changes

        return self._held(newer._held(changes(self._objects, newer._objects)))

    def close(self) -> None:
        """Close the source. May be called twice."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Backup of {self._objects.source.describe()} at revision {self.revision}>"

    def _choice(self, resource: str | None, namespace: str | None, name: str | None) -> Choice:
        return Choice(self._objects.find(resource) if resource is not None else None, namespace, name)

    def _read(self) -> Iterator[tuple[str, JsonObject]]:
        return self._held((key_text(each.key), _shown(each)) for each in self._objects.objects())

    def _held(self, found: Iterator[_T]) -> Iterator[_T]:
        """`found`, which keeps this from being closed meanwhile: nobody else may hold `open_source(...)` any more."""
        yield from found


class _Items(ItemsView[str, JsonObject]):
    _mapping: Backup

    def __iter__(self) -> Iterator[tuple[str, JsonObject]]:
        return self._mapping._read()


class _Values(ValuesView[JsonObject]):
    _mapping: Backup

    def __iter__(self) -> Iterator[JsonObject]:
        return (value for _, value in self._mapping._read())


def open_source(
    source: _Path,
    *,
    at: int | str = 0,
    encryption_config: _Path | None = None,
    kms_keys: _Path | None = None,
    kubernetes_version: str = "",
    prefixes: Sequence[str] = (),
    identities: Sequence[_Path] = (),
    environment: Mapping[str, str] | None = None,
    endpoints: Sequence[str] = (),
    cacert: _Path = "",
    cert: _Path = "",
    key: _Path = "",
    user: str = "",
    password: str = "",
) -> Backup:
    """The objects of a snapshot file, a data directory, a repository (a directory or an address), or `live`.

    `at` is a revision, and of a repository also a point: `latest`, a tag, a time. `encryption_config` is the API server's
    file for what is encrypted at rest, with keys of KMS in `kms_keys`. `identities` are files that open a repository, whose
    storage is reached with the credentials in `environment`. `endpoints` and what follows them are for `live`.

    Raises `SOURCE_NOT_FOUND` and its like (`backstay.errors.BackstayError`, with `kind.code`).
    """
    point = "" if isinstance(at, int) else at
    connect = None if not endpoints else lambda: _client(endpoints, str(cacert), str(cert), str(key), user, password)
    decryption = None
    if encryption_config is not None:
        local = read_local_keys(_text(kms_keys), str(kms_keys)) if kms_keys is not None else None
        text = _text(encryption_config)
        decryption = read_configuration(
            text, str(encryption_config), local=local, connect=plugin_at if local is None else None
        )
    release = Release.parse(kubernetes_version) if kubernetes_version else None
    settings = Settings(Revision(at if isinstance(at, int) else 0), decryption, release, tuple(prefixes))
    opened = open_any(
        str(source), connect=connect, at=point, identities=_identities(identities), environment=environment or {}
    )
    try:
        return Backup(open_objects(opened, settings))
    except BaseException:
        opened.close()
        raise


def _identities(files: Sequence[_Path]) -> list[AgeIdentity]:
    if not files:
        return []
    from backstay.crypto.slots import read_identities

    return [each for file in files for each in read_identities(_text(file), str(file))]


def _client(endpoints: Sequence[str], cacert: str, cert: str, key: str, user: str, password: str) -> Client:
    from backstay.etcd.client import Client
    from backstay.etcd.connection import ConnectionOptions, Credentials

    credentials = Credentials(cacert=cacert, cert=cert, key=key, user=user, password=password)
    return Client(ConnectionOptions.of(endpoints, credentials))


def _text(path: _Path) -> str:
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise errors.SOURCE_UNREADABLE.error(f"cannot read `{path}`", where=str(path), why=str(problem)) from problem


def _shown(each: KubernetesObject) -> JsonObject:
    """The object, or what stands for a value that is none."""
    if each.json is not None:
        return each.json
    if each.problem is not None:
        return {"$problem": {"code": each.problem.code, "text": each.problem.text}}
    return {"$text": each.text}
