"""A real API server, its controllers and kubectl on `backstay serve` with mTLS, and the same day on a real etcd beside it.

`make test-kubernetes` runs this; `make peers-kubernetes` builds the programs. With `-s` it prints the figures of both.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backstay import errors
from backstay.errors import BackstayError
from tests import peers
from tests.kubelet import PKI, ControlPlane
from tests.kubernetes_api import GONE, Informer, KubernetesApi, Refused
from tests.kubernetes_load import Load, create_all, errors_in
from tests.peers import Peer, Tool

OBJECTS = 10_000
PAGE = 500
WORKERS = 6
COMPACTION_SECONDS = 10
CONTROLLERS_SECONDS = 60.0
NAMESPACE_SECONDS = 300.0
SHOP = "/api/v1/namespaces/shop"
STOCK = "/api/v1/namespaces/stock"
CONFIGMAPS = f"{STOCK}/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/shop/deployments"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
CARS = "/apis/example.test/v1/namespaces/shop/cars"
COMPACTION_KEY = b"compact_rev_key"

SAID_ON_ETCD = Path(__file__).with_name("said_on_etcd.txt")

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def kubernetes() -> Tool:
    """The API server; who asks for these tests is told when it is not there."""
    found = peers.find_tool("kubernetes")
    if isinstance(found, str):
        pytest.fail(f"no kube-apiserver: {found}")
    return found


def test_kubernetes_lives_on_backstay_as_on_etcd(newest_peer: Peer, kubernetes: Tool, tmp_path: Path) -> None:
    real = Day(tmp_path / "etcd", newest_peer, kubernetes, []).live()
    own = Day(tmp_path / "backstay", newest_peer, kubernetes, [sys.executable, "-m", "backstay", "serve"]).live()
    sys.stdout.write(f"\nKubernetes {kubernetes.version} on {newest_peer}: {real.figures}\n")
    sys.stdout.write(f"Kubernetes {kubernetes.version} on backstay serve: {own.figures}\n")
    said_before = set(SAID_ON_ETCD.read_text().splitlines())
    for program in ("kube-apiserver", "kube-controller-manager"):
        only_here = errors_in(own.root / f"{program}.log") - errors_in(real.root / f"{program}.log")
        new = sorted(said for said in only_here if f"{program} {said.partition(':')[0]}" not in said_before)
        assert not new, f"{program} complains on backstay of what it does not on etcd: {new}"


class Day:
    """What a cluster does in a day, in a few minutes."""

    def __init__(self, root: Path, peer: Peer, kubernetes: Tool, store: list[str]) -> None:
        self.root = root
        self.figures: dict[str, float | int | str] = {}
        self._kubectl = kubernetes.directory / "kubectl"
        self._plane = ControlPlane(
            root,
            peer,
            api_server=kubernetes.directory / "kube-apiserver",
            api_server_flags=[
                f"--etcd-compaction-interval={COMPACTION_SECONDS}s",
                "--feature-gates=ListFromCacheSnapshot=false",  # pages come from the store, not from memory
                "--delete-collection-workers=4",
            ],
            controllers=kubernetes.directory / "kube-controller-manager",
            store=store,
        )
        self.api = KubernetesApi(self._plane.ports.api_server, self._plane.path(PKI) / "ca.crt")

    def live(self) -> Day:
        """Everything, in order."""
        begun = time.monotonic()
        with self._plane:
            self._plane.wait_ready()
            self.figures["ready_seconds"] = round(time.monotonic() - begun, 1)
            self.deploy()
            self.define_a_kind()
            with Informer(self.api, CONFIGMAPS) as informer:
                self.create_many(informer)
                self.page()
                self.compact()
                self.kill_the_store_under_load(informer)
            self.figures["store_resident_mebibytes"] = self.resident_mebibytes()
            self.leave()
        return self

    def deploy(self) -> None:
        """A namespace and a deployment by kubectl; the controllers make a replica set and pods of it."""
        self.kubectl("create", "namespace", "shop")
        self.kubectl("create", "deployment", "web", "--image=example.test/web:1", "--replicas=3", "-n", "shop")
        self.wait_for(lambda: self.count_pods() == 3, "the deployment has no pods")
        self.kubectl("scale", "deployment", "web", "--replicas=5", "-n", "shop")
        self.wait_for(lambda: self.count_pods() == 5, "the deployment does not grow")
        self.kubectl("set", "image", "deployment/web", "web=example.test/web:2", "-n", "shop")
        self.wait_for(lambda: len(self.items("replicasets")) == 2, "the new image makes no replica set")
        assert self.items("serviceaccounts")[0]["metadata"]["name"] == "default"

    def define_a_kind(self) -> None:
        """A custom resource: defined, created, listed, watched, changed, deleted."""
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        names = {"plural": "cars", "singular": "car", "kind": "Car"}
        version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
        body = {
            "metadata": {"name": "cars.example.test"},
            "spec": {"group": "example.test", "scope": "Namespaced", "names": names, "versions": [version]},
        }
        self.api.create(DEFINITIONS, body)
        self.wait_for(lambda: self.api.status_of(CARS) == 200, "the kind is not served")
        self.wait_for(lambda: self.creates_a_car("first"), "the kind cannot be created")
        version_of_list = self.api.read(CARS)["metadata"]["resourceVersion"]
        self.creates_a_car("second")
        self.kubectl("label", "cars.example.test/second", "colour=red", "-n", "shop")
        self.api.delete(f"{CARS}/second")
        kinds = [event["type"] for event in self.api.watch(CARS, version_of_list) if event["type"] != "BOOKMARK"]
        assert kinds == ["ADDED", "MODIFIED", "DELETED"]

    def create_many(self, informer: Informer) -> None:
        """Ten thousand objects; whoever watches sees each."""
        self.kubectl("create", "namespace", "stock")
        begun = time.monotonic()
        create_all(self.api, CONFIGMAPS, [f"item-{number:05}" for number in range(OBJECTS)], WORKERS)
        seconds = time.monotonic() - begun
        self.figures["creations_per_second"] = round(OBJECTS / seconds)
        self.wait_for(lambda: len(informer.objects) >= OBJECTS, "the informer does not see every object")
        self.figures["informer_lag_seconds"] = round(time.monotonic() - begun - seconds, 2)

    def page(self) -> None:
        """A list page by page is the list of one revision, whatever is written meanwhile."""
        begun = time.monotonic()
        first = self.api.read(f"{CONFIGMAPS}?limit={PAGE}")
        version = first["metadata"]["resourceVersion"]
        names = [each["metadata"]["name"] for each in first["items"]]
        self.api.create(CONFIGMAPS, {"metadata": {"name": "written-meanwhile"}})
        token = first["metadata"].get("continue")
        while token:
            listed = self.api.read(f"{CONFIGMAPS}?limit={PAGE}&continue={token}")
            assert listed["metadata"]["resourceVersion"] == version
            names += [each["metadata"]["name"] for each in listed["items"]]
            token = listed["metadata"].get("continue")
        self.figures["paged_list_seconds"] = round(time.monotonic() - begun, 2)
        items = [name for name in names if name.startswith("item-")]
        assert items == [f"item-{number:05}" for number in range(OBJECTS)]
        assert "written-meanwhile" not in names
        begun = time.monotonic()
        listed = self.api.read(f"{CONFIGMAPS}?resourceVersion={version}&resourceVersionMatch=Exact")
        self.figures["exact_list_seconds"] = round(time.monotonic() - begun, 2)
        assert [each["metadata"]["name"] for each in listed["items"]] == names

    def compact(self) -> None:
        """The API server compacts the store on its interval; an old page token and an old revision are gone then."""
        first = self.api.read(f"{CONFIGMAPS}?limit={PAGE}")
        token, version = first["metadata"]["continue"], int(first["metadata"]["resourceVersion"])
        with self._plane.client() as client:

            def is_compacted() -> bool:
                self.api.create(f"{SHOP}/events", event_of(time.monotonic_ns()))
                try:
                    client.kv.get(COMPACTION_KEY, revision=version)
                except BackstayError as problem:
                    return problem.kind is errors.REVISION_COMPACTED
                return False

            self.wait_for(is_compacted, "the API server never compacts", seconds=6 * COMPACTION_SECONDS)
        with pytest.raises(Refused) as refused:
            self.api.read(f"{CONFIGMAPS}?limit={PAGE}&continue={token}")
        assert refused.value.status == GONE

    def kill_the_store_under_load(self, informer: Informer) -> None:
        """Killed twice among writes: what was acknowledged is there, and whoever watches knows it."""
        with Load(self.api, CONFIGMAPS, WORKERS) as load:
            for _ in range(2):
                enough = load.acknowledged + 300
                self.wait_for(lambda enough=enough: load.acknowledged >= enough, "nothing is written")  # type: ignore[misc]
                process = self._plane.kubelet.process("etcd")
                assert process is not None
                process.kill()
                begun, before = time.monotonic(), load.acknowledged
                process.wait()
                self.wait_for(
                    lambda before=before: load.acknowledged > before + WORKERS, "nothing is written afterwards"
                )  # type: ignore[misc]
                self.figures["seconds_without_writes"] = round(time.monotonic() - begun, 1)
        listed = {each["metadata"]["name"]: each for each in self.api.read(CONFIGMAPS)["items"]}
        lost = {name for name, value in load.written.items() if listed.get(name, {}).get("data") != {"value": value}}
        assert not lost, f"{len(lost)} acknowledged objects are lost: {sorted(lost)[:5]}"
        self.figures["acknowledged_under_kills"] = load.acknowledged
        versions = {name: each["metadata"]["resourceVersion"] for name, each in listed.items()}
        self.wait_for(lambda: informer.objects == versions, "the informer knows another store")

    def leave(self) -> None:
        """Both namespaces are deleted, and the controllers empty them."""
        begun = time.monotonic()
        self.kubectl("delete", "namespace", "shop", "stock", "--wait=false")
        self.wait_for(
            lambda: all(self.api.status_of(path) == 404 for path in (SHOP, STOCK)),
            "the namespaces do not go",
            seconds=NAMESPACE_SECONDS,
        )
        self.figures["namespaces_gone_seconds"] = round(time.monotonic() - begun, 1)

    # --- small things ---

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl as an administrator; a failure fails the test."""
        command = [str(self._kubectl), f"--kubeconfig={self._plane.path(PKI) / 'administrator.conf'}", *arguments]
        done = subprocess.run(command, env={"HOME": str(self.root)}, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def items(self, kind: str) -> list[dict[str, Any]]:
        """What kubectl lists in the namespace of the shop."""
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", kind, "-n", "shop", "-o", "json"))["items"]
        return found

    def count_pods(self) -> int:
        """The pods of the shop; nothing schedules them."""
        return len(self.api.read(f"{SHOP}/pods")["items"])

    def creates_a_car(self, name: str) -> bool:
        """Whether the new kind can be created: for a moment after it is served it cannot."""
        try:
            self.api.create(
                CARS, {"apiVersion": "example.test/v1", "kind": "Car", "metadata": {"name": name}, "doors": 4}
            )
        except Refused:
            return False
        return True

    def resident_mebibytes(self) -> int:
        """The memory of the store's process."""
        process = self._plane.kubelet.process("etcd")
        assert process is not None
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) >> 10

    def wait_for(self, condition: Callable[[], bool], otherwise: str, seconds: float = CONTROLLERS_SECONDS) -> None:
        """Return when `condition` holds; fails with the store's log after `seconds`."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"{otherwise}\n{self._plane.log('etcd')}"
            time.sleep(0.2)


def event_of(number: int) -> dict[str, Any]:
    """An event of the shop, as controllers write many."""
    owner = {"kind": "Namespace", "name": "shop", "namespace": "shop"}
    return {"metadata": {"name": f"event-{number}"}, "involvedObject": owner, "reason": "Test", "type": "Normal"}
