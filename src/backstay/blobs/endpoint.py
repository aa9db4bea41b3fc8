"""What locations of several kinds have in common when they are opened: an address of their own, switches, files of keys.

Nothing here reads the environment of the process: mappings are passed in.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from backstay import errors

_SWITCH = {"yes": True, "no": False}


def is_plain_http(endpoint: str, parameters: Mapping[str, str]) -> bool:
    """Whether the endpoint is plain http, which only this host itself, or `allow-http=yes`, allows.

    An empty endpoint is the service's own, by https. Raises `LOCATION_INVALID`.
    """
    insists = switch(parameters, "allow-http", default=False)
    if not endpoint:
        if insists:
            raise invalid("`allow-http` goes with an `endpoint`")
        return False
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise invalid("`endpoint` is a URL such as `https://s3.example.org`")
    if parts.scheme == "http" and not insists and not _is_loopback(parts.hostname):
        raise invalid("its endpoint is plain http: backups would cross the network in clear; `allow-http=yes` insists")
    return parts.scheme == "http"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def first_of(environment: Mapping[str, str], *names: str) -> str:
    """The first of these variables that says something; empty when none does."""
    return next((environment[name] for name in names if environment.get(name)), "")


def switch(parameters: Mapping[str, str], name: str, *, default: bool) -> bool:
    """A parameter that is `yes` or `no`."""
    if name not in parameters:
        return default
    if parameters[name] not in _SWITCH:
        raise invalid(f"`{name}` is `yes` or `no`")
    return _SWITCH[parameters[name]]


def invalid(why: str) -> errors.BackstayError:
    """The one error for a location that is not understood."""
    # The text itself is not repeated: it may hold the password that it should not.
    return errors.LOCATION_INVALID.error("the location cannot be used", why=why)


def unreadable(what: str, path: str, problem: OSError) -> errors.BackstayError:
    """The error for a file that a variable names and that cannot be read."""
    return errors.STORAGE_DENIED.error(f"cannot read the file of {what}", where=path, why=problem.strerror or "")
