"""Keys of HashiCorp Vault's Transit engine, or of OpenBao's, which speaks the same.

    POST ADDRESS/v1/MOUNT/encrypt/KEY  {"plaintext": base64, "associated_data": base64} -> {"data": {"ciphertext": "vault:v1:..."}}
    POST ADDRESS/v1/MOUNT/decrypt/KEY  {"ciphertext": ..., "associated_data": ...}      -> {"data": {"plaintext": base64}}

The slot is the ciphertext as Vault spells it. Associated data is `backstay REPOSITORY EPOCH`; the key must be of a type that
takes it (aes256-gcm96, which is the default, aes128-gcm96, chacha20-poly1305). The token comes from `VAULT_TOKEN`, or from the
file that `VAULT_TOKEN_FILE` names, read anew at every call because an agent of Vault renews it; `VAULT_NAMESPACE` and
`VAULT_CACERT` are honoured. An agent needs `update` on `MOUNT/encrypt/KEY` alone; who restores, on `MOUNT/decrypt/KEY`.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backstay import errors
from backstay.crypto.key_services import VAULT_TRANSIT, address_of
from backstay.crypto.key_services.https import post, require_address
from backstay.crypto.slots import SlotContext

_PART = r"[A-Za-z0-9_-][A-Za-z0-9_.-]*"  # no `..`, which would lead to another engine
_ADDRESS = re.compile(rf"(https?://[^/\s?#]+)/({_PART}(?:/{_PART})*)/({_PART})")
_CIPHERTEXT = re.compile(r"vault:v[0-9]{1,9}:[A-Za-z0-9+/=]+")
_FOREIGN = ("message authentication failed", "invalid ciphertext", "could not decode", "no prefix", "too short")


class VaultTransit:
    """One key of one mount."""

    type = VAULT_TRANSIT

    def __init__(self, public: str, environment: Mapping[str, str]) -> None:
        found = _ADDRESS.fullmatch(address_of(public))
        if found is None:
            raise errors.RECIPIENT_INVALID.error(
                f"cannot wrap keys to `{public[:100]}`",
                why="a key of Vault is `vault:https://HOST:PORT/MOUNT/KEY`",
            )
        self.public = public
        self._address = require_address(found[1], public)
        self._mount, self._key = found[2], found[3]
        self._environment = environment
        self._failure: errors.BackstayError | None = None

    def wrap(self, secret: bytes, context: SlotContext) -> bytes:
        status, data = self._call("encrypt", {"plaintext": _text(secret), "associated_data": _bound(context)})
        slot = data.get("ciphertext")
        if status != 200 or not isinstance(slot, str) or not _CIPHERTEXT.fullmatch(slot):
            raise self._failed(f"it answered {status} and no ciphertext")
        return slot.encode()

    def unwrap(self, slot: bytes, context: SlotContext) -> bytes | None:
        text = slot.decode("ascii", "replace").strip()
        if not _CIPHERTEXT.fullmatch(text):
            return None
        status, data = self._call("decrypt", {"ciphertext": text, "associated_data": _bound(context)})
        if status == 400:
            return None
        try:
            return base64.b64decode(str(data.get("plaintext", "")), validate=True)
        except (binascii.Error, ValueError):
            raise self._failed("its answer is not base64") from None

    def _call(self, operation: str, content: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """(status, data) of an answer that means something: 200, or 400 for what is not of this key."""
        if self._failure is not None:
            raise self._failure
        headers = {"Content-Type": "application/json", "X-Vault-Request": "true", "X-Vault-Token": self._token()}
        if namespace := self._environment.get("VAULT_NAMESPACE", ""):
            headers["X-Vault-Namespace"] = namespace
        address = f"{self._address}/v1/{self._mount}/{operation}/{self._key}"
        try:
            answer = post(
                address, json.dumps(content).encode(), headers, authority=self._environment.get("VAULT_CACERT", "")
            )
        except errors.BackstayError as problem:
            self._failure = problem
            raise
        try:
            parsed = json.loads(answer.body or b"{}")
        except (ValueError, RecursionError):
            parsed = None
        if not isinstance(parsed, dict):
            raise self._failed(f"it answered {answer.status} and no JSON object")
        reasons = parsed.get("errors")
        said = ", ".join(map(str, reasons))[:300] if isinstance(reasons, list) else ""
        if answer.status in (401, 403):
            self._failure = errors.KEY_SERVICE_DENIED.error(
                f"Vault does not let this token {operation}", where=self.public, why=said or f"status {answer.status}"
            )
            raise self._failure
        if answer.status == 400 and operation == "decrypt" and any(word in said for word in _FOREIGN):
            return 400, {}
        data = parsed.get("data")
        if answer.status != 200 or not isinstance(data, dict):
            raise self._failed(said or f"it answered {answer.status}")
        return 200, data

    def _token(self) -> str:
        if file := self._environment.get("VAULT_TOKEN_FILE", ""):
            try:
                return Path(file).read_text(encoding="ascii").strip()
            except (OSError, UnicodeDecodeError) as problem:
                raise errors.KEY_SERVICE_DENIED.error(
                    "cannot read the token of Vault", where=file, why=type(problem).__name__
                ) from problem
        token = self._environment.get("VAULT_TOKEN", "").strip()
        if not token:
            raise errors.KEY_SERVICE_DENIED.error(
                "there is no token for Vault", where=self.public, next_step="set VAULT_TOKEN or VAULT_TOKEN_FILE"
            )
        return token

    def _failed(self, why: str) -> errors.BackstayError:
        return errors.KEY_SERVICE_FAILED.error("Vault did not do what it was asked", where=self.public, why=why)


def _bound(context: SlotContext) -> str:
    return _text(f"backstay {context.repository} {context.epoch}".encode())


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
