"""Stand in for key services on this machine's loopback: AWS KMS's two calls, and Vault's Transit where its engine is not at hand.

Both keep AES-256-GCM keys in memory and bind a ciphertext to its context as the real ones document it. `AwsKmsStandIn` checks
that a request is signed, in the region and for the service it is sent to, by computing the signature anew from what arrived; the
signature itself is held to AWS's published examples in tests/unit/crypto/test_signature_v4.py. `requests` is what was asked.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class Asked(NamedTuple):
    """One request that came in: what for, and bound to what."""

    operation: str
    bound: str


class _StandIn:
    """A server on a port of its own; begins with `with`, ends with it. `answer` says what it answers."""

    def __init__(self) -> None:
        self.requests: list[Asked] = []
        self.cipher = AESGCM(bytes(range(32)))
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 5

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                status, answer = stand_in.answer(self.path, dict(self.headers.items()), body)
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments: object) -> None:
                """Nothing on the terminal."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def address(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        """Status and JSON."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def seal(self, secret: bytes, bound: str) -> bytes:
        """`secret` for who says `bound` again."""
        nonce = os.urandom(12)
        return nonce + self.cipher.encrypt(nonce, secret, bound.encode())

    def unseal(self, sealed: bytes, bound: str) -> bytes | None:
        """What was sealed; None for another key or another binding."""
        try:
            return self.cipher.decrypt(sealed[:12], sealed[12:], bound.encode())
        except (InvalidTag, ValueError):
            return None


class AwsKmsStandIn(_StandIn):
    """One key of AWS KMS; `may_decrypt` is the policy of the only credentials there are."""

    ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    KEY_ID, SECRET = "AKIDEXAMPLE", "not-a-secret-at-all"
    PUBLIC = f"aws-kms:{ARN}"

    def __init__(self) -> None:
        super().__init__()
        self.may_decrypt = True

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs to know."""
        return {
            "AWS_ACCESS_KEY_ID": self.KEY_ID,
            "AWS_SECRET_ACCESS_KEY": self.SECRET,
            "AWS_ENDPOINT_URL_KMS": self.address,
        }

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        refusal = self._refusal(headers, body)
        if refusal:
            return 400, {"__type": refusal, "message": "the request was not signed as it should be"}
        asked = json.loads(body)
        operation = headers["X-Amz-Target"].removeprefix("TrentService.")
        bound = json.dumps(asked["EncryptionContext"], sort_keys=True)
        self.requests.append(Asked(operation, bound))
        if asked["KeyId"] != self.ARN:
            return 400, {"__type": "NotFoundException", "message": f"Key '{asked['KeyId']}' does not exist"}
        if operation == "Encrypt":
            sealed = self.seal(base64.b64decode(asked["Plaintext"]), bound)
            return 200, {"CiphertextBlob": base64.b64encode(sealed).decode(), "KeyId": self.ARN}
        if not self.may_decrypt:
            return 400, {"__type": "AccessDeniedException", "message": "not authorized to perform: kms:Decrypt"}
        content = self.unseal(base64.b64decode(asked["CiphertextBlob"]), bound)
        if content is None:
            return 400, {"__type": "InvalidCiphertextException"}
        return 200, {"Plaintext": base64.b64encode(content).decode(), "KeyId": self.ARN}

    def _refusal(self, headers: Mapping[str, str], body: bytes) -> str:
        lowered = {name.lower(): value for name, value in headers.items()}
        found = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8}/([a-z0-9-]+)/(\w+)/aws4_request), "
            r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})",
            lowered.get("authorization", ""),
        )
        if found is None:
            return "MissingAuthenticationTokenException"
        key_id, scope, region, service, names, signature = found.groups()
        if key_id != self.KEY_ID:
            return "UnrecognizedClientException"
        if (region, service) != ("eu-central-1", "kms") or not {"host", "x-amz-date", "x-amz-target"} <= set(
            names.split(";")
        ):
            return "IncompleteSignatureException"
        canonical = ["POST", "/", "", *(f"{name}:{lowered[name]}" for name in names.split(";")), "", names]
        canonical.append(hashlib.sha256(body).hexdigest())
        digest = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
        key = b"AWS4" + self.SECRET.encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        signed = "\n".join(["AWS4-HMAC-SHA256", lowered["x-amz-date"], scope, digest])
        wanted = hmac.new(key, signed.encode(), hashlib.sha256).hexdigest()
        return "" if hmac.compare_digest(wanted, signature) else "InvalidSignatureException"


class VaultStandIn(_StandIn):
    """Transit with one key. The agent's token may encrypt only, the operator's may decrypt too."""

    AGENT, OPERATOR = "agents-token", "operators-token"

    @property
    def public(self) -> str:
        """The recipient."""
        return f"vault:{self.address}/transit/backstay"

    def environment(self, token: str) -> dict[str, str]:
        """What a client needs to know."""
        return {"VAULT_TOKEN": token}

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        found = re.fullmatch(r"/v1/transit/(encrypt|decrypt)/backstay", path)
        token = headers.get("X-Vault-Token", "")
        if token not in (self.AGENT, self.OPERATOR) or found is None or (token == self.AGENT and found[1] == "decrypt"):
            return 403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]}
        asked = json.loads(body)
        bound = base64.b64decode(asked["associated_data"]).decode()
        self.requests.append(Asked(found[1], bound))
        if found[1] == "encrypt":
            sealed = base64.b64encode(self.seal(base64.b64decode(asked["plaintext"]), bound)).decode()
            return 200, {"data": {"ciphertext": f"vault:v1:{sealed}", "key_version": 1}}
        try:
            content = self.unseal(base64.b64decode(asked["ciphertext"].removeprefix("vault:v1:")), bound)
        except ValueError:
            return 400, {"errors": ["invalid ciphertext: could not decode base64"]}
        if content is None:
            return 400, {"errors": ["cipher: message authentication failed"]}
        return 200, {"data": {"plaintext": base64.b64encode(content).decode()}}
