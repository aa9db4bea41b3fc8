"""`backstay recover` as a person meets it: the plan, the refusals with their next step, the report."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from backstay.cli.main import run
from backstay.cluster.control_plane import STOP_ORDER
from backstay.cluster.host import DiskSpace, LocalHost
from backstay.errors import ExitStatus
from backstay.jobs.recover.journal import DIRECTORY
from tests import golden
from tests.kubelet import MANIFESTS, MEMBER_NAME, ControlPlane
from tests.peers import Peer
from tests.recovering import break_log, fill, save

UNIT = "/etc/systemd/system/etcd.service"


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    path = tmp_path / "etcd.db"
    path.write_bytes(golden.snapshot("3.6.16"))
    return path


@pytest.fixture
def node(newest_peer: Peer, tmp_path: Path) -> ControlPlane:
    """The files of a kubeadm node on which nothing runs."""
    return ControlPlane(tmp_path / "host", newest_peer)


def recover(root: Path, *arguments: str | Path) -> int:
    environment = {"BACKSTAY_HOST_ROOT": str(root), "PATH": ""}
    return run(("recover", *map(str, arguments)), environment)


def refusal(root: Path, capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str]:
    """The status and what was said, without line breaks."""
    status = recover(root, *arguments)
    said = capsys.readouterr()
    assert said.out == ""
    return status, " ".join(said.err.split())


def test_the_plan_is_printed_and_nothing_is_changed(
    node: ControlPlane, snapshot: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(node.root.rglob("*"))
    assert recover(node.root, "--from", snapshot, "--plan") == 0
    out = capsys.readouterr().out
    assert out.startswith("Plan (nothing was changed)\n")
    assert "stop kube-apiserver, kube-controller-manager, kube-scheduler, etcd" in out
    assert "SECONDS" in out
    assert "no etcd program was found on this host (--etcd names one)" in out
    assert recover(node.root, "--from", snapshot, "--dry-run", "-o", "json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["cluster_name"] == MEMBER_NAME
    assert [step["name"] for step in plan["steps"]][:5] == ["check", "stop", "restore", "prove", "exchange"]
    assert all(step["seconds"] > 0 for step in plan["steps"])
    assert sorted(node.root.rglob("*")) == before


def test_the_whole_story_on_the_command_line(
    newest_peer: Peer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ControlPlane(tmp_path / "host", newest_peer) as plane:
        plane.wait_ready()
        fill(plane, 30)
        taken = save(plane, tmp_path / "etcd.db")
        assert recover(plane.root, "--from", taken, "--yes") == ExitStatus.REFUSED
        assert f"--cluster-name {MEMBER_NAME}" in capsys.readouterr().err
        with plane.client() as client:
            client.kv.put(b"/registry/pods/default/late", b"1")
        break_log(plane)
        plane.kubelet.go_on()
        assert recover(plane.root, "--from", taken, "--etcd", newest_peer.etcd, "--yes") == 0
        said = capsys.readouterr()
        assert "Plan\n" in said.err
        assert "Proven by:   a real etcd in quarantine" in said.out
        assert "Lost: revisions written after the snapshot: 1 " in said.out
        assert "/registry/pods/default/late" in said.out
        assert "systemctl restart kubelet" in said.out
        plane.wait_ready()
        assert recover(plane.root, "--resume") == ExitStatus.USAGE
        assert "nothing to resume" in capsys.readouterr().err


def test_a_host_without_etcd_is_told_where_to_go(
    tmp_path: Path, snapshot: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    status, said = refusal(tmp_path / "empty", capsys, "--from", snapshot)
    assert status == ExitStatus.SOURCE_UNREACHABLE
    assert "no etcd was found on this host" in said
    assert "next: run the command on the control-plane host" in said


def test_who_may_not_write_is_told_to_use_sudo(
    node: ControlPlane, snapshot: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    status, said = refusal(node.root, capsys, "--from", snapshot)
    assert status == ExitStatus.KEY_OR_PERMISSION
    assert "next: run the same command with sudo" in said


@pytest.mark.parametrize("name", ["etcd", "kube-apiserver"])
def test_a_manifest_that_does_not_parse_is_named(
    name: str, node: ControlPlane, snapshot: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = node.manifests / f"{name}.yaml"
    manifest.write_text("kind: Pod\nspec: [unclosed\n")
    status, said = refusal(node.root, capsys, "--from", snapshot)
    assert status == ExitStatus.USAGE
    assert "cannot be understood" in said
    assert str(manifest) in said
    assert "kubeadm init phase" in said


def test_a_manifest_that_was_moved_away_is_missed(
    node: ControlPlane, snapshot: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (node.manifests / "etcd.yaml").rename(node.root / "etc/kubernetes/etcd.yaml")
    (node.manifests / "kube-apiserver.yaml").unlink()
    status, said = refusal(node.root, capsys, "--from", snapshot)
    assert status == ExitStatus.USAGE
    assert f"put etcd's manifest back to {node.manifests / 'etcd.yaml'}" in said


def test_of_two_data_directories_one_must_be_named(
    node: ControlPlane, snapshot: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = node.path("/srv/etcd")
    for directory in (node.data, other):
        (directory / "member/snap").mkdir(parents=True)
    node.path(UNIT).parent.mkdir(parents=True)
    node.path(UNIT).write_text("[Service]\nExecStart=/usr/bin/etcd --name two --data-dir /srv/etcd\n")
    status, said = refusal(node.root, capsys, "--from", snapshot)
    assert status == ExitStatus.USAGE
    assert f"say which one is meant: --data-dir {node.data} or --data-dir {other}" in said
    assert recover(node.root, "--from", snapshot, "--plan", "--data-dir", node.data) == 0
    assert f"Data:     {node.data}" in capsys.readouterr().out
    status, said = refusal(node.root, capsys, "--from", snapshot, "--data-dir", node.root / "elsewhere")
    assert status == ExitStatus.USAGE


def test_several_members_come_later(node: ControlPlane, snapshot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [word for word in node.etcd_command() if not word.startswith("--initial-cluster=")]
    peers = f"--initial-cluster={MEMBER_NAME}=http://127.0.0.1:{node.ports.peer},second=http://127.0.0.2:2380"
    node.write_manifest("etcd", [*command, peers])
    status, said = refusal(node.root, capsys, "--from", snapshot)
    assert status == ExitStatus.REFUSED
    assert "a cluster of 2 members" in said
    assert "--all-members" in said


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ("/var/lib/rancher/k3s/server/db/etcd", "k3s server --cluster-reset"),
        ("/var/lib/rancher/rke2/server/db/etcd", "rke2 server --cluster-reset"),
        (f"{MANIFESTS}/etcd-pod.yaml", "cluster-restore.sh"),
    ],
)
def test_distributions_that_own_their_etcd_come_later(
    mark: str, said: str, tmp_path: Path, snapshot: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "host" / mark.lstrip("/")
    if place.suffix:
        place.parent.mkdir(parents=True)
        place.write_text("kind: Pod\n")
    else:
        place.mkdir(parents=True)
    status, told = refusal(tmp_path / "host", capsys, "--from", snapshot)
    assert status == ExitStatus.REFUSED
    assert said in told


def test_a_damaged_snapshot_is_refused_before_anything_stops(
    node: ControlPlane, snapshot: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    snapshot.write_bytes(golden.damaged("05-flip-in-value"))
    status, _ = refusal(node.root, capsys, "--from", snapshot, "--yes")
    assert status == ExitStatus.VERIFICATION_FAILED
    assert sorted(each.stem for each in node.manifests.iterdir()) == sorted(STOP_ORDER)
    assert not node.path(DIRECTORY).exists()


def test_a_full_disk_is_refused_before_anything_stops(
    node: ControlPlane, snapshot: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    full = DiskSpace("/", "ext4", 10**9, 10**6, 0, 0, False)
    monkeypatch.setattr(LocalHost, "disk", lambda self, path: full)
    status, said = refusal(node.root, capsys, "--from", snapshot, "--yes")
    assert status == ExitStatus.STORAGE
    assert "has no room for the restored store" in said
    assert "next: free space there" in said
    assert not node.path(DIRECTORY).exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give --from FILE"),
        (("--resume", "--rollback"), "--resume and --rollback exclude each other"),
        (("--from", "x", "--resume"), "--from and --resume exclude each other"),
        (("--resume",), "nothing to resume"),
        (("--rollback", "--yes"), "nothing to roll back"),
        (("--from", "no-such-file"), "does not exist"),
    ],
)
def test_what_makes_no_sense_is_refused(
    arguments: tuple[str, ...], said: str, node: ControlPlane, capsys: pytest.CaptureFixture[str]
) -> None:
    status, told = refusal(node.root, capsys, *arguments)
    assert status in (ExitStatus.USAGE, ExitStatus.SOURCE_UNREACHABLE)
    assert said in told
