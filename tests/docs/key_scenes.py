"""The host on which the sessions about keys run: a kubeadm control plane's files, a repository with one point, and its keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backstay.cli.main import run
from backstay.cli.repository import opened
from tests.backing_up import Cluster

_FILES = {
    "etc/kubernetes/pki/ca.crt": "certificate",
    "etc/kubernetes/pki/ca.key": "key",
    "etc/kubernetes/manifests/kube-apiserver.yaml": (
        "spec:\n  containers:\n  - command: [kube-apiserver, --encryption-provider-config=/etc/kubernetes/enc.yaml]\n"
    ),
    "etc/kubernetes/enc.yaml": "kind: EncryptionConfiguration\n",
    "etc/kubernetes/admin.conf": "kind: Config\n",
}


def key_holders(root: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """A repository with one point at /mnt/backups, its keys in /etc/backstay, a later snapshot, and what kubeadm left."""
    place, keys = root / "mnt/backups", root / "etc/backstay"
    for directory in (place, keys, root / "var/lib", root / "var/backups", root / "srv"):
        directory.mkdir(parents=True)
    for path, content in _FILES.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content, encoding="utf-8")
        (root / path).chmod(0o600)
    patch.setattr(opened, "_SYSTEM_STATE", str(root / "var/lib/backstay"))
    environment = {"BACKSTAY_STATE_DIR": str(root / "var/lib/backstay"), "TMPDIR": str(root / "var/lib")}
    cluster = Cluster()
    cluster.put(b"/registry/secrets/shop/payment", b"k8s:enc:aescbc:v1:key1:" + bytes(64))
    made = ("init", place, "--new-identity", keys / "operator.key", "--recovery-kit", keys / "recovery-kit.txt")
    first = ("backup", place, "--from", cluster.file(root / "var/backups/yesterday.db"), "--cluster", "shop")
    for arguments in (made, first):
        assert run([*(str(each) for each in arguments), "--quiet"], environment) == 0
    cluster.put(b"/registry/pods/shop/web", b"x")
    cluster.file(root / "var/backups/etcd.db")
    yield
