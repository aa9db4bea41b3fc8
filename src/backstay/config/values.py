"""Single values of `backstay.toml`: what TOML has, to what backstay wants; each raises `Wrong` with a suggestion.

A value that looks like a secret is never repeated in a message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from backstay.blobs.endpoint import is_plain_http, switch
from backstay.blobs.location import SCHEMES, parse_location
from backstay.config.configuration import Form
from backstay.config.mistakes import Wrong, Wrongs, nearest, one_of, shown
from backstay.crypto.recipients import read_recipients
from backstay.errors import BackstayError
from backstay.jobs.companions.layouts import LAYOUTS
from backstay.policy.retention.periods import Period

Value = TypeVar("Value")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_SITE_HINT = "the name of a place"
_PERIOD = "a period such as 15m, 6h, 30d"
_ENDPOINT = "endpoints such as https://10.0.0.11:2379"
_RECIPIENT = "public recipients such as age1..., ssh-ed25519 ..."
_COMPANION = "names of layouts such as kubeadm, and absolute paths"
_SECRET = "AGE-SECRET-KEY"
_WORDS = {
    "minute": "m", "min": "m", "mins": "m", "minutes": "m", "hour": "h", "hours": "h", "day": "d", "days": "d", "week": "w",
    "weeks": "w", "month": "mo", "months": "mo", "year": "y", "years": "y",
}  # fmt: skip
_WHOLE = {"hourly": "1h", "daily": "1d", "weekly": "1w", "monthly": "1mo"}


def text(value: object, expected: str = "text") -> str:
    """A text that is not empty."""
    if not isinstance(value, str):
        written = str(value).lower() if isinstance(value, bool | int | float) else "..."
        raise Wrong(f"{shown(value)} is no text", expected, f'write it in quotes: "{written}"')
    if not value.strip():
        raise Wrong("it is empty", expected, "fill it in, or leave the key out")
    return value


def name(value: str, what: str) -> str:
    """A name that may stand in commands, files and metrics."""
    if not _NAME.fullmatch(value):
        better = re.sub(r"[^A-Za-z0-9._-]+", "-", value).strip("-._")[:63] or what
        raise Wrong(
            f"{shown(value)} is no name", "letters, digits and . _ - after the first, at most 63", f"call it {better}"
        )
    return value


def site(value: object) -> str:
    """Where something stands: two sites do not burn down together."""
    return name(text(value, _SITE_HINT), "site")


def period(value: object) -> Period:
    """A length of time."""
    if isinstance(value, int) and not isinstance(value, bool):
        raise Wrong(f"{value} has no unit", _PERIOD, f'write "{value}m" if minutes are meant')
    written = text(value, _PERIOD)
    try:
        return Period.parse(written)
    except ValueError:
        raise Wrong(f"{shown(written)} is no period", _PERIOD, f'write "{_likely_period(written)}"') from None


def _likely_period(written: str) -> str:
    plain = written.strip().lower()
    if plain in _WHOLE:
        return _WHOLE[plain]
    found = re.match(r"0*([1-9][0-9]{0,4})\s*([a-z]*)", plain)
    if not found:
        return "1h"
    unit = found[2] if found[2] in _WORDS.values() else _WORDS.get(found[2], "")
    return f"{found[1]}{unit or 'm'}"


def location(value: object) -> str:
    """Where a repository is. A directory is absolute, because commands run anywhere."""
    expected = "a location such as file:///srv/backups, s3://bucket/prefix, sftp://user@host/dir"
    written = text(value, expected)
    try:
        where = parse_location(written)
        if where.parameters:
            is_plain_http(where.parameters.get("endpoint", ""), where.parameters)
            switch(where.parameters, "path-style", default=True)
    except BackstayError as problem:
        scheme, found, rest = written.partition("://")
        better = nearest(scheme, SCHEMES) if found else ""
        if better and better != scheme.lower() and "@" not in rest:
            raise Wrong(problem.why, expected, f'write "{better}://{rest}"') from None
        raise Wrong(problem.why, expected, "write it after docs/reference/configuration.md") from None
    if where.scheme == "file" and not where.path.startswith("/"):
        raise Wrong(f"{shown(written)} is relative", "an absolute path", f'write "/srv/{written.removeprefix("./")}"')
    return written


def path(value: object) -> Path:
    """An absolute path; whether something is there is not asked here."""
    written = text(value, "an absolute path")
    if not written.startswith("/") or "\0" in written:
        name_only = written.rpartition("/")[2].replace("\0", "")
        better = f"/etc/kubernetes/pki/etcd/{name_only}"
        raise Wrong(f"{shown(written)} is not an absolute path", "an absolute path", f'write "{better}" if that is it')
    return Path(written)


def identity(value: object) -> Path:
    """The file of an identity; never the identity itself."""
    if isinstance(value, str) and _SECRET in value.upper():
        raise Wrong(
            "it is a secret key", "the path of a file", "keep the key in a file that only its owner reads, and name it"
        )
    return path(value)


def user(value: object) -> str:
    """A user without the password."""
    written = text(value, "the name of a user")
    if ":" in written:
        known = written.partition(":")[0]
        raise Wrong(
            "it holds a password", "a name alone", f'write "{known}" and give the password as BACKSTAY_PASSWORD'
        )
    return written


def endpoints(value: object) -> tuple[str, ...]:
    """Where the members of a cluster listen."""
    return list_of(value, _endpoint, _ENDPOINT)


def _endpoint(written: str) -> str:
    with_scheme = written if "://" in written else f"https://{written}"
    try:
        parts = urlsplit(with_scheme)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise Wrong(
            f"{shown(written)} is no endpoint", _ENDPOINT, "write https://, a host, a colon and a port up to 65535"
        ) from None
    if parts.username is not None:
        raise Wrong(
            "an endpoint holds a user", _ENDPOINT, "write the name as `user`, the password as BACKSTAY_PASSWORD"
        )
    if parts.scheme not in ("http", "https"):
        raise Wrong(f"{shown(parts.scheme)} is no scheme of etcd", _ENDPOINT, f'write "https://{parts.netloc}"')
    if not host:
        raise Wrong(f"{shown(written)} has no host", _ENDPOINT, 'write "https://10.0.0.11:2379"')
    if port is None:
        raise Wrong(f"{shown(written)} has no port", _ENDPOINT, f'write "{parts.scheme}://{parts.netloc}:2379"')
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise Wrong(f"{shown(written)} has a path", _ENDPOINT, f'write "{parts.scheme}://{parts.netloc}"')
    return written


def recipients(value: object) -> tuple[str, ...]:
    """Who can read plain files. Whether gpg knows a name is not asked here."""
    return list_of(value, _recipient, _RECIPIENT)


def _recipient(written: str) -> str:
    if written.upper().startswith(_SECRET):
        raise Wrong("it is a secret key", _RECIPIENT, "write the public one, which `age-keygen -y` prints")
    if written.startswith(("age1", "ssh-")):
        try:
            read_recipients([written], {})
        except BackstayError as problem:
            raise Wrong(f"{shown(written)} is no recipient", _RECIPIENT, f"copy it whole: {problem.why}") from None
    return written


def companions(value: object) -> tuple[str, ...]:
    """What is stored beside the keys: names of layouts, and absolute paths. Whether anything is there is not asked here."""
    return list_of(value, _companion, _COMPANION)


def _companion(written: str) -> str:
    return written if written.startswith("/") and "\0" not in written else choice(written, tuple(LAYOUTS))


def companion_recipients(value: object) -> tuple[str, ...]:
    """Who alone can read companions."""
    return list_of(value, _companion_recipient, _RECIPIENT)


def _companion_recipient(written: str) -> str:
    if not _recipient(written).startswith("age1"):
        raise Wrong("companions are sealed to keys of age", "age1...", "name a public key that `age-keygen` printed")
    return written


def form(value: object) -> Form:
    """What a copy is made of."""
    return Form(choice(value, [each.value for each in Form]))


def flag(value: object) -> bool:
    """Yes or no."""
    if not isinstance(value, bool):
        meant = str(value).strip().lower() in ("yes", "on", "1", "true")
        hint = f"write {str(meant).lower()}, without quotes"
        raise Wrong(f"{shown(value)} is neither true nor false", "true or false", hint)
    return value


def choice(value: object, known: Collection[str]) -> str:
    """One of the known words."""
    written = text(value, one_of(known))
    if written not in known:
        better = nearest(written, known)
        hint = f'did you mean "{better}"?' if better else f"write {one_of(known)}"
        raise Wrong(f"{shown(written)} is not known", one_of(known), hint)
    return written


def list_of(value: object, each: Callable[[str], Value], expected: str) -> tuple[Value, ...]:
    """A list that is not empty and names nothing twice; raises `Wrongs` for its elements."""
    if isinstance(value, str):
        parts = ", ".join(f'"{part.strip()}"' for part in value.split(","))
        hint = "write it in brackets" if value.upper().startswith(_SECRET) else f"write [{parts}]"
        raise Wrong("it is one text and no list", f"a list of {expected}", hint)
    if not isinstance(value, Sequence):
        raise Wrong(f"{shown(value)} is no list", f"a list of {expected}", 'write ["...", "..."]')
    if not value:
        raise Wrong("the list is empty", f"a list of {expected}", "name at least one")
    seen: set[str] = set()
    found: list[Value] = []
    wrong: dict[int, Wrong] = {}
    for index, part in enumerate(value):
        try:
            written = text(part, expected)
            if written in seen:
                raise Wrong(f"{shown(written)} stands there twice", "each once", "remove one of the two")
            seen.add(written)
            found.append(each(written))
        except Wrong as problem:
            wrong[index] = problem
    if wrong:
        raise Wrongs(wrong)
    return tuple(found)
