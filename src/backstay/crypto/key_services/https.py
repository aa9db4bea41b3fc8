"""One POST to a key service: plain http to this host alone, and `KEY_SERVICE_FAILED` where nobody answers."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from backstay import errors
from backstay.https.exchange import Answer, NoAnswer, exchange


def require_address(address: str, what: str) -> str:
    """`address`, if keys and tokens may be sent there. Raises `RECIPIENT_INVALID`."""
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018  # one that cannot be is found here
    except ValueError as problem:
        raise errors.RECIPIENT_INVALID.error(f"cannot wrap keys to `{what[:100]}`", why=str(problem)) from problem
    why = ""
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None or parts.query:
        why = "its address is a URL such as `https://vault.example.org:8200`"
    elif parts.scheme == "http" and not _is_loopback(parts.hostname):
        why = "its address is plain http: keys would cross the network in clear"
    if why:
        raise errors.RECIPIENT_INVALID.error(f"cannot wrap keys to `{what[:100]}`", why=why)
    return address.rstrip("/")


def post(address: str, body: bytes, headers: Mapping[str, str], *, authority: str = "") -> Answer:
    """POST `body`; `authority` is a file of certificates to trust. Raises `KEY_SERVICE_FAILED` when nobody answers in time."""
    parts = urlsplit(address)
    try:
        return exchange("POST", address, body, headers, authority=authority)
    except NoAnswer as problem:
        raise errors.KEY_SERVICE_FAILED.error(
            "the key service does not answer", where=f"{parts.scheme}://{parts.netloc}", why=str(problem)
        ) from problem


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
