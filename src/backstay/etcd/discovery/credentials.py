"""Which certificate and key to show to a member that was found, and why this user cannot read them.

Called by the modules that found an installation. It reads no certificate: whether one is valid is seen when it is used.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from backstay.errors import BackstayError
from backstay.etcd.connection import Credentials
from backstay.etcd.discovery.host_files import HostFiles, Presence
from backstay.etcd.transport import certificates


class Pair(NamedTuple):
    """A client certificate and its key, as paths of the host."""

    certificate: str
    key: str


class Choice(NamedTuple):
    """The credentials, and what stands in the way of using them."""

    credentials: Credentials
    problem: BackstayError | None


def pairs_near(certificate: str, key: str) -> list[Pair]:
    """The pairs to try for a server that has `certificate`, best first.

    kubeadm puts two client certificates near the server's, k3s and RKE2 one. The server's own serves too when it was
    issued for both uses, which kubeadm and most guides do.
    """
    folder = posixpath.dirname(certificate)
    above = posixpath.dirname(folder)
    return [
        Pair(f"{folder}/healthcheck-client.crt", f"{folder}/healthcheck-client.key"),
        Pair(f"{above}/apiserver-etcd-client.crt", f"{above}/apiserver-etcd-client.key"),
        Pair(f"{folder}/client.crt", f"{folder}/client.key"),
        Pair(certificate, key),
        Pair(f"{folder}/peer.crt", f"{folder}/peer.key"),
    ]


def of_server(files: HostFiles, flags: Mapping[str, str], extra: Iterable[Pair] = ()) -> Choice:
    """The credentials for a server whose flags, with the host's paths, are `flags`; `extra` pairs are tried first."""
    certificate, key = flags.get("cert-file", ""), flags.get("key-file", "")
    if not certificate:
        return Choice(Credentials(), None)
    authority = flags.get("trusted-ca-file", "") or _authority_near(files, certificate)
    return choose(files, authority, [*extra, *pairs_near(certificate, key)])


def choose(files: HostFiles, authority: str, pairs: Iterable[Pair]) -> Choice:
    """The first pair that this user can read, else the first that may be there, with the reason why it is no use."""
    pairs = list(pairs)
    candidates = [pair for pair in pairs if _may_be_there(files, pair)]
    readable = [pair for pair in candidates if _obstacle(files, pair) is None]
    chosen = next(iter(readable or candidates), None)
    credentials = Credentials(
        cacert=str(files.path(authority)) if authority else "",
        cert=str(files.path(chosen.certificate)) if chosen else "",
        key=str(files.path(chosen.key)) if chosen else "",
    )
    problem = _obstacle(files, chosen) if chosen else None
    if problem is None and authority:
        problem = _unreadable(files, authority)
    return Choice(credentials, problem)


def _may_be_there(files: HostFiles, pair: Pair) -> bool:
    return Presence.ABSENT not in (files.presence(pair.certificate), files.presence(pair.key))


def _obstacle(files: HostFiles, pair: Pair) -> BackstayError | None:
    return _unreadable(files, pair.key) or _unreadable(files, pair.certificate)


def _unreadable(files: HostFiles, host_path: str) -> BackstayError | None:
    problem = files.why_unreadable(host_path)
    return certificates.unreadable(str(files.path(host_path)), problem) if problem is not None else None


def _authority_near(files: HostFiles, certificate: str) -> str:
    near = f"{posixpath.dirname(certificate)}/ca.crt"
    return near if files.is_present(near) else ""
