"""Who can reach etcd: whoever can, without a certificate, owns the cluster."""

from __future__ import annotations

from collections.abc import Iterator

from backstay import findings
from backstay.doctor.check import Check
from backstay.doctor.facts import Facts
from backstay.etcd.connection import Endpoint
from backstay.findings import Finding, Severity

OPEN_CLIENT_PORT = findings.declare(
    "open-client-port",
    Severity.ERROR,
    "etcd's client port can be reached from other hosts and wants no client certificate: anybody reads and writes everything.",
    "set --client-cert-auth with --trusted-ca-file, or listen on loopback only, and close the port in the firewall",
)
NO_CLIENT_CERTIFICATE = findings.declare(
    "no-client-certificate",
    Severity.WARNING,
    "etcd wants no client certificate; every user of this host reads and writes everything.",
    "set --client-cert-auth with --trusted-ca-file",
)
OTHER_CLIENTS = findings.declare(
    "other-clients",
    Severity.NOTE,
    "Programs beside the API server and etcd itself are connected to etcd's client port.",
    "check that they should be: CNI plugins and monitoring may, workloads may not",
)

_EXPECTED = ("kube-apiserver", "etcd", "etcdctl", "backstay", "k3s", "rke2", "k3s-server")


def examine(facts: Facts) -> Iterator[Finding]:
    """What listens, what is demanded, and who is connected."""
    installation = facts.installation
    if installation is None or not installation.flags:
        return
    port = Endpoint.parse(installation.endpoint).port
    own = {process.pid for process in facts.etcd_processes}
    listening = [each for each in facts.listeners if each.port == port and (each.pid is None or each.pid in own)]
    demands = installation.flags.get("client-cert-auth") in ("true", "1") or "trusted-ca-file" in installation.flags
    if not demands:
        beyond = [each.address for each in listening if not each.is_loopback]
        if beyond:
            yield OPEN_CLIENT_PORT.at(str(installation), f"listens on {', '.join(beyond)} port {port}")
        else:
            yield NO_CLIENT_CERTIFICATE.at(str(installation), "--client-cert-auth is not set")
    names = {process.pid: process.name for process in facts.processes}
    others = sorted({names[each.pid] for each in facts.connections if each.pid in names} - set(_EXPECTED))
    if others:
        yield OTHER_CLIENTS.at(f"port {port}", ", ".join(others))


CHECK = Check("exposure", "who can reach etcd, and who does", examine)
