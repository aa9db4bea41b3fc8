"""The text of a flag read as Go reads it: switches, numbers, durations, addresses.

Every function takes a text and returns a value, or raises ValueError with a reason that can stand in an error message.
"""

from __future__ import annotations

import ipaddress
from typing import NamedTuple
from urllib.parse import urlsplit

from backstay.values import duration_seconds

_TRUE = ("1", "t", "T", "true", "TRUE", "True")
_FALSE = ("0", "f", "F", "false", "FALSE", "False")
_NUMBER_BITS = 64
_SIGNED_BITS = 63
_BASES = {"0x": 16, "0b": 2, "0o": 8}


class Url(NamedTuple):
    """Where a server listens or is reached: a host and a port, or the path of a unix socket."""

    scheme: str
    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken there."""
        return self.scheme in ("https", "unixs")

    @property
    def text(self) -> str:
        """The URL as it is written."""
        if self.path:
            return f"{self.scheme}://{self.path}"
        return f"{self.scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def switch(text: str) -> bool:
    """A boolean."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError(f"{text!r} is neither true nor false")


def signed(text: str) -> int:
    """A whole number of 64 bits."""
    body = text.lower().lstrip("+-")
    try:
        value = int(text, _BASES.get(body[:2], 10))
    except ValueError:
        raise ValueError(f"{text!r} is not a whole number") from None
    if not -(1 << _SIGNED_BITS) <= value < 1 << _NUMBER_BITS:
        raise ValueError(f"{text!r} is out of range")
    return value


def number(text: str) -> int:
    """A whole number of 64 bits that is not negative."""
    value = signed(text)
    if value < 0:
        raise ValueError(f"{text!r} is negative")
    return value


def duration(text: str) -> float:
    """Seconds."""
    return duration_seconds(text)


def words(text: str) -> tuple[str, ...]:
    """Words with commas between them, each once, in their order."""
    return tuple(dict.fromkeys(part for each in text.split(",") if (part := each.strip())))


def urls(text: str) -> tuple[Url, ...]:
    """Addresses with commas between them, each once, sorted as etcd sorts them."""
    found = {url(each.strip()) for each in text.split(",")}
    return tuple(sorted(found, key=lambda each: each.text))


def url(text: str) -> Url:
    """One address."""
    scheme, mark, rest = text.partition("://")
    if not mark or scheme not in ("http", "https", "unix", "unixs"):
        raise ValueError(f"{text!r} does not begin with http://, https://, unix:// or unixs://")
    if scheme.startswith("unix"):
        if not rest:
            raise ValueError(f"{text!r} names no socket")
        return Url(scheme, path=rest)
    parts = urlsplit(text)
    try:
        host, port = parts.hostname, parts.port
    except ValueError as problem:
        raise ValueError(f"{text!r} has no usable port: {problem}") from None
    if port is None or "@" in parts.netloc:
        raise ValueError(f"{text!r} is not of the form {scheme}://HOST:PORT")
    if parts.path or parts.query or parts.fragment:
        raise ValueError(f"{text!r} has more than a host and a port")
    return Url(scheme, host or "", port)


def binding(each: Url) -> Url:
    """An address that can be listened on: a host name is none, but for localhost."""
    if each.path or each.host in ("localhost", ""):
        return each
    try:
        ipaddress.ip_address(each.host.partition("%")[0])
    except ValueError:
        raise ValueError(f"{each.text!r} has a host name where the address of an interface must stand") from None
    return each
