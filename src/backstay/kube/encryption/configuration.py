"""Reading an EncryptionConfiguration, the file behind `--encryption-provider-config`, as the API server does.

    apiVersion: apiserver.config.k8s.io/v1
    kind: EncryptionConfiguration
    resources:
    - resources: [secrets, "*.apps"]
      providers:
      - aescbc: {keys: [{name: key1, secret: <base64>}]}
      - kms: {apiVersion: v2, name: cloud, endpoint: unix:///run/kms.sock}
      - identity: {}

Entries that name the same resource follow each other. What the API server refuses is refused here too; the old spelling
(`EncryptionConfig`, apiVersion `v1`), which Talos writes, is read.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any, NoReturn

from backstay import errors
from backstay.kube.encryption.decryption import IDENTITY, Decryption, Identity, Provider
from backstay.kube.encryption.kms import KmsProvider, LocalKeys, Unwrap
from backstay.kube.encryption.providers import KEY_SIZES, KeyProvider, NamedKey

_VERSIONS = {("apiserver.config.k8s.io/v1", "EncryptionConfiguration"), ("v1", "EncryptionConfig")}
_REFUSED_GROUPS = ("extensions", "events.k8s.io")
_KMS_VERSIONS = ("v1", "v2")

Connect = Callable[[str, str], Unwrap]
"""From an endpoint (`unix:///run/kms.sock`) and the version of KMS (`v1`, `v2`) to the plugin behind it."""


def read_configuration(
    text: str, where: str, *, local: LocalKeys | None = None, connect: Connect | None = None
) -> Decryption:
    """The providers that `text` configures. `where` names the file in errors; keys of KMS come from `local` or `connect`.

    Raises `ENCRYPTION_CONFIG_INVALID`.
    """
    import yaml

    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as problem:
        raise errors.ENCRYPTION_CONFIG_INVALID.error("the file is no YAML", where=where) from problem
    return _Reader(where, local or LocalKeys(), connect).read(document)


class _Reader:
    def __init__(self, where: str, local: LocalKeys, connect: Connect | None) -> None:
        self._where = where
        self._local = local
        self._connect = connect

    def read(self, document: Any) -> Decryption:
        body = self._mapping(document, "the file")
        if (body.get("apiVersion"), body.get("kind")) not in _VERSIONS:
            self._refuse("it is no EncryptionConfiguration of apiserver.config.k8s.io/v1", "apiVersion")
        providers: dict[str, list[Provider]] = {}
        for index, entry in enumerate(self._list(body.get("resources"), "resources")):
            where = f"resources[{index}]"
            entry = self._mapping(entry, where)
            made = [
                self._provider(each, f"{where}.providers[{number}]")
                for number, each in enumerate(self._list(entry.get("providers"), f"{where}.providers"))
            ]
            for name in self._list(entry.get("resources"), f"{where}.resources"):
                providers.setdefault(self._resource(name, f"{where}.resources"), []).extend(made)
        return Decryption(providers)

    def _resource(self, name: Any, where: str) -> str:
        if not isinstance(name, str) or not name or name != name.lower():
            self._refuse(f"{name!r} names no resource: plurals are written small", where)
        resource, _, group = name.partition(".")
        if name == "*" or (group == "*" and resource != "*"):
            self._refuse(
                f"{name!r} is ambiguous: `*.` means all of core, `*.GROUP` all of a group, `*.*` everything", where
            )
        if group in _REFUSED_GROUPS:
            self._refuse(f"{name!r} is stored under another group", where)
        return name.removesuffix(".") if resource != "*" else name

    def _provider(self, value: Any, where: str) -> Provider:
        entry = self._mapping(value, where)
        kinds = [name for name, content in entry.items() if content is not None]
        if len(kinds) != 1:
            self._refuse("an entry has exactly one provider", where)
        kind = kinds[0]
        body = self._mapping(entry[kind], f"{where}.{kind}")
        if kind == IDENTITY:
            return Identity()
        if kind == "kms":
            return self._kms(body, f"{where}.kms")
        if kind not in KEY_SIZES:
            self._refuse(f"{kind!r} is no provider", where)
        keys = self._list(body.get("keys"), f"{where}.{kind}.keys")
        return KeyProvider(kind, tuple(self._key(kind, key, f"{where}.{kind}.keys") for key in keys))

    def _key(self, kind: str, value: Any, where: str) -> NamedKey:
        key = self._mapping(value, where)
        name, secret = key.get("name"), key.get("secret")
        if not isinstance(name, str) or not name or not isinstance(secret, str):
            self._refuse("a key has a name and a secret", where)
        try:
            plain = base64.b64decode(secret, validate=True)
        except (binascii.Error, ValueError):
            self._refuse(f"the secret of key {name!r} is not base64", where)
        if len(plain) not in KEY_SIZES[kind]:
            sizes = " or ".join(map(str, KEY_SIZES[kind]))
            self._refuse(f"key {name!r} has {len(plain)} bytes, {kind} takes {sizes}", where)
        return NamedKey(name, plain)

    def _kms(self, body: dict[str, Any], where: str) -> Provider:
        version, name, endpoint = body.get("apiVersion") or "v1", body.get("name"), body.get("endpoint")
        if version not in _KMS_VERSIONS:
            self._refuse(f"{version!r} is no version of KMS", where)
        if not isinstance(name, str) or not name or ":" in name:
            self._refuse("a provider has a name without a colon", where)
        if not isinstance(endpoint, str) or not endpoint.startswith("unix://"):
            self._refuse("the endpoint is a Unix socket: unix:///run/kms.sock", where)
        unwrap = self._connect(endpoint, version) if self._connect is not None else None
        return KmsProvider(version, name, unwrap, self._local)

    def _mapping(self, value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._refuse("it is no mapping", where)
        return value

    def _list(self, value: Any, where: str) -> list[Any]:
        if not isinstance(value, list) or not value:
            self._refuse("it is missing or empty", where)
        return value

    def _refuse(self, why: str, where: str) -> NoReturn:
        raise errors.ENCRYPTION_CONFIG_INVALID.error(
            "the encryption configuration cannot be used", where=f"{self._where}, {where}", why=why
        )
