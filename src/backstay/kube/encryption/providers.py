"""The providers that hold their keys themselves: aescbc, aesgcm, secretbox. What follows `k8s:enc:<name>:v1:<key>:` is

    aescbc       IV 16 | AES-CBC, padded with 1 to 16 bytes (PKCS#7)          not bound to its etcd key
    aesgcm       nonce 12 | ciphertext | tag 16                               bound to its etcd key
    secretbox    nonce 24 | tag 16 | ciphertext                               not bound

    aesgcm, key 00..1f, etcd key /registry/secrets/default/s1, "k8s" NUL "hello"
        202122232425262728292a2b  b902d57004fd766275 3e7b7aaed5f31ad46ba8583461de60f8

A wrong key shows as padding or tag that does not fit, and once in 256 times with CBC as garbage, so the start of what comes
out is looked at as well. A function answers None when the key does not open the bytes. Ciphers are loaded by those who need
one: nearly every look at a store decrypts nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from backstay.kube.encryption import salsa
from backstay.kube.envelope import encoding_of
from backstay.kube.values import Encoding, Problem

_BLOCK = 16
_NONCE = 12

KEY_SIZES = {"aescbc": (16, 24, 32), "aesgcm": (16, 24, 32), "secretbox": (32,)}
"""Bytes of a key that each provider takes."""


class NamedKey(NamedTuple):
    """A key of a provider."""

    name: str
    secret: bytes

    def __repr__(self) -> str:
        return f"NamedKey({self.name!r})"


class KeyProvider:
    """`aescbc`, `aesgcm` or `secretbox` with its keys, in the order of the configuration."""

    def __init__(self, kind: str, keys: tuple[NamedKey, ...]) -> None:
        self.kind = kind
        self.keys = keys
        self.prefix = f"k8s:enc:{kind}:v1:".encode()

    @property
    def names(self) -> tuple[str, ...]:
        """What the values that it writes begin with, the newest key first."""
        return tuple(f"k8s:enc:{self.kind}:v1:{key.name}" for key in self.keys)

    def open(self, etcd_key: bytes, value: bytes) -> bytes | Problem | None:
        """The plain value; None when no key of this provider has the name that the value says."""
        body = value[len(self.prefix) :]
        problem: Problem | None = None
        for key in self.keys:
            name = key.name.encode() + b":"
            if not body.startswith(name):
                continue
            plain = _OPEN[self.kind](key.secret, body[len(name) :], etcd_key)
            if plain is not None:
                return plain
            problem = Problem("decryption-failed", f"key {key.name!r} of {self.kind} does not open it")
        return problem


def open_cbc(secret: bytes, body: bytes, etcd_key: bytes = b"") -> bytes | None:
    """What aescbc wrote; also the payload of KMS v1 up to 1.24."""
    if len(body) < 2 * _BLOCK or len(body) % _BLOCK:
        return None
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import CBC

    decryptor = Cipher(AES(secret), CBC(body[:_BLOCK])).decryptor()
    padded = decryptor.update(body[_BLOCK:]) + decryptor.finalize()
    size = padded[-1]
    if not 1 <= size <= _BLOCK or padded[-size:] != bytes([size]) * size:
        return None
    plain = padded[:-size]
    return plain if encoding_of(plain)[0] is not Encoding.BINARY else None


def open_gcm(secret: bytes, body: bytes, etcd_key: bytes) -> bytes | None:
    """What aesgcm wrote; also the payloads of KMS."""
    if len(body) < _NONCE + _BLOCK:
        return None
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(secret).decrypt(body[:_NONCE], body[_NONCE:], etcd_key)
    except InvalidTag:
        return None


def _open_secretbox(secret: bytes, body: bytes, etcd_key: bytes) -> bytes | None:
    return salsa.open_box(secret, body)


_OPEN = {"aescbc": open_cbc, "aesgcm": open_gcm, "secretbox": _open_secretbox}
