"""The deleted namespace: three hundred objects of two dozen kinds come back from a snapshot through a real API server.

`make test-kubernetes` runs this. With `-s` it prints what was exported, what the controllers made again, and the seconds.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import kubernetes_shop, peers
from tests.kubelet import PKI, ControlPlane
from tests.peers import Peer, Tool

NAMESPACE = "production"
SETTLE_SECONDS = 120.0
COMMAND_SECONDS = 300.0

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def kubernetes() -> Tool:
    """The API server; who asks for these tests is told when it is not there."""
    found = peers.find_tool("kubernetes")
    if isinstance(found, str):
        pytest.fail(f"no kube-apiserver: {found}")
    return found


def test_a_deleted_namespace_comes_back_and_nothing_is_lost(
    newest_peer: Peer, kubernetes: Tool, tmp_path: Path
) -> None:
    snapshot = tmp_path / "backup.db"
    objects = [kubernetes_shop.definition(), *kubernetes_shop.objects(NAMESPACE)]
    assert len(objects) > 300
    assert len({each["kind"] for each in objects}) > 20
    with cluster(tmp_path / "first", newest_peer, kubernetes) as desk:
        desk.apply(objects[:1], objects[1:])
        desk.wait_for(lambda: desk.count("pods") >= 30, "the controllers make no pods")
        desk.backstay("snapshot", "save", str(snapshot), *desk.connection)
        desk.kubectl("delete", "namespace", NAMESPACE, "--timeout=240s")
        gone = desk.lost(snapshot, "-n", NAMESPACE)
        assert gone["counts"]["deleted"] >= 250

        begun = time.monotonic()
        said = desk.bring_back(snapshot, "-n", NAMESPACE, "--missing-in", "live")
        seconds = time.monotonic() - begun
        kept = desk.wait_until_nothing_is_lost(snapshot, "-n", NAMESPACE)
        desk.wait_for(lambda: desk.count("pods") >= 30, "the controllers make no pods again")
        whole = desk.lost(snapshot)
        assert not [each for each in whole["changes"] if each["change"] != "created"], whole["changes"]
        report(
            f"Kubernetes {kubernetes.version}: {gone['counts']} gone, {kept['restored']} restored in {seconds:.0f} s",
            said,
        )

    with cluster(tmp_path / "second", newest_peer, kubernetes) as desk:
        desk.bring_back(snapshot, "--missing-in", "live", fails=True)  # what has no definition yet is refused
        desk.wait_for(lambda: desk.kubectl("get", "cars", "-A", fails=True).returncode == 0, "the kind is not served")
        said = desk.bring_back(snapshot, "--missing-in", "live")
        kept = desk.wait_until_nothing_is_lost(snapshot)
        report(f"into an empty cluster: {kept['restored']} restored", said)


class Desk:
    """An administrator's commands at one cluster."""

    def __init__(self, plane: ControlPlane, kubernetes: Tool) -> None:
        self._plane = plane
        self._kubectl = [
            str(kubernetes.directory / "kubectl"), f"--kubeconfig={plane.path(PKI) / 'administrator.conf'}",
        ]  # fmt: skip
        pki = plane.path(PKI)
        self.connection = [
            f"--endpoints={plane.endpoint}", f"--cacert={pki / 'etcd/ca.crt'}",
            f"--cert={pki / 'apiserver-etcd-client.crt'}", f"--key={pki / 'apiserver-etcd-client.key'}",
        ]  # fmt: skip

    def apply(self, *batches: list[dict[str, Any]]) -> None:
        """Apply the objects, one batch after the other."""
        for batch in batches:
            text = "".join(f"---\n{json.dumps(each)}\n" for each in batch)
            deadline = time.monotonic() + SETTLE_SECONDS
            while self.kubectl("apply", "-f", "-", text=text, fails=True).returncode:
                assert time.monotonic() < deadline, "the objects are refused"

    def bring_back(self, snapshot: Path, *options: str, fails: bool = False) -> str:
        """backstay kube export | kubectl apply; gives what export said."""
        exported = self.backstay(
            "kube", "export", str(snapshot), *options, "--show-secrets", "-o", "-", *self.connection
        )
        applied = self.kubectl("apply", "-f", "-", text=exported.stdout, fails=True)
        assert fails or applied.returncode == 0, applied.stderr
        return exported.stderr

    def wait_until_nothing_is_lost(self, snapshot: Path, *options: str) -> dict[str, Any]:
        """The answer of `lost` once the controllers are done; fails with what is still lost."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            answer = self.lost(snapshot, *options)
            left = [each for each in answer["changes"] if each["change"] != "created"]
            if not left:
                return answer
            assert time.monotonic() < deadline, json.dumps(left, indent=1)[:6000]
            time.sleep(1)

    def lost(self, snapshot: Path, *options: str) -> dict[str, Any]:
        """The answer of `kube lost` from the snapshot to the living cluster."""
        ended = self.backstay(
            "kube",
            "lost",
            "--from",
            str(snapshot),
            "--to",
            "live",
            *options,
            "-o",
            "json",
            *self.connection,
            fails=True,
        )
        assert ended.returncode in (0, 3), ended.stderr
        answer: dict[str, Any] = json.loads(ended.stdout)
        assert (ended.returncode == 3) == any(each["change"] != "created" for each in answer["changes"])
        return answer

    def count(self, resource: str) -> int:
        """How many objects of a kind are in the namespace."""
        return len(self.kubectl("get", resource, "-n", NAMESPACE, "-o", "name").stdout.split())

    def wait_for(self, condition: Callable[[], bool], otherwise: str) -> None:
        """Return when `condition` holds."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, otherwise
            time.sleep(0.5)

    def kubectl(self, *words: str, text: str = "", fails: bool = False) -> subprocess.CompletedProcess[str]:
        return self._run([*self._kubectl, *words], text, fails)

    def backstay(self, *words: str, fails: bool = False) -> subprocess.CompletedProcess[str]:
        return self._run([sys.executable, "-m", "backstay", *words], "", fails)

    def _run(self, command: list[str], text: str, fails: bool) -> subprocess.CompletedProcess[str]:
        ended = subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
        )
        assert fails or ended.returncode == 0, f"{command}: {ended.stdout[-2000:]}{ended.stderr[-4000:]}"
        return ended


@contextmanager
def cluster(root: Path, peer: Peer, kubernetes: Tool, *flags: str) -> Iterator[Desk]:
    """A control plane with its controllers, until the end of the block."""
    plane = ControlPlane(
        root, peer, api_server=kubernetes.directory / "kube-apiserver", api_server_flags=flags,
        controllers=kubernetes.directory / "kube-controller-manager",
    )  # fmt: skip
    with plane:
        plane.wait_ready()
        yield Desk(plane, kubernetes)


def report(what: str, said: str) -> None:
    sys.stdout.write(f"\n{what}\n{said}")
