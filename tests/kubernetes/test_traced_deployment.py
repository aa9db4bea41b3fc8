"""The story that every course tells of a Deployment, as `kube trace` sees it in the etcd of a real API server.

Controllers are the real ones; scheduler and kubelet are stood in for by the two writes that they make: a binding and a status.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import peers
from tests.kubelet import PKI, ControlPlane
from tests.kubernetes.test_deleted_namespace import Desk
from tests.kubernetes_api import KubernetesApi
from tests.peers import Peer, Tool

PODS = "/api/v1/namespaces/default/pods"

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]


@pytest.fixture
def kubernetes() -> Tool:
    """The API server; who asks for these tests is told when it is not there."""
    found = peers.find_tool("kubernetes")
    if isinstance(found, str):
        pytest.fail(f"no kube-apiserver: {found}")
    return found


def test_deployment_replica_set_pod_scheduler_kubelet(newest_peer: Peer, kubernetes: Tool, tmp_path: Path) -> None:
    plane = ControlPlane(
        tmp_path / "host", newest_peer, api_server=kubernetes.directory / "kube-apiserver",
        controllers=kubernetes.directory / "kube-controller-manager",
    )  # fmt: skip
    with plane:
        plane.wait_ready()
        desk = Desk(plane, kubernetes)
        api = KubernetesApi(plane.ports.api_server, plane.path(PKI) / "ca.crt")
        desk.wait_for(lambda: desk.kubectl("get", "sa", "default", fails=True).returncode == 0, "no service account")
        story = tmp_path / "story.jsonl"
        with story.open("wb") as out, (tmp_path / "said").open("wb") as said:
            words = ["kube", "trace", "live", "deployment", "web", "--until", "deleted", "--for", "120s", "-o", "json"]
            tracing = subprocess.Popen(
                [sys.executable, "-m", "backstay", *words, *desk.connection], stdout=out, stderr=said
            )
            try:
                desk.wait_for(lambda: b"watching" in (tmp_path / "said").read_bytes(), "the trace does not begin")
                desk.kubectl("create", "deployment", "web", "--image=example.test/web:1")
                desk.wait_for(lambda: len(api.read(PODS)["items"]) == 1, "no pod")
                (pod,) = api.read(PODS)["items"]
                name = pod["metadata"]["name"]
                bind = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}}
                api.create(f"{PODS}/{name}/binding", {**bind, "target": {"kind": "Node", "name": "node-1"}})
                status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
                desk.kubectl(
                    "patch", "pod", name, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status})
                )
                desk.wait_for(
                    lambda: "readyReplicas" in api.read("/apis/apps/v1/namespaces/default/deployments/web")["status"],
                    "the deployment is not ready",
                )
                desk.kubectl("delete", "deployment", "web", "--cascade=foreground", "--wait=false")
                desk.kubectl("delete", "pod", name, "--grace-period=0", "--force")
                assert tracing.wait(130) == 0, (tmp_path / "said").read_text()
            finally:
                tracing.kill()
                tracing.wait()
    steps = [json.loads(line) for line in story.read_bytes().splitlines()]
    for step in steps:
        sys.stdout.write(f"{step['revision']} {step['kind']} {step['event']} {step['details']} {step['by']}\n")
    told = [
        ("Deployment", "created", ""),
        ("ReplicaSet", "created", "owned by Deployment web"),
        ("Pod", "created", "owned by ReplicaSet"),
        ("Pod", "changed", "bound to node-1"),
        ("Pod", "changed", "phase Pending -> Running"),
        ("ReplicaSet", "changed", "readyReplicas 0 -> 1"),
        ("Deployment", "changed", "readyReplicas 0 -> 1"),
        ("Deployment", "changed", "deletion requested"),
        ("Pod", "deleted", ""),
        ("ReplicaSet", "deleted", ""),
        ("Deployment", "deleted", ""),
    ]
    for kind, event, words in told:
        steps = after_first(steps, kind, event, words)
    assert steps == []


def after_first(steps: list[dict[str, Any]], kind: str, event: str, words: str) -> list[dict[str, Any]]:
    """What follows the first step of this kind; fails when there is none."""
    for index, step in enumerate(steps):
        if (step["kind"], step["event"]) == (kind, event) and words in "; ".join(step["details"]):
            return steps[index + 1 :]
    raise AssertionError(f"there is no {kind} {event} {words} in {steps}")
