"""One POST to a key service: bounded in time and size, no redirects, no proxies, plain http to this host alone."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import ssl
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from backstay import errors

TIMEOUT_SECONDS = 10.0
LARGEST_ANSWER = 1 << 20


class Answer(NamedTuple):
    """What the service said."""

    status: int
    body: bytes


def require_address(address: str, what: str) -> str:
    """`address`, if keys and tokens may be sent there. Raises `RECIPIENT_INVALID`."""
    parts = urlsplit(address)
    why = ""
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None or parts.query:
        why = "its address is a URL such as `https://vault.example.org:8200`"
    elif parts.scheme == "http" and not _is_loopback(parts.hostname):
        why = "its address is plain http: keys would cross the network in clear"
    if why:
        raise errors.RECIPIENT_INVALID.error(f"cannot wrap keys to `{what[:100]}`", why=why)
    return address.rstrip("/")


def post(
    address: str, body: bytes, headers: Mapping[str, str], *, authority: str = "", timeout: float = TIMEOUT_SECONDS
) -> Answer:
    """POST `body`; `authority` is a file of certificates to trust. Raises `KEY_SERVICE_FAILED` when nobody answers in time."""
    parts = urlsplit(address)
    assert parts.hostname is not None
    try:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
        if parts.scheme == "https":
            trusted = ssl.create_default_context(cafile=authority or None)
            connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=trusted)
        with contextlib.closing(connection):
            connection.request("POST", f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}", body, headers)
            answer = connection.getresponse()
            content = answer.read(LARGEST_ANSWER + 1)
    except (OSError, http.client.HTTPException) as problem:
        raise errors.KEY_SERVICE_FAILED.error(
            "the key service does not answer",
            where=f"{parts.scheme}://{parts.netloc}",
            why=str(problem) or type(problem).__name__,
        ) from problem
    if len(content) > LARGEST_ANSWER:
        raise errors.KEY_SERVICE_FAILED.error("the key service answers without end", where=parts.netloc)
    return Answer(answer.status, content)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
