"""Signed documents: two lines of text, a JSON object and who signed it (docs/formats/repository.md, 3).

    {"document":"manifest","format":1,...}
    {"key":"<ed25519 public key, hex>","signature":"<base64>"}

The signature is Ed25519 over `backstay signed document 1`, a newline, and the first line. It is checked before the first
line is parsed. Whether the key may sign such a document is for the caller to say; what the fields mean as well.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from backstay import errors

LARGEST_DOCUMENT = 16 << 20
"""Bytes of a document; a larger one is not read."""

SEED_SIZE = 32
_DOMAIN = b"backstay signed document 1\n"
_PUBLIC = re.compile(r"[0-9a-f]{64}")
_SECRET_TEXT = re.compile(r"BACKSTAY-SIGNING-KEY-([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An Ed25519 key that signs documents."""

    seed: bytes = field(repr=False)

    @property
    def public(self) -> str:
        """The public half, as documents name it: 64 hex digits."""
        return self._key().public_key().public_bytes_raw().hex()

    def as_text(self) -> str:
        """The secret for a file or for paper."""
        return f"BACKSTAY-SIGNING-KEY-{self.seed.hex()}"

    def sign(self, message: bytes) -> bytes:
        """64 bytes."""
        return self._key().sign(message)

    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


def read_signing_key(text: str, where: str) -> SigningKey:
    """The key in the text of a file or of a paper; lines that begin with `#` are comments. Raises `SIGNING_KEY_INVALID`."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    found = _SECRET_TEXT.fullmatch(lines[0]) if len(lines) == 1 else None
    if found is None:
        raise errors.SIGNING_KEY_INVALID.error("this is no signing key", where=where)
    return SigningKey(bytes.fromhex(found[1]))


@dataclass(frozen=True, slots=True)
class SignedDocument:
    """A document whose signature is right: its fields, and the key that signed it."""

    fields: Mapping[str, Any]
    key: str


def sign_document(fields: Mapping[str, Any], key: SigningKey) -> bytes:
    """The bytes of a document; the same fields and key give the same bytes."""
    body = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()
    signature = base64.b64encode(key.sign(_DOMAIN + body)).decode()
    line = json.dumps({"key": key.public, "signature": signature}, separators=(",", ":")).encode()
    return body + b"\n" + line + b"\n"


def read_document(data: bytes, where: str) -> SignedDocument:
    """The document in `data`. Raises `SIGNATURE_WRONG`, and `OBJECT_DAMAGED` for what is no such document."""
    lines = data.split(b"\n")
    if len(data) > LARGEST_DOCUMENT or len(lines) != 3 or lines[2]:
        raise _damaged(where, "it is not two lines")
    signed = parse_object(lines[1], where)
    key, signature = signed.get("key"), signed.get("signature")
    if set(signed) != {"key", "signature"} or not isinstance(key, str) or not isinstance(signature, str):
        raise _damaged(where, "its second line does not say who signed it")
    # The one spelling of each, so that no byte can be changed without anybody noticing.
    if not _PUBLIC.fullmatch(key):
        raise _damaged(where, "the key that signed it is not 64 hex digits")
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        raise _damaged(where, "its signature is not base64") from None
    if (
        lines[1]
        != json.dumps({"key": key, "signature": base64.b64encode(raw).decode()}, separators=(",", ":")).encode()
    ):
        raise _damaged(where, "its second line is not spelled as it was written")
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(raw, _DOMAIN + lines[0])
    except (InvalidSignature, ValueError):
        raise errors.SIGNATURE_WRONG.error(f"the signature of `{where}` is wrong", where=where) from None
    return SignedDocument(parse_object(lines[0], where), key)


def parse_object(data: bytes, where: str) -> dict[str, Any]:
    """A JSON object without repeated fields, NaN, or more depth than any document has. Raises `OBJECT_DAMAGED`."""
    try:
        parsed = json.loads(data.decode("ascii"), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as problem:
        raise _damaged(where, f"it is not JSON as documents have it ({str(problem)[:80]})") from None
    if not isinstance(parsed, dict):
        raise _damaged(where, "it is not a JSON object")
    return parsed


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field stands there twice")
    return fields


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def _damaged(where: str, why: str) -> errors.BackstayError:
    return errors.OBJECT_DAMAGED.error(f"`{where}` is damaged", where=where, why=why)
