"""How to reach etcd, as the user said it: flags first, then `BACKSTAY_*`, then `ETCDCTL_*`.

A pure function over two mappings: `options.py` gives it the flags and the environment, and a command converts the
`ConnectionSettings` it returns to the client's options. Nothing is read from disk and no default is filled in: None
means that nobody said anything. Spelling and meaning are etcdctl's, `ETCDCTL_API` is ignored, and an empty variable
counts as unset, as it does there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from backstay import errors
from backstay.values import duration_seconds as duration_seconds

Flags = Mapping[str, tuple[str, ...]]
"""Every flag that was given, by its field in `ConnectionSettings`, with all its values in their order."""

PREFIXES = ("BACKSTAY_", "ETCDCTL_")
TRUE_WORDS = ("1", "t", "T", "true", "TRUE", "True")
FALSE_WORDS = ("0", "f", "F", "false", "FALSE", "False")


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """What was said about the connection. `origins` names the flag or variable behind each value that is not None."""

    endpoints: tuple[str, ...] | None = None
    cacert: str | None = None
    cert: str | None = None
    key: str | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    auth_jwt_token: str | None = field(default=None, repr=False)
    insecure_skip_tls_verify: bool | None = None
    insecure_transport: bool | None = None
    dial_timeout_seconds: float | None = None
    command_timeout_seconds: float | None = None
    keepalive_time_seconds: float | None = None
    keepalive_timeout_seconds: float | None = None
    origins: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def needs_password(self) -> bool:
        """Whether a user was named without a password; etcdctl asks for it then."""
        return self.user is not None and self.password is None

    def origin(self, name: str) -> str:
        """Where the value of `name` came from, as the user would write it; empty where nobody gave one."""
        return self.origins.get(name, "")


@dataclass(frozen=True, slots=True)
class _Found:
    text: str
    origin: str
    rank: int  # 0 is a flag; higher ranks give way


def resolve(flags: Flags, environment: Mapping[str, str]) -> ConnectionSettings:
    """What `flags` and `environment` say together; raises `errors.USAGE` for a value that cannot be read."""
    found = {name: value for name in _NAMES if (value := _find(name, flags, environment)) is not None}
    said = {name: value for name, value in found.items() if value.text}
    user, password = _user_and_password(said)
    return ConnectionSettings(
        endpoints=_endpoints(said.get("endpoints")),
        cacert=_text(said.get("cacert")),
        cert=_text(said.get("cert")),
        key=_text(said.get("key")),
        user=user,
        password=password,
        auth_jwt_token=_text(said.get("auth_jwt_token")),
        insecure_skip_tls_verify=_truth(said.get("insecure_skip_tls_verify")),
        insecure_transport=_truth(said.get("insecure_transport")),
        dial_timeout_seconds=_seconds(said.get("dial_timeout")),
        command_timeout_seconds=_seconds(said.get("command_timeout")),
        keepalive_time_seconds=_seconds(said.get("keepalive_time")),
        keepalive_timeout_seconds=_seconds(said.get("keepalive_timeout")),
        origins=MappingProxyType({_field(name): value.origin for name, value in said.items()}),
    )


_DURATIONS = ("dial_timeout", "command_timeout", "keepalive_time", "keepalive_timeout")
_NAMES = (
    "endpoints", "cacert", "cert", "key", "user", "password", "auth_jwt_token",
    "insecure_skip_tls_verify", "insecure_transport", *_DURATIONS,
)  # fmt: skip


def _field(name: str) -> str:
    return f"{name}_seconds" if name in _DURATIONS else name


def _find(name: str, flags: Flags, environment: Mapping[str, str]) -> _Found | None:
    if given := flags.get(name):
        # Endpoints add up, as a Go string slice does; of everything else the last word counts.
        text = ",".join(given) if name == "endpoints" else given[-1]
        return _Found(text, f"--{name.replace('_', '-')}", 0)
    for rank, prefix in enumerate(PREFIXES, start=1):
        variable = prefix + name.upper()
        if text := environment.get(variable, ""):
            return _Found(text, variable, rank)
    return None


def _text(found: _Found | None) -> str | None:
    return found.text if found is not None else None


def _endpoints(found: _Found | None) -> tuple[str, ...] | None:
    if found is None:
        return None
    return tuple(part for text in found.text.split(",") if (part := text.strip())) or None


def _user_and_password(said: Mapping[str, _Found]) -> tuple[str | None, str | None]:
    user, password = said.get("user"), said.get("password")
    if user is None:
        return None, _text(password)
    # With a password beside it the whole of --user is the name, colons too, as in etcdctl; but a password from a weaker
    # place must not take the one apart that stands inside a stronger --user.
    if password is not None and (password.rank <= user.rank or ":" not in user.text):
        return user.text, password.text
    name, colon, inline = user.text.partition(":")
    return name, inline if colon else None


def _truth(found: _Found | None) -> bool | None:
    if found is None:
        return None
    if found.text in TRUE_WORDS:
        return True
    if found.text in FALSE_WORDS:
        return False
    raise errors.USAGE.error(
        f"{found.text!r} is neither true nor false", where=found.origin, next_step="write `true` or `false`"
    )


def _seconds(found: _Found | None) -> float | None:
    if found is None:
        return None
    try:
        return duration_seconds(found.text)
    except ValueError as error:
        raise errors.USAGE.error(
            str(error), where=found.origin, next_step="write a duration such as 5s, 1m30s or 500ms"
        ) from None
