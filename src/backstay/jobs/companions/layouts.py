"""Where the files lie that a restore of a control plane needs beside etcd's data, distribution by distribution.

Patterns are below the root of the host; `**` means everything below. A file may be named by several kinds: the first counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PKI = "pki"
ENCRYPTION = "encryption-configuration"
MANIFEST = "manifest"
KUBECONFIG = "kubeconfig"
TOKEN = "token"
CONFIGURATION = "configuration"
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Layout:
    """One distribution: (pattern, kind) in order, and the kinds without which a restore is not whole."""

    name: str
    places: tuple[tuple[str, str], ...]
    needed: tuple[str, ...]


def _rancher(name: str) -> Layout:
    server = f"/var/lib/rancher/{name}/server"
    return Layout(
        name,
        (
            (f"{server}/cred/encryption-config.json", ENCRYPTION),
            (f"{server}/token", TOKEN),
            (f"{server}/node-token", TOKEN),
            (f"{server}/agent-token", TOKEN),
            (f"{server}/tls/**", PKI),
            (f"{server}/cred/*.kubeconfig", KUBECONFIG),
            (f"{server}/cred/**", CONFIGURATION),
            (f"{server}/manifests/**", MANIFEST),
            (f"/var/lib/rancher/{name}/agent/pod-manifests/*", MANIFEST),
            (f"/etc/rancher/{name}/{name}.yaml", KUBECONFIG),
            (f"/etc/rancher/{name}/**", CONFIGURATION),
            (f"/etc/systemd/system/{name}*.service*", CONFIGURATION),
        ),
        (TOKEN, PKI),
    )


LAYOUTS: Mapping[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout(
            "kubeadm",
            (
                ("/etc/kubernetes/manifests/*", MANIFEST),
                ("/etc/kubernetes/pki/**", PKI),
                ("/etc/kubernetes/*.conf", KUBECONFIG),
                ("/var/lib/kubelet/config.yaml", CONFIGURATION),
                ("/var/lib/kubelet/kubeadm-flags.env", CONFIGURATION),
            ),
            (PKI, MANIFEST),
        ),
        _rancher("k3s"),
        _rancher("rke2"),
    )
}
"""By the word that `--with-companions` takes. What static manifests of kubeadm refer to is found by their flags."""
