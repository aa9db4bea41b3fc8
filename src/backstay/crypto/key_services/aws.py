"""Keys of AWS KMS: `Encrypt` and `Decrypt`, each with the encryption context `backstay-repository`, `backstay-epoch`.

    POST https://kms.REGION.amazonaws.com/   X-Amz-Target: TrentService.Encrypt   {"KeyId", "Plaintext", "EncryptionContext"}

The slot is the ciphertext as KMS gives it; a policy of the key can demand the context, and CloudTrail shows it. Credentials:
`AWS_ACCESS_KEY_ID` with `AWS_SECRET_ACCESS_KEY` (and `AWS_SESSION_TOKEN`), or the role of a pod (`AWS_ROLE_ARN` and
`AWS_WEB_IDENTITY_TOKEN_FILE`). `AWS_ENDPOINT_URL_KMS` names another address, `AWS_CA_BUNDLE` whom to trust there.
An agent needs `kms:Encrypt` alone; who restores, `kms:Decrypt`.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from backstay import errors
from backstay.clock import Clock
from backstay.crypto.key_services import AWS_KMS, address_of
from backstay.crypto.key_services.https import post, require_address
from backstay.crypto.slots import SlotContext
from backstay.https.signature_v4 import Credentials, Scope, signed_headers

_ARN = re.compile(r"arn:(aws|aws-cn|aws-us-gov):kms:([a-z0-9-]+):[0-9]{12}:(key|alias)/[A-Za-z0-9/_-]+")
_FOREIGN = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})
_DENIED = frozenset(
    {
        "AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException",
        "MissingAuthenticationTokenException", "IncompleteSignatureException", "InvalidClientTokenId",
    }
)  # fmt: skip
_FIELD = re.compile(rb"<(AccessKeyId|SecretAccessKey|SessionToken)>([^<]+)</")


class AwsKms:
    """One key."""

    type = AWS_KMS

    def __init__(self, public: str, environment: Mapping[str, str], clock: Clock) -> None:
        found = _ARN.fullmatch(address_of(public))
        if found is None:
            raise errors.RECIPIENT_INVALID.error(
                f"cannot wrap keys to `{public[:100]}`",
                why="a key of AWS KMS is `aws-kms:arn:aws:kms:REGION:ACCOUNT:key/ID`",
            )
        self.public = public
        self._arn, self._region = address_of(public), found[2]
        self._domain = "amazonaws.com.cn" if found[1] == "aws-cn" else "amazonaws.com"
        self._environment, self._clock = environment, clock
        self._lent: Credentials | None = None
        self._failure: errors.BackstayError | None = None

    def wrap(self, secret: bytes, context: SlotContext) -> bytes:
        answer = self._call("Encrypt", {"Plaintext": base64.b64encode(secret).decode()}, context)
        return self._bytes(answer, "CiphertextBlob")

    def unwrap(self, slot: bytes, context: SlotContext) -> bytes | None:
        answer = self._call("Decrypt", {"CiphertextBlob": base64.b64encode(slot).decode()}, context)
        return None if answer is None else self._bytes(answer, "Plaintext")

    def _call(self, operation: str, content: Mapping[str, str], context: SlotContext) -> dict[str, Any] | None:
        """The answer; None where the ciphertext is not of this key and context."""
        if self._failure is not None:
            raise self._failure
        bound = {"backstay-repository": context.repository, "backstay-epoch": str(context.epoch)}
        body = json.dumps({"KeyId": self._arn, "EncryptionContext": bound, **content}).encode()
        address = self._address("KMS", f"https://kms.{self._region}.{self._domain}")
        headers = {
            "Host": urlsplit(address).netloc,
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"TrentService.{operation}",
        }
        try:
            signed = signed_headers(self._credentials(), Scope(self._region, "kms"), headers, body, self._clock.now())
            answer = post(address, body, signed, authority=self._environment.get("AWS_CA_BUNDLE", ""))
        except errors.BackstayError as problem:
            self._failure = problem
            raise
        try:
            parsed = json.loads(answer.body or b"{}")
        except (ValueError, RecursionError):
            parsed = None
        if not isinstance(parsed, dict):
            raise self._failed(f"it answered {answer.status} and no JSON object")
        if answer.status == 200:
            return parsed
        kind = str(parsed.get("__type", "")).rpartition("#")[2]
        why = f"{kind or answer.status}: {str(parsed.get('message') or parsed.get('Message') or '')[:300]}"
        if kind in _FOREIGN:
            return None
        if kind in _DENIED or answer.status in (401, 403):
            self._failure = errors.KEY_SERVICE_DENIED.error(
                f"AWS KMS does not let these credentials {operation.lower()}", where=self.public, why=why
            )
            raise self._failure
        raise self._failed(why)

    def _credentials(self) -> Credentials:
        given = self._environment
        if given.get("AWS_ACCESS_KEY_ID"):
            return Credentials(
                given["AWS_ACCESS_KEY_ID"], given.get("AWS_SECRET_ACCESS_KEY", ""), given.get("AWS_SESSION_TOKEN", "")
            )
        if self._lent is None:
            self._lent = self._of_role()
        return self._lent

    def _of_role(self) -> Credentials:
        """What STS lends to the role of a pod; good for an hour, longer than any command asks for keys."""
        role, file = self._environment.get("AWS_ROLE_ARN"), self._environment.get("AWS_WEB_IDENTITY_TOKEN_FILE")
        if not role or not file:
            raise errors.KEY_SERVICE_DENIED.error(
                "there are no credentials for AWS KMS",
                where=self.public,
                next_step="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the pod a role",
            )
        try:
            token = Path(file).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as problem:
            raise errors.KEY_SERVICE_DENIED.error(
                "cannot read the token of the pod's role", where=file, why=type(problem).__name__
            ) from problem
        asked = {
            "Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": role,
            "RoleSessionName": "backstay", "WebIdentityToken": token,
        }  # fmt: skip
        address = self._address("STS", f"https://sts.{self._region}.{self._domain}")
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        authority = self._environment.get("AWS_CA_BUNDLE", "")
        answer = post(address, urlencode(asked).encode(), headers, authority=authority)
        lent = {name.decode(): value.decode("ascii", "replace") for name, value in _FIELD.findall(answer.body)}
        if answer.status != 200 or len(lent) != 3:
            raise errors.KEY_SERVICE_DENIED.error(
                "AWS lends the role of this pod to nobody", where=role, why=f"STS answered {answer.status}"
            )
        return Credentials(lent["AccessKeyId"], lent["SecretAccessKey"], lent["SessionToken"])

    def _address(self, service: str, usual: str) -> str:
        named = (
            self._environment.get(f"AWS_ENDPOINT_URL_{service}") or self._environment.get("AWS_ENDPOINT_URL") or usual
        )
        return require_address(named, self.public)

    def _bytes(self, answer: Mapping[str, Any] | None, name: str) -> bytes:
        try:
            return base64.b64decode(str((answer or {}).get(name, "")), validate=True)
        except (binascii.Error, ValueError):
            raise self._failed(f"its answer has no {name}") from None

    def _failed(self, why: str) -> errors.BackstayError:
        return errors.KEY_SERVICE_FAILED.error("AWS KMS did not do what it was asked", where=self.public, why=why)
