"""The providers whose keys a plugin keeps: KMS v1 and v2. What follows `k8s:enc:kms:<version>:<provider>:` is

    v1      length 2 (big endian) | wrapped key | payload       as aesgcm with the unwrapped key; up to 1.24 as aescbc
    v2      EncryptedObject: 1 encryptedData   2 keyID   3 encryptedDEKSource   4 annotations   5 type of the source

    v2, type 0 (to 1.28)      the unwrapped source is the key; encryptedData = nonce 12 | ciphertext | tag 16
    v2, type 1 (from 1.29)    it is a seed; encryptedData = info 32 | nonce 12 | ciphertext | tag 16, and
                              key = HMAC-SHA256(seed, info | 01): one block of HKDF's expansion, without its extraction

    00 06 45 4e 43 44 45 4b | 20 21 .. 2b b9 02 d5 ..           v1: the wrapped key is "ENCDEK"

A wrapped key is unwrapped by the plugin that the configuration names (its Unix socket), or by `LocalKeys`: keys that
somebody has outside of it. One seed serves for as long as an API server lives, so answers are remembered.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from backstay import errors
from backstay.errors import FormatError
from backstay.formats import protowire
from backstay.kube.encryption.providers import open_cbc, open_gcm
from backstay.kube.values import Problem

_INFO_SIZE = 32
_SEED_TYPE = 1
_REMEMBERED = 10_000
_PATIENCE = 3
"""Failures in a row after which a plugin is not asked again."""


class Wrapped(NamedTuple):
    """A wrapped key or seed, and what the plugin needs to unwrap it."""

    source: bytes
    key_id: str = ""
    annotations: tuple[tuple[str, bytes], ...] = ()


Unwrap = Callable[[Wrapped], bytes]
"""Gives the key or seed. Raises `KMS_PLUGIN_FAILED`."""


@dataclass(frozen=True, slots=True)
class LocalKeys:
    """Keys for values of KMS that are at hand: `unwrapped` by wrapped source, `wrapping` keys (AES-GCM) by their id."""

    unwrapped: dict[bytes, bytes] = field(default_factory=dict, repr=False)
    wrapping: dict[str, bytes] = field(default_factory=dict, repr=False)

    def find(self, wrapped: Wrapped) -> bytes | None:
        """The key or seed that is wrapped in `wrapped`, None when no key here opens it."""
        known = self.unwrapped.get(wrapped.source)
        if known is not None:
            return known
        named = self.wrapping.get(wrapped.key_id)
        for secret in (named,) if named is not None else self.wrapping.values():
            plain = open_gcm(secret, wrapped.source, b"")
            if plain is not None:
                return plain
        return None


class KmsProvider:
    """One `kms` entry of the configuration."""

    def __init__(self, version: str, name: str, unwrap: Unwrap | None, local: LocalKeys) -> None:
        self.version = version
        self.name = name
        self.prefix = f"k8s:enc:kms:{version}:{name}:".encode()
        self._unwrap = unwrap
        self._local = local
        self._known: dict[Wrapped, bytes] = {}
        self._failures: list[errors.BackstayError] = []

    @property
    def names(self) -> tuple[str, ...]:
        """What the values that it writes begin with."""
        return (f"k8s:enc:kms:{self.version}:{self.name}",)

    def open(self, etcd_key: bytes, value: bytes) -> bytes | Problem | None:
        """The plain value, or why it stays closed."""
        body = value[len(self.prefix) :]
        try:
            return self._open_v1(etcd_key, body) if self.version == "v1" else self._open_v2(etcd_key, body)
        except FormatError as problem:
            return Problem("decryption-failed", f"the value is no {self.names[0]}: {problem.what}")
        except ValueError:
            return Problem("decryption-failed", f"the key of {self.names[0]} has an impossible size")
        except errors.BackstayError as problem:
            return Problem("plugin-failed" if self._unwrap else "key-missing", str(problem))

    def _open_v1(self, etcd_key: bytes, body: bytes) -> bytes | Problem:
        size = int.from_bytes(body[:2], "big")
        if len(body) < 2 + size:
            raise FormatError("the wrapped key is cut off", offset=0)
        secret = self._key(Wrapped(body[2 : 2 + size]))
        payload = body[2 + size :]
        plain = open_gcm(secret, payload, etcd_key)
        if plain is None:
            plain = open_cbc(secret, payload)
        return plain if plain is not None else self._refused()

    def _open_v2(self, etcd_key: bytes, body: bytes) -> bytes | Problem:
        found = read_encrypted_object(body)
        secret = self._key(found.wrapped)
        data = found.data
        if found.source_type == _SEED_TYPE:
            secret = hmac.digest(secret, data[:_INFO_SIZE] + b"\x01", "sha256")
            data = data[_INFO_SIZE:]
        plain = open_gcm(secret, data, etcd_key)
        return plain if plain is not None else self._refused()

    def _key(self, wrapped: Wrapped) -> bytes:
        secret = self._known.get(wrapped) or self._local.find(wrapped)
        if secret is None:
            if self._unwrap is None:
                named = f" {wrapped.key_id!r}" if wrapped.key_id else ""
                raise errors.KMS_KEY_MISSING.error(f"no key at hand unwraps what key{named} of {self.name} has wrapped")
            secret = self._ask(self._unwrap, wrapped)
        if len(self._known) < _REMEMBERED:
            self._known[wrapped] = secret
        return secret

    def _ask(self, unwrap: Unwrap, wrapped: Wrapped) -> bytes:
        """The plugin's answer; one that has failed several times in a row is left alone, as each time may take seconds."""
        if len(self._failures) >= _PATIENCE:
            raise self._failures[-1]
        try:
            secret = unwrap(wrapped)
        except errors.BackstayError as problem:
            self._failures.append(problem)
            raise
        self._failures.clear()
        return secret

    def _refused(self) -> Problem:
        return Problem("decryption-failed", f"the key that {self.names[0]} unwrapped does not open it")


class EncryptedObject(NamedTuple):
    """A value of KMS v2 taken apart."""

    data: bytes
    wrapped: Wrapped
    source_type: int


def read_encrypted_object(body: bytes) -> EncryptedObject:
    """What stands behind the prefix of KMS v2; also without any key. Raises `FormatError`."""
    data = source = b""
    key_id, source_type = "", 0
    annotations = []
    for number, _, content in protowire.read_fields(body):
        if isinstance(content, bytes):
            if number == 1:
                data = content
            elif number == 2:
                key_id = content.decode("utf-8", "replace")
            elif number == 3:
                source = content
            elif number == 4:
                annotations.append(_annotation(content))
        elif number == 5:
            source_type = content
    return EncryptedObject(data, Wrapped(source, key_id, tuple(annotations)), source_type)


def _annotation(entry: bytes) -> tuple[str, bytes]:
    name, value = "", b""
    for number, _, content in protowire.read_fields(entry):
        if isinstance(content, bytes):
            if number == 1:
                name = content.decode("utf-8", "replace")
            elif number == 2:
                value = content
    return name, value


def read_local_keys(text: str, where: str) -> LocalKeys:
    """Keys for KMS from a YAML or JSON document. Raises `CONFIGURATION_INVALID`.

    `keys`: id of the wrapping key to 32 bytes in base64 (AES-256-GCM, nonce in front, as a plugin with a local key wraps);
    `unwrapped`: wrapped key or seed to the plain one, both in base64, for keys that a cloud has unwrapped.
    """
    import yaml

    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as problem:
        raise errors.ENCRYPTION_CONFIG_INVALID.error("the keys of KMS are no YAML", where=where) from problem
    if not isinstance(document, dict):
        raise errors.ENCRYPTION_CONFIG_INVALID.error("the keys of KMS are no mapping", where=where)
    wrapping = {str(name): _secret(value, where) for name, value in _mapping(document.get("keys"), where).items()}
    unwrapped = {
        _secret(name, where): _secret(value, where)
        for name, value in _mapping(document.get("unwrapped"), where).items()
    }
    return LocalKeys(unwrapped, wrapping)


def _mapping(value: Any, where: str) -> dict[Any, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise errors.ENCRYPTION_CONFIG_INVALID.error("`keys` and `unwrapped` are mappings", where=where)
    return value


def _secret(value: Any, where: str) -> bytes:
    try:
        return base64.b64decode(str(value), validate=True)
    except (binascii.Error, ValueError) as problem:
        raise errors.ENCRYPTION_CONFIG_INVALID.error("a key is not base64", where=where) from problem
