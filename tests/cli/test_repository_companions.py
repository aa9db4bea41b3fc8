"""`backup --with-companions`, `show`, `restore --companions`: what is stored beside etcd, who reads it, and how it comes back."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from backstay.crypto.slots import identity_of
from tests.backing_up import Cluster, small_history
from tests.cli.test_repository import Desk

KEEPER = identity_of(b"\7" * 32)
SECRET = b"-----BEGIN EC PRIVATE KEY----- canary-companion-41c7"
API_SERVER = """apiVersion: v1
kind: Pod
spec:
  containers:
  - command:
    - kube-apiserver
    - --encryption-provider-config=/etc/kubernetes/enc/config.yaml
    - --audit-policy-file=/etc/kubernetes/audit.yaml
    - --etcd-servers=https://127.0.0.1:2379
"""
KUBEADM = {
    "etc/kubernetes/pki/ca.crt": (b"certificate", 0o644),
    "etc/kubernetes/pki/ca.key": (SECRET, 0o600),
    "etc/kubernetes/pki/etcd/ca.key": (SECRET, 0o600),
    "etc/kubernetes/manifests/kube-apiserver.yaml": (API_SERVER.encode(), 0o600),
    "etc/kubernetes/enc/config.yaml": (b"kind: EncryptionConfiguration # " + SECRET, 0o600),
    "etc/kubernetes/audit.yaml": (b"kind: Policy", 0o640),
    "etc/kubernetes/admin.conf": (b"kind: Config", 0o600),
    "var/lib/kubelet/config.yaml": (b"kind: KubeletConfiguration", 0o644),
}
ROOT = "BACKSTAY_HOST_ROOT"


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    desk = Desk(tmp_path, capsys)
    desk.found()
    (tmp_path / "keeper.key").write_text(KEEPER.secret)
    return desk


@pytest.fixture
def host(tmp_path: Path) -> Path:
    root = tmp_path / "host"
    for path, (content, mode) in KUBEADM.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
        (root / path).chmod(mode)
    (root / "etc/kubernetes/pki/current.crt").symlink_to("ca.crt")
    os.mkfifo(root / "etc/kubernetes/pki/socket")
    return root


def backed_up(desk: Desk, host: Path, cluster: Cluster, *options: object) -> int:
    path = cluster.file(desk.directory / f"{cluster.revision}.db")
    return desk.run("backup", desk.place, "--from", path, *options, BACKSTAY_HOST_ROOT=str(host))


def companion_runs(desk: Desk) -> list[Path]:
    return sorted(path for path in desk.place.rglob("runs/*/companions/**/*") if path.is_file())


def test_companions_come_back_with_modes_and_links(desk: Desk, host: Path) -> None:
    assert backed_up(desk, host, small_history(), "--with-companions", "kubeadm") == 0, desk.err
    shown = desk.json("show", desk.place, "-i", desk.key)["companions"]
    kinds = {each["path"]: each["kind"] for each in shown["files"]}
    assert kinds["/etc/kubernetes/enc/config.yaml"] == "encryption-configuration"
    assert kinds["/etc/kubernetes/audit.yaml"] == "configuration"
    assert kinds["/etc/kubernetes/pki/etcd/ca.key"] == "pki"
    assert "/etc/kubernetes/pki/socket" not in kinds
    target = desk.directory / "back"
    planned = desk.json("restore", desk.place, "--companions", target, "-i", desk.key, "--dry-run")["companions"]
    assert (planned["changed"], target.exists()) == (False, False)
    brought = desk.json("restore", desk.place, "--companions", target, "-i", desk.key)["companions"]
    assert brought["changed"]
    for path, (content, mode) in KUBEADM.items():
        assert (target / path).read_bytes() == content
        assert (target / path).stat().st_mode & 0o7777 == mode
    assert os.readlink(target / "etc/kubernetes/pki/current.crt") == "ca.crt"
    assert target.stat().st_mode & 0o777 == 0o700
    # Never over what is there, neither alone nor beside a restore; and then the file does not appear either.
    file = desk.directory / "out.db"
    assert desk.run("restore", desk.place, "--companions", target, "--to", file, "-i", desk.key) == 9
    assert not file.exists()
    both = desk.json("restore", desk.place, "--companions", desk.directory / "more", "--to", file, "-i", desk.key)
    assert both["companions"]["changed"]
    assert file.exists()
    # They are an ordinary run: everything that looks at points looks at them, and nothing of them stands in clear.
    assert desk.run("verify", desk.place, "--level", "rebuilt", "-i", desk.key) == 0
    assert desk.run("check", desk.place, "--read-data") == 0
    for path in desk.place.rglob("*"):
        assert not path.is_file() or b"canary-companion" not in path.read_bytes()
    (run,) = companion_runs(desk)
    run.write_bytes(run.read_bytes()[:-40] + bytes(40))
    assert desk.run("verify", desk.place, "--level", "authentic", "-i", desk.key) == 4


def test_companions_of_their_own_recipients_are_listed_for_all_and_read_by_them_alone(desk: Desk, host: Path) -> None:
    only = ("--with-companions", "kubeadm", "--companion-recipient", KEEPER.public)
    assert backed_up(desk, host, small_history(), *only) == 0, desk.err
    shown = desk.json("show", desk.place, "-i", desk.key)["companions"]
    assert shown["recipients"] == [KEEPER.public]
    assert len(shown["files"]) == len(KUBEADM) + 1
    target = desk.directory / "back"
    assert desk.run("restore", desk.place, "--companions", target, "-i", desk.key) == 7
    assert "companions-sealed" in desk.err
    assert not list(desk.directory.glob("back*"))
    # The keeper alone opens no point, and both together everything.
    assert desk.run("restore", desk.place, "--companions", target, "-i", desk.directory / "keeper.key") == 7
    assert (
        desk.run("restore", desk.place, "--companions", target, "-i", desk.key, "-i", desk.directory / "keeper.key")
        == 0
    )
    assert (target / "etc/kubernetes/pki/ca.key").read_bytes() == SECRET
    assert desk.run("verify", desk.place, "--level", "rebuilt", "-i", desk.key) == 0


def test_an_unchanged_set_is_stored_once_until_the_next_base(desk: Desk, host: Path) -> None:
    cluster = small_history()
    options = ("--with-companions", "kubeadm")
    for _ in range(3):
        assert backed_up(desk, host, cluster, *options) == 0
        cluster.put(b"more", b"%d" % cluster.revision)
    assert len(companion_runs(desk)) == 1
    (host / "etc/kubernetes/pki/ca.crt").write_bytes(b"renewed")
    assert backed_up(desk, host, cluster, *options) == 0
    assert len(companion_runs(desk)) == 2
    companion_runs(desk)[0].unlink()
    companion_runs(desk)[0].unlink()
    cluster.put(b"more", b"again")
    assert backed_up(desk, host, cluster, *options) == 0
    assert len(companion_runs(desk)) == 1
    cluster.put(b"more", b"without")
    assert backed_up(desk, host, cluster) == 0
    assert "companions" not in desk.json("show", desk.place, "-i", desk.key)
    assert desk.run("restore", desk.place, "--companions", desk.directory / "none", "-i", desk.key) == 5


@pytest.mark.parametrize(
    ("options", "status", "why"),
    [
        (("--with-companions", "openshift"), 2, "kubeadm, k3s, rke2"),
        (("--with-companions", "k3s"), 2, "nothing of k3s"),
        (("--with-companions", "/etc/absent"), 2, "not there"),
        (("--companion-recipient", KEEPER.public), 2, "--with-companions"),
        (("--with-companions", "kubeadm", "--companion-recipient", "ssh-ed25519 AAAA"), 2, "keys of age"),
    ],
)
def test_what_cannot_be_a_companion_is_refused_before_anything_is_read(
    desk: Desk, host: Path, options: tuple[str, ...], status: int, why: str
) -> None:
    assert backed_up(desk, host, small_history(), *options) == status
    assert why in desk.err
    assert desk.json("list", desk.place) == []


def test_what_is_missing_of_a_layout_is_told_and_the_backup_is_made(desk: Desk, host: Path) -> None:
    server = host / "var/lib/rancher/k3s/server"
    (server / "tls").mkdir(parents=True)
    (server / "tls/server-ca.key").write_bytes(SECRET)
    (host / "etc/kubernetes/enc/config.yaml").unlink()
    options = ("--with-companions", "k3s", "--with-companions", "kubeadm", "--with-companions", "/etc/kubernetes")
    assert backed_up(desk, host, small_history(), *options) == 3
    assert "companions-incomplete" in desk.err
    assert "no token" in desk.err
    assert "/etc/kubernetes/enc/config.yaml" in desk.err
    assert len(desk.json("list", desk.place)) == 1
    (server / "token").write_bytes(b"K10canary::server:x")
    (server / "cred").mkdir()
    (server / "cred/encryption-config.json").write_bytes(b"{}")
    cluster = small_history()
    cluster.put(b"more", b"x")
    assert backed_up(desk, host, cluster, "--with-companions", "k3s") == 0, desk.err
    shown = desk.json("show", desk.place, "-i", desk.key)["companions"]["files"]
    assert sorted(each["kind"] for each in shown) == ["encryption-configuration", "pki", "token"]


def codes(desk: Desk) -> set[str]:
    return {each["code"] for each in json.loads(desk.out)["findings"]}


def test_the_kit_names_what_a_restore_would_lack(desk: Desk, host: Path) -> None:
    cluster = small_history()
    assert backed_up(desk, host, cluster) == 0
    kit = ("kit", desk.place, "-o", "json", "--quiet")
    assert desk.run(*kit) == 3
    assert codes(desk) == {"kit-unproven", "kit-sealed"}
    assert desk.run(*kit, "-i", desk.key) == 3
    assert codes(desk) == {"kit-unproven", "kit-pki-missing", "kit-release-unknown"}
    # Values that only the EncryptionConfiguration opens, and a point without it.
    cluster.put(b"/registry/secrets/a/b", b"k8s:enc:aescbc:v1:key1:" + bytes(40))
    cluster.put(b"/registry/secrets/a/c", b"k8s:enc:kms:v2:vault:" + bytes(40))
    assert backed_up(desk, host, cluster) == 0
    assert desk.run(*kit, "-i", desk.key) == 4
    assert {"kit-encryption-missing", "kit-needs-service"} <= codes(desk)
    assert desk.run("recipient", "test", desk.place, "-i", desk.kit) == 0
    cluster.put(b"more", b"x")
    assert backed_up(desk, host, cluster, "--with-companions", "kubeadm") == 0
    assert desk.run(*kit, "-i", desk.key) == 0, desk.out
    assert codes(desk) == {"kit-needs-service", "kit-release-unknown"}
    assert desk.run("kit", desk.place, "-i", desk.key) == 0
    assert "encrypted by aescbc, kms" in desk.out
    # A recipient that came later opens nothing of it yet.
    add = ("recipient", "add", desk.place, "keeper", KEEPER.public, "--root-key", desk.kit, "--only-new")
    assert desk.run(*add) == 0
    assert desk.run(*kit, "-i", desk.key) == 3
    assert codes(desk) >= {"kit-no-slot"}


def test_a_token_of_k3s_is_part_of_the_kit(desk: Desk, host: Path) -> None:
    tls = host / "var/lib/rancher/k3s/server/tls"
    tls.mkdir(parents=True)
    (tls / "server-ca.key").write_bytes(SECRET)
    assert backed_up(desk, host, small_history(), "--with-companions", "k3s") == 3
    assert desk.run("kit", desk.place, "-i", desk.key, "-o", "json") == 4
    assert "kit-token-missing" in codes(desk)
