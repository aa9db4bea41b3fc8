"""How to reach an etcd, as values: endpoints, credentials, options.

Made by the command line, discovery and users; read by the transport. Pure: no file is opened and no name is resolved
here, and secrets do not appear in `repr`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import urlsplit

from backstay import errors
from backstay.etcd import deadlines

DEFAULT_PORT = 2379

Scheme = Literal["http", "https", "unix", "unixs"]

_HOST_PATTERN = re.compile(r"[A-Za-z0-9._\-]+|[0-9A-Fa-f:.]+(%[A-Za-z0-9_.\-]+)?")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address of one member. For the schemes `unix` and `unixs`, `host` is the socket's path and `port` is 0."""

    scheme: Scheme
    host: str
    port: int = DEFAULT_PORT

    @classmethod
    def parse(cls, text: str, *, default_scheme: Scheme = "http") -> Endpoint:
        """`text` as etcdctl accepts it: `HOST`, `HOST:PORT`, `http[s]://HOST[:PORT]`, `unix[s]:PATH`.

        Raises `USAGE` for anything else.
        """
        stripped = text.strip()
        scheme, separator, rest = stripped.partition("://")
        if not separator:
            scheme, separator, rest = stripped.partition(":")
            if scheme not in ("unix", "unixs"):
                scheme, rest = default_scheme, stripped
        if scheme in ("unix", "unixs"):
            if not rest:
                raise _bad_endpoint(text, "the socket's path is missing")
            return cls("unix" if scheme == "unix" else "unixs", rest, 0)
        if scheme not in ("http", "https"):
            raise _bad_endpoint(text, f"the scheme `{scheme}` is none of http, https, unix, unixs")
        try:
            parts = urlsplit(f"//{rest}")
            host, port = parts.hostname, parts.port
        except ValueError as problem:
            raise _bad_endpoint(text, str(problem)) from problem
        if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username is not None:
            raise _bad_endpoint(text, "only a host and a port may follow the scheme")
        if not host or not _HOST_PATTERN.fullmatch(host):
            raise _bad_endpoint(text, "the host is missing or has characters that no host has")
        if port == 0:
            raise _bad_endpoint(text, "the port must be from 1 to 65535")
        return cls("https" if scheme == "https" else "http", host, DEFAULT_PORT if port is None else port)

    @property
    def is_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.scheme in ("https", "unixs")

    @property
    def is_unix(self) -> bool:
        """Whether the address is a socket file."""
        return self.scheme in ("unix", "unixs")

    @property
    def address(self) -> str:
        """`HOST:PORT` (IPv6 in brackets), or the socket's path."""
        if self.is_unix:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def target(self) -> str:
        """The address as gRPC wants it."""
        return f"unix:{self.host}" if self.is_unix else f"dns:///{self.address}"

    def __str__(self) -> str:
        return f"{self.scheme}:{self.host}" if self.is_unix else f"{self.scheme}://{self.address}"


def _bad_endpoint(text: str, why: str) -> errors.BackstayError:
    return errors.USAGE.error(
        f"`{text}` is not an endpoint", why=why, next_step="write an endpoint as `https://127.0.0.1:2379`"
    )


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who we are and whom we trust. Paths name PEM files; they are read when a connection is made.

    `token` is a ready etcd token and excludes `user`. `insecure_skip_tls_verify` trusts whatever certificate the server
    shows at the first contact (`transport/certificates.py` says what that can and cannot do). `insecure_transport` makes
    endpoints without a scheme plain text even when certificates are given.
    """

    cacert: str = ""
    cert: str = ""
    key: str = field(default="", repr=False)
    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    server_name: str = ""
    insecure_skip_tls_verify: bool = False
    insecure_transport: bool = False

    def __post_init__(self) -> None:
        if bool(self.cert) != bool(self.key):
            given, missing = ("--cert", "--key") if self.cert else ("--key", "--cert")
            raise errors.USAGE.error(f"{given} needs {missing}", why="a certificate is of use only with its key")
        if self.user and self.token:
            raise errors.USAGE.error("a user and a token exclude each other")
        if self.password and not self.user:
            raise errors.USAGE.error("a password needs a user")

    @property
    def wants_tls(self) -> bool:
        """Whether an endpoint without a scheme means https."""
        return not self.insecure_transport and bool(self.cacert or self.cert or self.insecure_skip_tls_verify)


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """Everything a client needs. At least one endpoint; deadlines in seconds, defaults in `deadlines.py`."""

    endpoints: tuple[Endpoint, ...]
    credentials: Credentials = Credentials()
    dial_timeout_seconds: float = deadlines.DIAL
    command_timeout_seconds: float = deadlines.COMMAND
    long_timeout_seconds: float = deadlines.LONG
    idle_timeout_seconds: float = deadlines.STREAM_IDLE
    watch_resume_seconds: float = deadlines.WATCH_RESUME
    keepalive_interval_seconds: float = deadlines.KEEPALIVE_INTERVAL
    keepalive_timeout_seconds: float = deadlines.KEEPALIVE_TIMEOUT

    def __post_init__(self) -> None:
        if not self.endpoints:
            raise errors.USAGE.error("no endpoint is given", next_step="name one with --endpoints")
        for name in ("dial_timeout", "command_timeout", "long_timeout", "idle_timeout", "watch_resume"):
            if getattr(self, f"{name}_seconds") <= 0:
                raise errors.USAGE.error(f"the {name.replace('_', ' ')} must be more than 0 seconds")

    @classmethod
    def of(cls, endpoints: Iterable[str], credentials: Credentials | None = None) -> ConnectionOptions:
        """Options with the default deadlines; an endpoint without a scheme is https when the credentials want TLS."""
        credentials = credentials or Credentials()
        scheme: Scheme = "https" if credentials.wants_tls else "http"
        return cls(tuple(Endpoint.parse(text, default_scheme=scheme) for text in endpoints), credentials)

    def only(self, endpoint: Endpoint) -> ConnectionOptions:
        """The same options for one endpoint."""
        return replace(self, endpoints=(endpoint,))

    def seconds(self, deadline: deadlines.Deadline) -> float:
        """The value of one of the deadlines."""
        return {
            deadlines.Deadline.COMMAND: self.command_timeout_seconds,
            deadlines.Deadline.LONG: max(self.long_timeout_seconds, self.command_timeout_seconds),
            deadlines.Deadline.IDLE: self.idle_timeout_seconds,
        }[deadline]
