"""AWS Signature Version 4, as AWS documents it: who sent a request with its whole body, and that it is this request.

key       = HMAC(HMAC(HMAC(HMAC("AWS4" + secret, date), region), service), "aws4_request")
to sign   = "AWS4-HMAC-SHA256", time, date/region/service/aws4_request, SHA-256 of the canonical request
canonical = method, path, query, headers (lower case, sorted), their names, SHA-256 of the body
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who signs. `token` belongs to keys that are lent for some time."""

    key_id: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Scope:
    """For where a signature is good."""

    region: str
    service: str


def signed_headers(
    credentials: Credentials,
    scope: Scope,
    headers: Mapping[str, str],
    body: bytes,
    now: datetime,
    *,
    method: str = "POST",
    path: str = "/",
    query: str = "",
) -> dict[str, str]:
    """`headers`, which name the host, with what signs them. `query` is in its canonical form already."""
    time = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    sent = {**headers, "X-Amz-Date": time}
    if credentials.token:
        sent["X-Amz-Security-Token"] = credentials.token
    lines = sorted((name.lower(), " ".join(value.split())) for name, value in sent.items())
    names = ";".join(name for name, _ in lines)
    canonical = "\n".join(
        (
            method,
            path,
            query,
            *(f"{name}:{value}" for name, value in lines),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        )
    )
    within = f"{time[:8]}/{scope.region}/{scope.service}/aws4_request"
    to_sign = "\n".join(("AWS4-HMAC-SHA256", time, within, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{credentials.secret}".encode()
    for part in within.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    said = f"Credential={credentials.key_id}/{within}, SignedHeaders={names}, Signature={signature}"
    return {**sent, "Authorization": f"AWS4-HMAC-SHA256 {said}"}
