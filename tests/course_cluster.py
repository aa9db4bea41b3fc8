"""Makes the small cluster that docs/course.md looks at: `python -m tests.course_cluster DIRECTORY`, on a real API server.

Everything that the course creates, in its order, on etcd, kube-apiserver and kube-controller-manager; a few lines stand in for
scheduler and kubelet. Two snapshots come of it: before and after somebody deletes the namespace `production`. What is in
`tests/data/course` was made so once; the pages and their tests read that.
"""

from __future__ import annotations

import json
import lzma
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests import peers
from tests.kubelet import PKI, ControlPlane
from tests.peers import Peer, Tool

SECONDS = 90.0

NODES = """
apiVersion: v1
kind: Node
metadata: {name: node-1, labels: {kubernetes.io/hostname: node-1, node-role.kubernetes.io/worker: ""}}
"""
CLUSTER = """
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: standard}
provisioner: csi.example.com
reclaimPolicy: Delete
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv-001}
spec:
  capacity: {storage: 10Gi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  storageClassName: standard
  csi: {driver: csi.example.com, volumeHandle: vol-001}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: developer, namespace: default}
rules: [{apiGroups: [""], resources: [pods], verbs: [get, list]}]
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: backups.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: backups, singular: backup, kind: Backup, shortNames: [bk]}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
    additionalPrinterColumns: [{name: Schedule, type: string, jsonPath: .spec.schedule}]
"""
PRODUCTION = """
apiVersion: v1
kind: ConfigMap
metadata: {name: app-config, namespace: production}
data: {LOG_LEVEL: info, DATABASE: postgres.production.svc}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: orders, namespace: production}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: standard
  volumeName: pv-001
  resources: {requests: {storage: 10Gi}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: production}
spec:
  rules:
  - host: shop.example.com
    http:
      paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]
---
apiVersion: example.com/v1
kind: Backup
metadata: {name: nightly, namespace: production}
spec: {schedule: "0 */6 * * *", keep: 30}
"""


class Desk:
    """kubectl at the cluster."""

    def __init__(self, plane: ControlPlane, kubernetes: Tool) -> None:
        self._plane = plane
        self._kubectl = [
            str(kubernetes.directory / "kubectl"),
            f"--kubeconfig={plane.path(PKI) / 'administrator.conf'}",
        ]

    def kubectl(self, line: str, *more: str, given: str = "", fails: bool = False) -> str:
        done = subprocess.run([*self._kubectl, *line.split(), *more], input=given, capture_output=True, text=True)
        if done.returncode and not fails:
            raise RuntimeError(f"kubectl {line}: {done.stderr}")
        return done.stdout

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{what} after {SECONDS:.0f} s")
            time.sleep(0.3)

    def pods(self, namespace: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.kubectl(f"get pods -n {namespace} -o json"))["items"]
        return found

    def run_pods(self, namespace: str) -> None:
        """Do what scheduler and kubelet do: bind every pod to the node, and say that it runs."""
        for pod in self.pods(namespace):
            name = pod["metadata"]["name"]
            if not pod["spec"].get("nodeName"):
                binding = {
                    "apiVersion": "v1", "kind": "Binding", "metadata": {"name": name, "namespace": namespace},
                    "target": {"apiVersion": "v1", "kind": "Node", "name": "node-1"},
                }  # fmt: skip
                path = f"/api/v1/namespaces/{namespace}/pods/{name}/binding"
                self.kubectl(
                    f"create --raw {path} -f -", given=json.dumps(binding), fails=True
                )  # a rollout may be quicker
            containers = [
                {
                    "name": each["name"], "image": each["image"], "imageID": "", "ready": True, "restartCount": 0,
                    "started": True, "state": {"running": {"startedAt": pod["metadata"]["creationTimestamp"]}},
                }
                for each in pod["spec"]["containers"]
            ]  # fmt: skip
            ready = [
                {"type": each, "status": "True"} for each in ("Initialized", "Ready", "ContainersReady", "PodScheduled")
            ]
            status = {
                "phase": "Running", "podIP": "10.244.0.7", "podIPs": [{"ip": "10.244.0.7"}],
                "conditions": ready, "containerStatuses": containers,
            }  # fmt: skip
            patch = json.dumps({"status": status})
            line = f"patch pod {name} -n {namespace} --subresource=status --type=merge --field-manager=kubelet -p"
            self.kubectl(line, patch, fails=True)

    def save(self, path: Path) -> None:
        with self._plane.client() as client, client.maintenance.snapshot() as chunks, path.open("wb") as file:
            for chunk in chunks:
                file.write(chunk.blob)


def make(directory: Path, peer: Peer, kubernetes: Tool) -> None:
    """The cluster from its birth to the accident; `before.db.xz` and `after.db.xz` appear in `directory`."""
    with tempfile.TemporaryDirectory() as scratch:
        plane = ControlPlane(
            Path(scratch) / "plane",
            peer,
            api_server=kubernetes.directory / "kube-apiserver",
            api_server_flags=["--etcd-compaction-interval=0"],
            controllers=kubernetes.directory / "kube-controller-manager",
        )
        with plane:
            plane.wait_ready()
            desk = Desk(plane, kubernetes)
            _live(desk)
            time.sleep(3)
            _keep(desk, directory / "before.db.xz", Path(scratch) / "before.db")
            desk.kubectl("delete pods --all -n production --grace-period=0 --force")
            desk.kubectl("delete namespace production --wait=false")
            for _ in range(60):
                desk.kubectl("delete pods --all -n production --grace-period=0 --force", fails=True)
                if "production" not in desk.kubectl("get namespaces -o name"):
                    break
                time.sleep(1)
            _keep(desk, directory / "after.db.xz", Path(scratch) / "after.db")


def _live(desk: Desk) -> None:
    desk.wait_for(lambda: "default" in desk.kubectl("get serviceaccounts -o name", fails=True), "no ServiceAccount")
    desk.kubectl("apply -f -", given=NODES)
    desk.kubectl("apply -f -", given=CLUSTER)
    desk.kubectl("create deployment nginx --image=nginx")
    desk.wait_for(lambda: len(desk.pods("default")) == 1, "no pod")
    time.sleep(1.5)
    desk.run_pods("default")
    desk.kubectl("expose deployment nginx --port=80 --name=web")
    desk.kubectl("create configmap my-config --from-literal=colour=blue")
    desk.kubectl("create secret generic db-password --from-literal=username=admin --from-literal=password=password123")
    desk.kubectl("create namespace production")
    desk.wait_for(lambda: "default" in desk.kubectl("get sa -n production -o name"), "no ServiceAccount")
    desk.kubectl("create deployment web --image=registry.example.com/shop/web:1.4 --replicas=2 -n production")
    desk.kubectl("create deployment api --image=registry.example.com/shop/api:2.0 -n production")
    desk.wait_for(lambda: len(desk.pods("production")) == 3, "no pods")
    desk.run_pods("production")
    desk.kubectl("expose deployment web --port=80 -n production")
    desk.kubectl("create secret generic db-credentials --from-literal=password=s3cret-of-the-shop -n production")
    desk.wait_for(lambda: bool(desk.kubectl("get crd backups.example.com -o name", fails=True)), "no kind")
    time.sleep(3)
    desk.kubectl("apply -f -", given=PRODUCTION)
    time.sleep(1)
    desk.kubectl("set image deployment/web web=registry.example.com/shop/web:1.5 -n production")
    desk.kubectl("scale deployment web --replicas=3 -n production")
    desk.wait_for(lambda: _rolled_out(desk), "no end of the rollout")


def _rolled_out(desk: Desk) -> bool:
    """Whether the new pods run and the old ones are gone; does what a kubelet does for both."""
    for pod in desk.pods("production"):
        if pod["metadata"].get("deletionTimestamp"):
            desk.kubectl(f"delete pod {pod['metadata']['name']} -n production --grace-period=0 --force", fails=True)
    desk.run_pods("production")
    pods = desk.pods("production")
    return len(pods) == 4 and all(
        each["status"].get("phase") == "Running" and "web:1.4" not in each["spec"]["containers"][0]["image"]
        for each in pods
    )


def _keep(desk: Desk, target: Path, scratch: Path) -> None:
    desk.save(scratch)
    target.write_bytes(lzma.compress(scratch.read_bytes(), preset=9 | lzma.PRESET_EXTREME))


if __name__ == "__main__":
    chosen = peers.find_tool("kubernetes")
    if isinstance(chosen, str):
        sys.exit(chosen)
    make(Path(sys.argv[1]), peers.newest(), chosen)
