"""Friday evening under a real kube-apiserver: what it stored is there again, and whoever watched it is told to list again.

`make test-kubernetes` runs this; `make peers-kubernetes` builds the API server. With `-s` it prints the measured seconds.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from backstay.cluster.readiness import readiness
from tests import peers
from tests.evenings import backstay, damage_pages
from tests.kubelet import PKI, ControlPlane
from tests.kubernetes_api import GONE, Informer, KubernetesApi, Refused
from tests.peers import Peer, Tool

VERSIONS = [version for version in peers.VERSIONS if not version.startswith("3.4.") and version != "3.5.1"]
SECONDS_TO_A_CAUSE = 30
SECONDS_TO_READY = 60
SHOP = "/api/v1/namespaces/shop"
CONFIGMAPS = f"{SHOP}/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/shop/deployments"
LARGE_OBJECTS = 800
LARGE_BYTES = 128 << 10  # 800 of them are 100 MiB

pytestmark = pytest.mark.kubernetes


@pytest.fixture(scope="module")
def kubernetes() -> Tool:
    """The API server; who asks for these tests is told when it is not there."""
    found = peers.find_tool("kubernetes")
    if isinstance(found, str):
        pytest.fail(f"no kube-apiserver: {found}")
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_objects_come_back_and_informers_list_again(version: str, kubernetes: Tool, tmp_path: Path) -> None:
    play(peers.peer(version), kubernetes, tmp_path, large_objects=0)


def test_a_store_of_100_mebibytes_is_ready_within_a_minute(newest_peer: Peer, kubernetes: Tool, tmp_path: Path) -> None:
    snapshot = play(newest_peer, kubernetes, tmp_path, large_objects=LARGE_OBJECTS)
    assert snapshot.stat().st_size >= LARGE_OBJECTS * LARGE_BYTES


def play(peer: Peer, kubernetes: Tool, place: Path, *, large_objects: int) -> Path:
    """The whole evening; gives the backup it was recovered from."""
    root = place / "host"
    backups = root / "backup"
    backups.mkdir(parents=True)
    with ControlPlane(root, peer, api_server=kubernetes.directory / "kube-apiserver") as plane:
        plane.wait_ready()
        api = KubernetesApi(plane.ports.api_server, plane.path(PKI) / "ca.crt")
        fill(api, large_objects)
        with Informer(api, CONFIGMAPS) as informer:
            plane.wait_for(lambda: informer.lists == 1, "the informer does not list")
            saved = backstay(plane, "snapshot", "save", f"{backups}/")
            assert saved.returncode == 0, saved.stderr
            (backup,) = backups.glob("*.db")
            change_after_backup(api)
            plane.wait_for(lambda: "late" in informer.objects, "the informer is deaf")
            stale = api.read(CONFIGMAPS)["metadata"]["resourceVersion"]

            break_everything(plane)
            seconds_to_a_cause = name_the_cause(plane, backup)
            begun = time.monotonic()
            recovered = backstay(plane, "recover", "--from", str(backup), "--yes", "-o", "json")
            seconds = time.monotonic() - begun
            assert recovered.returncode == 0, recovered.stderr
            assert readiness(plane.ports.api_server) == 200
            report = json.loads(recovered.stdout)
            sys.stdout.write(
                f"\n{peer}, Kubernetes {kubernetes.version}, {backup.stat().st_size / (1 << 20):.1f} MiB, {report['keys']} keys: "
                f"cause after {seconds_to_a_cause:.1f} s; ready {report['seconds_to_ready']:.1f} s after recover began "
                f"({seconds:.1f} s for the whole command); {report['seconds']}\n"
            )
            assert max(seconds, report["seconds_to_ready"]) < SECONDS_TO_READY
            assert report["proof"] == "quarantine"

            check_objects(api, large_objects)
            with pytest.raises(Refused) as refused:
                list(api.watch(CONFIGMAPS, stale))
            assert refused.value.status == GONE
            plane.wait_for(lambda: informer.lists == 2, "the informer does not list again")
            api.create(CONFIGMAPS, {"metadata": {"name": "afterwards"}})
            plane.wait_for(lambda: "afterwards" in informer.objects, "the informer is deaf after the recovery")
            assert informer.was_gone == 1
            listed = api.read(CONFIGMAPS)["items"]
            assert informer.objects == {
                each["metadata"]["name"]: each["metadata"]["resourceVersion"] for each in listed
            }
    return backup


def fill(api: KubernetesApi, large_objects: int) -> None:
    """A namespace with one object of each kind that people miss first."""
    api.create("/api/v1/namespaces", {"metadata": {"name": "shop"}})
    api.create(CONFIGMAPS, {"metadata": {"name": "prices"}, "data": {"tea": "3"}})
    api.create(f"{SHOP}/secrets", {"metadata": {"name": "till"}, "data": {"code": base64.b64encode(b"1234").decode()}})
    labels = {"app": "web"}
    container = {"name": "web", "image": "registry.invalid/web:1"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": 3, "selector": {"matchLabels": labels}, "template": template}
    api.create(DEPLOYMENTS, {"metadata": {"name": "web"}, "spec": spec})
    for number in range(large_objects):
        text = base64.b64encode(os.urandom(LARGE_BYTES * 3 // 4)).decode()
        api.create(CONFIGMAPS, {"metadata": {"name": f"large-{number:04}"}, "data": {"text": text}})


def change_after_backup(api: KubernetesApi) -> None:
    """What the recovery cannot bring back: one object more, one less."""
    api.create(CONFIGMAPS, {"metadata": {"name": "late"}})
    api.delete(f"{SHOP}/secrets/till")


def check_objects(api: KubernetesApi, large_objects: int) -> None:
    """What was saved is there with its content, and nothing of what came later."""
    assert api.read(f"{CONFIGMAPS}/prices")["data"] == {"tea": "3"}
    assert base64.b64decode(api.read(f"{SHOP}/secrets/till")["data"]["code"]) == b"1234"
    assert api.read(f"{DEPLOYMENTS}/web")["spec"]["replicas"] == 3
    assert api.status_of(f"{CONFIGMAPS}/late") == 404
    names = [each["metadata"]["name"] for each in api.read(CONFIGMAPS)["items"]]
    assert sum(name.startswith("large-") for name in names) == large_objects


def break_everything(plane: ControlPlane) -> None:
    """Damage the database of the stopped etcd, and let the kubelet start it again and again, in vain."""
    plane.kubelet.pause()
    plane.kubelet.kill_all()
    damage_pages(plane)
    plane.kubelet.go_on()
    plane.wait_for(lambda: readiness(plane.ports.api_server) != 200, "the API server still answers")


def name_the_cause(plane: ControlPlane, backup: Path) -> float:
    """Let doctor say what is wrong and what to type; gives the seconds it took."""
    begun = time.monotonic()
    said: dict[str, Any] = json.loads(backstay(plane, "doctor", "-o", "json", "--quiet").stdout)
    seconds = time.monotonic() - begun
    assert said["cause"] == "database-damaged", said
    assert f"backstay recover --from {backup}" in said["next_command"]
    assert seconds < SECONDS_TO_A_CAUSE
    return seconds
