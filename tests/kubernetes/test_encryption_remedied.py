"""The audit's remedy, followed to the letter on a real API server: afterwards there is nothing left to find.

`make test-kubernetes` runs this. The commands of the steps are run as they are printed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import kubernetes_shop, peers
from tests.kubelet import PKI, ControlPlane
from tests.kubernetes.test_deleted_namespace import NAMESPACE, Desk
from tests.peers import Peer, Tool

FILE = "encryption.yaml"

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(900)]


@pytest.fixture
def kubernetes() -> Tool:
    """The API server; who asks for these tests is told when it is not there."""
    found = peers.find_tool("kubernetes")
    if isinstance(found, str):
        pytest.fail(f"no kube-apiserver: {found}")
    return found


def test_after_the_remedy_the_audit_is_clean(newest_peer: Peer, kubernetes: Tool, tmp_path: Path) -> None:
    root = tmp_path / "host"
    plane = ControlPlane(
        root, newest_peer, api_server=kubernetes.directory / "kube-apiserver",
        controllers=kubernetes.directory / "kube-controller-manager",
    )  # fmt: skip
    with plane:
        plane.wait_ready()
        desk = Desk(plane, kubernetes)
        desk.apply([each for each in kubernetes_shop.objects(NAMESPACE) if each["kind"] in ("Namespace", "Secret")])
        desk.kubectl("delete", "secret", "secret-7", "-n", NAMESPACE)
        before = audit(desk)
        assert {each["code"] for each in before} == {"kube-secret-plain", "kube-plain-past"}

        # Of an unencrypted cluster the file says what to do; --dry-run says it without the file.
        file = tmp_path / FILE
        remedy = ["kube", "audit", "live", "--remedy", str(file), "-o", "json", *desk.connection]
        assert not json.loads(desk.backstay(*remedy, "--dry-run").stdout)["written"]
        assert not file.exists()
        steps = json.loads(desk.backstay(*remedy).stdout)["steps"]
        assert file.stat().st_mode & 0o777 == 0o600

        shutil.copy(file, plane.path(PKI) / FILE)
        plane.give_api_server(f"--encryption-provider-config={PKI}/{FILE}")
        plane.wait_ready()
        configured = ["--encryption-config", str(file)]
        halfway = audit(desk, *configured)
        assert {each["code"] for each in halfway} == {"kube-not-encrypted", "kube-plain-past"}
        follow(steps, plane, kubernetes, desk, tmp_path)
        assert audit(desk, *configured) == []

        # A snapshot says the same, and whoever has no key reads nothing.
        snapshot = tmp_path / "backup.db"
        desk.backstay("snapshot", "save", str(snapshot), *desk.connection)
        ended = desk.backstay("kube", "audit", str(snapshot), *configured, fails=True)
        assert ended.returncode == 0, ended.stdout
        assert b"secret-8" in snapshot.read_bytes()
        shown = desk.backstay("kube", "dump", str(snapshot), "secrets", "--show-secrets").stdout.splitlines()
        assert len(shown) >= 59
        assert all(json.loads(line)["problem"]["code"] == "encrypted" for line in shown)
        sys.stdout.write(f"\n{len(before)} findings before, none after; {len(shown)} Secrets rewritten\n")


def audit(desk: Desk, *options: str) -> list[dict[str, Any]]:
    ended = desk.backstay("kube", "audit", "live", *options, "-o", "json", *desk.connection, fails=True)
    assert ended.returncode in (0, 3, 4), ended.stderr
    found: list[dict[str, Any]] = json.loads(ended.stdout)["findings"]
    assert (ended.returncode == 0) == (not found)
    return found


def follow(steps: list[str], plane: ControlPlane, kubernetes: Tool, desk: Desk, directory: Path) -> None:
    """Run the commands that the steps say, word for word."""
    place = directory / "bin"
    place.mkdir()
    (place / "backstay").write_text(f'#!/bin/sh\nexec {sys.executable} -m backstay "$@"\n')
    (place / "backstay").chmod(0o755)
    pki = plane.path(PKI)
    environment = {
        **os.environ,
        "PATH": f"{place}:{kubernetes.directory}:{os.environ['PATH']}",
        "KUBECONFIG": str(pki / "administrator.conf"),
        "ETCDCTL_ENDPOINTS": plane.endpoint,
        "ETCDCTL_CACERT": str(pki / "etcd/ca.crt"),
        "ETCDCTL_CERT": str(pki / "apiserver-etcd-client.crt"),
        "ETCDCTL_KEY": str(pki / "apiserver-etcd-client.key"),
    }
    commands = [step.split(": ", 1)[1] for step in steps if step.startswith(("Write what is stored", "Take the old"))]
    assert len(commands) == 2
    for command in commands:
        ended = subprocess.run(
            ["sh", "-c", command], env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert ended.returncode == 0, f"{command}: {ended.stdout[-2000:]}{ended.stderr[-2000:]}"
