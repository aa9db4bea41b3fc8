"""`backstay kube dump`: choosing, older revisions, a living etcd, and options that do not fit together."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from backstay.cli.main import run
from tests import kubernetes_cases
from tests.conftest import StartEtcd
from tests.peers import Peer


def dump(*arguments: object) -> int:
    return run(["kube", "dump", *map(str, arguments)], {})


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    return kubernetes_cases.case("k1.37.2-kmsv2", tmp_path).snapshot


def test_a_resource_and_a_namespace_are_chosen(snapshot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dump(snapshot, "svc", "-n", "default") == 0
    (line,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (line["key"], line["kind"]) == ("/registry/services/specs/default/kubernetes", "Service")
    assert dump(snapshot, "servces") == 2
    assert "services" in capsys.readouterr().err


def test_a_revision_of_a_file_is_at_or_revision(snapshot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = []
    for option in ("--at", "--revision"):
        assert dump(snapshot, "leases", option, 200) == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]
    assert all(json.loads(line)["modRevision"] <= 200 for line in outputs[0].splitlines())


def test_keys_of_kms_need_a_configuration(snapshot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = kubernetes_cases.case("k1.37.2-kmsv2", snapshot.parent)
    assert dump(snapshot, "--kms-keys", case.directory / "kms-keys.json") == 2
    assert "--encryption-config" in capsys.readouterr().err
    assert dump(snapshot, "--encryption-config", snapshot.parent / "nothing.yaml") == 7
    assert dump(snapshot, "--kubernetes-version", "latest") == 2


def test_a_plugin_that_is_not_there_leaves_its_objects_labelled(
    snapshot: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = kubernetes_cases.case("k1.37.2-kmsv2", snapshot.parent)
    configuration = case.directory / "encryption.yaml"
    socket = snapshot.parent / "kms.sock"
    assert dump(snapshot, "secrets", "--encryption-config", configuration, "--kms-socket", socket) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 11 and {line["problem"]["code"] for line in lines} == {"plugin-failed"}
    assert all(line["encrypted"] == "k8s:enc:kms:v2:testkms" and line["json"] is None for line in lines)


def test_a_living_etcd_gives_what_its_snapshot_gives(
    snapshot: Path, newest_peer: Peer, start_etcd: StartEtcd, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert newest_peer.etcdutl is not None
    directory = tmp_path / "data"
    restore = [newest_peer.etcdutl, "snapshot", "restore", snapshot, "--data-dir", directory]
    subprocess.run(list(map(str, restore)), check=True, capture_output=True, timeout=60)
    etcd = start_etcd(newest_peer, directory)
    assert dump(snapshot) == 0
    stored = capsys.readouterr().out
    assert dump("live", "--endpoints", etcd.endpoint) == 0
    assert capsys.readouterr().out == stored
