"""How a command reaches etcd: what the user said, completed by what was found on this host.

The one home of that decision, called by every command that talks to a living etcd:

    client = connect(connection, reporting)                     a client, the reasons said on stderr
    reached = reach(connection, root=...)                       the decision itself, without a word

The rules, first to last: what flags and variables say is used as it is; endpoints without any certificate get those of the
installation they belong to; without endpoints the installation that discovery chooses is meant; and where nothing is
found, etcdctl's default address, if somebody listens there.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backstay import errors
from backstay.cli import invocation
from backstay.cli.options import ask_password
from backstay.cli.reporting import Reporting
from backstay.cli.settings import ConnectionSettings
from backstay.etcd.connection import ConnectionOptions, Credentials, Endpoint

if TYPE_CHECKING:  # and loaded when they are needed: most sources are files
    from backstay.etcd.client import Client
    from backstay.etcd.discovery import Discovery, Installation

DEFAULT_ENDPOINT = "127.0.0.1:2379"
ROOT_VARIABLE = "BACKSTAY_HOST_ROOT"
"""Where this process sees the host's `/`: for a container that has it mounted elsewhere."""

_PROBE_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Reached:
    """The options for a client, and why they are these. `installation` is None when nothing on this host was used."""

    options: ConnectionOptions
    reasons: tuple[str, ...]
    installation: Installation | None = None


def host_root(environment: Mapping[str, str]) -> Path:
    """The root below which discovery looks."""
    return Path(environment.get(ROOT_VARIABLE) or "/")


def listens(endpoint: Endpoint) -> bool:
    """Whether somebody accepts connections at `endpoint`."""
    try:
        socket.create_connection((endpoint.host, endpoint.port), timeout=_PROBE_SECONDS).close()
    except OSError:
        return False
    return True


def connect(connection: ConnectionSettings, reporting: Reporting) -> Client:
    """A client of the etcd that the user means; asks for a missing password. Raises as `reach` does."""
    from backstay.etcd.client import Client

    return Client(reach_aloud(connection, reporting).options)


def reach_aloud(connection: ConnectionSettings, reporting: Reporting) -> Reached:
    """`reach` for the running command: its environment, its terminal, and on stderr what was found and not named."""
    environment = invocation.current().environment
    reached = reach(ask_password(connection), root=host_root(environment))
    if reached.installation is not None or connection.endpoints is None:
        for reason in reached.reasons:
            reporting.note(reason)
    return reached


def reach(
    connection: ConnectionSettings,
    *,
    root: Path = Path("/"),
    listens: Callable[[Endpoint], bool] = listens,
) -> Reached:
    """The options to reach the etcd that the user means.

    Raises `NO_ETCD_FOUND` with the places that were searched, `CREDENTIALS_UNREADABLE` with who may read the files that
    were found, and `USAGE` for settings that contradict each other.
    """
    from backstay.etcd.discovery import discover

    if connection.endpoints is not None:
        return _named(connection, root)
    discovery = discover(root)
    if discovery.chosen is None:
        return _default(connection, discovery, listens)
    installation = discovery.chosen
    credentials, is_found = _credentials(connection, installation.credentials)
    if is_found and installation.problem is not None:
        raise installation.problem
    endpoints = installation.client_urls if installation.data_dir is None else (installation.endpoint,)
    return Reached(_options(endpoints, credentials, connection), discovery.reasons, installation)


def _named(connection: ConnectionSettings, root: Path) -> Reached:
    endpoints = connection.endpoints or ()
    origin = connection.origin("endpoints")
    given, _ = _credentials(connection, Credentials())
    reasons: tuple[str, ...] = (f"{', '.join(endpoints)} as {origin} says",)
    plain = _options(endpoints, given, connection)
    if _gives_certificates(connection) or not any(endpoint.is_tls for endpoint in plain.endpoints):
        return Reached(plain, reasons)
    from backstay.etcd.discovery import discover
    from backstay.etcd.discovery.flags import hosts_of_cluster

    installation = discover(root).chosen
    if installation is None or installation.problem is not None or not installation.credentials.cert:
        return Reached(plain, reasons)
    hosts = hosts_of_cluster(installation.flags) | {Endpoint.parse(url).host for url in installation.client_urls}
    if not all(endpoint.host in hosts for endpoint in plain.endpoints):
        return Reached(plain, reasons)
    credentials, _ = _credentials(connection, installation.credentials)
    reasons = (*reasons, f"the certificates are those of {installation}, whose cluster this is")
    return Reached(_options(endpoints, credentials, connection), reasons, installation)


def _default(connection: ConnectionSettings, discovery: Discovery, listens: Callable[[Endpoint], bool]) -> Reached:
    credentials, _ = _credentials(connection, Credentials())
    options = _options((DEFAULT_ENDPOINT,), credentials, connection)
    if listens(options.endpoints[0]):
        reason = f"{options.endpoints[0]} is etcdctl's default, and somebody listens there"
        return Reached(options, (*discovery.reasons, reason))
    passed_over = "; ".join(str(finding) for finding in discovery.findings)
    raise errors.NO_ETCD_FOUND.error(
        "no etcd was named, and none was found on this host",
        where=", ".join(discovery.looked_at),
        why=passed_over or f"none of these files is there, and nobody listens at {options.endpoints[0]}",
    )


def _gives_certificates(connection: ConnectionSettings) -> bool:
    given = (connection.cacert, connection.cert, connection.key, connection.insecure_skip_tls_verify)
    return any(value is not None for value in given)


def _credentials(connection: ConnectionSettings, found: Credentials) -> tuple[Credentials, bool]:
    """What was said, with the certificates of `found` where nothing was said of any; and whether those are used."""
    has_own = connection.cert is not None or connection.key is not None
    credentials = Credentials(
        cacert=connection.cacert if connection.cacert is not None else found.cacert,
        cert=(connection.cert or "") if has_own else found.cert,
        key=(connection.key or "") if has_own else found.key,
        user=connection.user or "",
        password=connection.password or "" if connection.user else "",
        token=connection.auth_jwt_token or "",
        insecure_skip_tls_verify=bool(connection.insecure_skip_tls_verify),
        insecure_transport=bool(connection.insecure_transport),
    )
    is_found = bool(found.cert and not has_own) or bool(found.cacert and connection.cacert is None)
    return credentials, is_found


def _options(endpoints: tuple[str, ...], credentials: Credentials, connection: ConnectionSettings) -> ConnectionOptions:
    options = ConnectionOptions.of(endpoints, credentials)
    said = {
        "dial_timeout_seconds": connection.dial_timeout_seconds,
        "command_timeout_seconds": connection.command_timeout_seconds,
        "keepalive_interval_seconds": connection.keepalive_time_seconds,
        "keepalive_timeout_seconds": connection.keepalive_timeout_seconds,
    }
    seconds: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    return replace(options, **seconds)
