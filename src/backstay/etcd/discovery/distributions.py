"""etcd in the places where distributions keep it, when no manifest tells: k3s, RKE2, and what kubeadm leaves.

kubeadm's manifest is moved away during repairs, and that is when this is needed most.
"""

from __future__ import annotations

from typing import NamedTuple

from backstay.etcd.discovery import credentials, flags
from backstay.etcd.discovery.credentials import Pair
from backstay.etcd.discovery.host_files import HostFiles, Presence
from backstay.etcd.discovery.installation import Installation, InstallationKind

DEFAULT_ENDPOINT = "https://127.0.0.1:2379"


class Layout(NamedTuple):
    """Where a distribution keeps etcd's things. `marks` give it away; `settings` is the file that it writes for etcd."""

    kind: InstallationKind
    marks: tuple[str, ...]
    data_dir: str
    authority: str
    pairs: tuple[Pair, ...]
    settings: str = ""


def _rancher(kind: InstallationKind, name: str) -> Layout:
    server = f"/var/lib/rancher/{name}/server"
    tls = f"{server}/tls/etcd"
    return Layout(
        kind,
        marks=(f"{server}/db/etcd", f"{tls}/server-ca.crt"),
        data_dir=f"{server}/db/etcd",
        authority=f"{tls}/server-ca.crt",
        pairs=(
            Pair(f"{tls}/client.crt", f"{tls}/client.key"),
            Pair(f"{tls}/server-client.crt", f"{tls}/server-client.key"),
        ),
        settings=f"{server}/db/etcd/config",
    )


K3S = _rancher(InstallationKind.K3S, "k3s")
RKE2 = _rancher(InstallationKind.RKE2, "rke2")
KUBEADM = Layout(
    InstallationKind.KUBEADM_FILES,
    marks=("/etc/kubernetes/pki/etcd/ca.crt",),
    data_dir="/var/lib/etcd",
    authority="/etc/kubernetes/pki/etcd/ca.crt",
    pairs=tuple(credentials.pairs_near("/etc/kubernetes/pki/etcd/server.crt", "/etc/kubernetes/pki/etcd/server.key")),
)
LAYOUTS = (RKE2, K3S, KUBEADM)


def mark_of(files: HostFiles, layout: Layout) -> str:
    """The path that gives `layout` away on this host, empty when there is none.

    A path that this user may not even look at counts: a host without k3s has no /var/lib/rancher at all.
    """
    for mark in layout.marks:
        if files.presence(mark) is not Presence.ABSENT:
            return mark
    return ""


def read_layout(files: HostFiles, layout: Layout, mark: str) -> Installation:
    """The etcd of `layout`, which `mark` gave away. Raises `ValueError` for a settings file that cannot be understood."""
    settings: dict[str, str] = {}
    if layout.settings and files.why_unreadable(layout.settings) is None:
        settings = flags.of_yaml(files.read(layout.settings))
    choice = credentials.choose(files, layout.authority, layout.pairs)
    return Installation(
        kind=layout.kind,
        name=settings.get("name", ""),
        found_in=files.path(mark),
        client_urls=flags.client_urls(settings) if "listen-client-urls" in settings else (DEFAULT_ENDPOINT,),
        credentials=choice.credentials,
        data_dir=files.path(settings.get("data-dir") or layout.data_dir),
        flags=settings,
        paths=flags.paths(files, settings),
        problem=choice.problem,
    )
