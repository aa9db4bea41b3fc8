"""Signed tokens (JWT): header.claims.signature, each base64url; nothing is remembered.

    claims   {"username": "alice", "revision": 17, "exp": 1764000000}

The claim `revision` is the auth revision of the issue: any later change of users or roles makes its owner ask again.
Only the configured method is accepted, whatever a token's header says.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Callable
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from backstay.clock import Clock
from backstay.store import refusals
from backstay.store.apply.permissions import Identity
from backstay.store.refusals import Refused

DEFAULT_TTL_SECONDS = 300.0

METHODS = (*(family + size for family in ("HS", "RS", "PS", "ES") for size in ("256", "384", "512")), "EdDSA")

_DIGESTS: dict[str, Callable[[], hashes.HashAlgorithm]] = {
    "256": hashes.SHA256,
    "384": hashes.SHA384,
    "512": hashes.SHA512,
}
_CURVE_BYTES = {"256": 32, "384": 48, "512": 66}


class SignedTokens:
    """JWT by one method. Keys are PEM, for the HS methods the shared secret itself; a certificate stands for its public
    key, as in etcd. Without `private_key` tokens are only checked. Raises `ValueError` for a method or keys that do not fit.
    """

    def __init__(
        self,
        clock: Clock,
        method: str,
        *,
        private_key: bytes | None = None,
        public_key: bytes | None = None,
        ttl_seconds: float = DEFAULT_TTL_SECONDS,
    ) -> None:
        if method not in METHODS:
            raise ValueError(f"unknown signing method `{method}`")
        self._clock = clock
        self._method = method
        self._ttl = ttl_seconds
        self._private: Any = None
        self._public: Any = None
        if method.startswith("HS"):
            self._private = self._public = private_key or public_key
        else:
            if private_key is not None:
                self._private = _private_key(private_key)
                self._public = self._private.public_key()
            if public_key is not None:
                self._public = _public_key(public_key)
            kinds = {"RS": rsa.RSAPublicKey, "PS": rsa.RSAPublicKey, "ES": ec.EllipticCurvePublicKey}
            if self._public is not None and not isinstance(
                self._public, kinds.get(method[:2], ed25519.Ed25519PublicKey)
            ):
                raise ValueError(f"the key does not fit signing method `{method}`")
        if self._public is None:
            raise ValueError("signed tokens need a key")

    def issue(self, username: str, auth_revision: int, index: int) -> str:
        """A token of the user. Raises `Refused` when there is only a public key."""
        if self._private is None:
            raise Refused(refusals.INVALID_TOKEN)
        expiry = int(self._clock.now().timestamp() + self._ttl)
        claims = {"exp": expiry, "revision": auth_revision, "username": username}
        signed = _part({"alg": self._method, "typ": "JWT"}) + b"." + _part(claims)
        return (signed + b"." + base64.urlsafe_b64encode(self._sign(signed)).rstrip(b"=")).decode()

    def identify(self, token: str, auth_revision: int) -> Identity | None:
        """Whose token it is, with the revision it was made at."""
        try:
            head, claims_text, signature = token.encode().split(b".")
            header, claims = json.loads(_decode(head)), json.loads(_decode(claims_text))
            if header["alg"] != self._method or not self._verifies(head + b"." + claims_text, _decode(signature)):
                return None
            if not float(claims["exp"]) > self._clock.now().timestamp():
                return None
            username, revision = claims["username"], int(claims["revision"])
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            return None
        return Identity(username, revision) if isinstance(username, str) else None

    def forget_user(self, username: str) -> None:
        """Nothing to do: the auth revision has moved on."""

    def forget_all(self) -> None:
        """Nothing to do: the auth revision has moved on."""

    def _sign(self, data: bytes) -> bytes:
        family, size = self._method[:2], self._method[2:]
        if family == "Ed":
            return bytes(self._private.sign(data))
        digest = _DIGESTS[size]()
        if family == "HS":
            return hmac.digest(self._private, data, f"sha{size}")
        if family == "ES":
            r, s = decode_dss_signature(self._private.sign(data, ec.ECDSA(digest)))
            length = _CURVE_BYTES[size]
            return r.to_bytes(length, "big") + s.to_bytes(length, "big")
        return bytes(self._private.sign(data, _padding(family, digest, verifies=False), digest))

    def _verifies(self, data: bytes, signature: bytes) -> bool:
        family, size = self._method[:2], self._method[2:]
        if family == "HS":
            return hmac.compare_digest(hmac.digest(self._public, data, f"sha{size}"), signature)
        try:
            if family == "Ed":
                self._public.verify(signature, data)
            elif family == "ES":
                length = _CURVE_BYTES[size]
                if len(signature) != 2 * length:
                    return False
                pair = (int.from_bytes(signature[:length], "big"), int.from_bytes(signature[length:], "big"))
                self._public.verify(encode_dss_signature(*pair), data, ec.ECDSA(_DIGESTS[size]()))
            else:
                digest = _DIGESTS[size]()
                self._public.verify(signature, data, _padding(family, digest, verifies=True), digest)
        except InvalidSignature:
            return False
        return True


def _private_key(pem: bytes) -> Any:
    try:
        return serialization.load_pem_private_key(pem, None)
    except TypeError as problem:  # it is encrypted
        raise ValueError(str(problem)) from problem


def _public_key(pem: bytes) -> Any:
    if b"-----BEGIN CERTIFICATE-----" in pem:
        return x509.load_pem_x509_certificate(pem).public_key()
    return serialization.load_pem_public_key(pem)


def _padding(family: str, digest: hashes.HashAlgorithm, *, verifies: bool) -> padding.AsymmetricPadding:
    if family == "PS":
        return padding.PSS(padding.MGF1(digest), padding.PSS.AUTO if verifies else padding.PSS.DIGEST_LENGTH)
    return padding.PKCS1v15()


def _part(fields: dict[str, Any]) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(fields, separators=(",", ":")).encode()).rstrip(b"=")


def _decode(text: bytes) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except binascii.Error as problem:
        raise ValueError("not base64url") from problem
