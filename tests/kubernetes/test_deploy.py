"""The CronJob of `backstay deploy` as a real API server sees it: accepted by a server-side dry run, nothing of it unknown.

`make test-kubernetes` runs this.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import peers
from tests.kubelet import PKI, ControlPlane
from tests.peers import Peer, Tool

CONFIGURATION = """
[repositories.near]
location = "file:///srv/backups"

[repositories.far]
location = "s3://etcd-backups/payments?endpoint=https://s3.ams.example"

[clusters.payments]
endpoints = ["https://127.0.0.1:2379"]
cacert = "/etc/kubernetes/pki/etcd/ca.crt"
cert = "/etc/kubernetes/pki/etcd/healthcheck-client.crt"
key = "/etc/kubernetes/pki/etcd/healthcheck-client.key"
tier = "TIER"
companions = ["kubeadm"]
repositories = ["near", "far"]
"""
VARIATIONS = (
    [],
    ["--node", "control-plane-1", "--signing-key-secret", "signing", "--metrics-dir", "/var/lib/node_exporter"],
    ["--namespace", "backups", "--pull-secret", "registry", "--schedule", "15 3 * * 1-5"],
)

pytestmark = pytest.mark.kubernetes


@pytest.fixture(scope="module")
def kubernetes() -> Tool:
    """The API server and kubectl; who asks for these tests is told when they are not there."""
    found = peers.find_tool("kubernetes")
    if isinstance(found, str):
        pytest.fail(f"no kube-apiserver: {found}")
    return found


def test_every_manifest_passes_a_server_side_dry_run(newest_peer: Peer, kubernetes: Tool, tmp_path: Path) -> None:
    with ControlPlane(tmp_path / "host", newest_peer, api_server=kubernetes.directory / "kube-apiserver") as plane:
        plane.wait_ready()
        kubectl = [kubernetes.directory / "kubectl", f"--kubeconfig={plane.path(PKI) / 'administrator.conf'}"]
        for name in ("kube-system", "backups"):
            subprocess.run([*kubectl, "create", "namespace", name], capture_output=True, check=False)
        for tier in ("critical", "development"):
            (tmp_path / "backstay.toml").write_text(CONFIGURATION.replace("TIER", tier))
            for variation in VARIATIONS:
                manifests = deployed(tmp_path, variation)
                done = subprocess.run(
                    [*kubectl, "apply", "--dry-run=server", "--validate=strict", "-o", "name", "-f", "-"],
                    input=manifests,
                    env={"HOME": str(tmp_path)},
                    capture_output=True,
                    text=True,
                    timeout=60,
                    check=False,
                )
                # Whatever the server has to say of a manifest, kubectl repeats on standard error.
                assert (done.returncode, _remarks(done.stderr)) == (0, []), done.stderr
                assert done.stdout.split()[-3:] == [
                    f"{kind}/backstay-payments" for kind in ("serviceaccount", "configmap", "cronjob.batch")
                ]


def _remarks(said: str) -> list[str]:
    # A namespace that was made without `apply` gets an annotation from it; that is no remark on the manifest.
    return [line for line in said.splitlines() if "missing the kubectl.kubernetes.io/last-applied" not in line]


def deployed(place: Path, variation: list[str]) -> str:
    """What the command prints."""
    command = [sys.executable, "-m", "backstay", "deploy", "cronjob", "--config", "backstay.toml", *variation]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
