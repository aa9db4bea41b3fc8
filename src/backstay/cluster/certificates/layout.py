"""Which certificates an etcd needs, and where kubeadm keeps them.

    DIR/etcd/ca.crt                  ca.key                   signs the others; only who issues needs its key
    DIR/etcd/server.crt              server.key               etcd shows it to clients
    DIR/etcd/peer.crt                peer.key                 members show it to each other, both ways
    DIR/etcd/healthcheck-client.crt  healthcheck-client.key   etcdctl and backup tools
    DIR/apiserver-etcd-client.crt    apiserver-etcd-client.key  kube-apiserver

Pure. etcd's server certificate is for clients as well: its JSON gateway calls its own gRPC port with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
"""What every server certificate is valid for, whatever else."""


@dataclass(frozen=True, slots=True)
class CertificateKind:
    """One certificate of the layout. `common_name` is empty where the first host is the name."""

    name: str
    place: str
    purpose: str
    common_name: str = ""
    for_servers: bool = False
    is_authority: bool = False

    @property
    def usages(self) -> tuple[str, ...]:
        """What it may be used for, in words."""
        if self.is_authority:
            return ("signs",)
        return ("server", "client") if self.for_servers else ("client",)

    def certificate_in(self, directory: Path) -> Path:
        """The path of the certificate."""
        return directory / f"{self.place}.crt"

    def key_in(self, directory: Path) -> Path:
        """The path of its private key."""
        return directory / f"{self.place}.key"


AUTHORITY = CertificateKind("ca", "etcd/ca", "signs the others", common_name="etcd-ca", is_authority=True)
SERVER = CertificateKind("server", "etcd/server", "etcd shows it to clients", for_servers=True)
PEER = CertificateKind("peer", "etcd/peer", "members show it to each other", for_servers=True)
HEALTHCHECK = CertificateKind(
    "healthcheck-client", "etcd/healthcheck-client", "etcdctl and backups", common_name="kube-etcd-healthcheck-client"
)
API_SERVER = CertificateKind(
    "apiserver-etcd-client", "apiserver-etcd-client", "kube-apiserver", common_name="kube-apiserver-etcd-client"
)
KINDS = (AUTHORITY, SERVER, PEER, HEALTHCHECK, API_SERVER)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The paths of one layout, as programs take them; each list is flags to paste."""

    etcd: tuple[str, ...]
    serve: tuple[str, ...]
    client: tuple[str, ...]
    api_server: tuple[str, ...]


def files_for(directory: Path) -> TlsFiles:
    """The flags that make etcd, `backstay serve`, clients and kube-apiserver use the layout in `directory`."""

    def pair(kind: CertificateKind, certificate: str, key: str) -> tuple[str, str]:
        return f"--{certificate}={kind.certificate_in(directory)}", f"--{key}={kind.key_in(directory)}"

    authority = AUTHORITY.certificate_in(directory)
    server = (*pair(SERVER, "cert-file", "key-file"), f"--trusted-ca-file={authority}", "--client-cert-auth")
    peer = (
        *pair(PEER, "peer-cert-file", "peer-key-file"),
        f"--peer-trusted-ca-file={authority}",
        "--peer-client-cert-auth",
    )
    return TlsFiles(
        etcd=(*server, *peer),
        serve=server,
        client=(f"--cacert={authority}", *pair(HEALTHCHECK, "cert", "key")),
        api_server=(f"--etcd-cafile={authority}", *pair(API_SERVER, "etcd-certfile", "etcd-keyfile")),
    )
