"""The hosts of the pages about repositories: backups of a small shop's cluster, and a folder of what a script saved before."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from backstay.cli.main import run
from backstay.cli.repository import opened
from tests.backing_up import Cluster

_VOLUME = {
    "apiVersion": "v1",
    "kind": "PersistentVolume",
    "metadata": {"name": "orders-data"},
    "spec": {
        "capacity": {"storage": "20Gi"},
        "claimRef": {"namespace": "shop", "name": "orders"},
        "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": "vol-0a1b2c3d"},
        "persistentVolumeReclaimPolicy": "Delete",
    },
}


def shop_backups(root: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """A repository with three points: before an upgrade, and before and after somebody deleted the namespace `shop`."""
    place = _place(root, patch)
    cluster = _shop()
    _back_up(root, place, cluster, "--tag", "before-upgrade")
    cluster.put(b"/registry/pods/shop/web-2", _value("Pod", "web-2", "shop"))
    cluster.delete(b"/registry/pods/shop/web-1")
    cluster.put(b"/registry/configmaps/shop/prices", _value("ConfigMap", "prices", "shop"))
    _back_up(root, place, cluster)
    cluster.put(b"/registry/pods/shop/web-3", _value("Pod", "web-3", "shop"))
    cluster.delete(*(name for name in cluster.live() if b"/shop" in name))
    cluster.put(b"/registry/pods/default/probe", _value("Pod", "probe", "default"))
    _back_up(root, place, cluster)
    yield


def shop_folder(root: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty repository, an empty place for its copy, and a folder of what a script saved, one file of it cut short."""
    _place(root, patch)
    (root / "mnt/copy").mkdir()
    folder = root / "backup/etcd"
    folder.mkdir(parents=True)
    cluster = _shop()
    for name in ("etcd-backup-20241210-143022.db", "etcd-backup-20241210-203019.db", "etcd-backup-20241211-023021.db"):
        cluster.put(b"/registry/pods/shop/web-1", _value("Pod", name, "shop"))
        cluster.file(folder / name)
    last = folder / "etcd-backup-20241211-023021.db"
    (folder / f"{last.name}.gz").write_bytes(gzip.compress(last.read_bytes(), mtime=0))
    last.write_bytes(last.read_bytes()[:9000])
    os.rename(last, folder / "etcd-backup-20241211-083020.db")
    yield


def _place(root: Path, patch: pytest.MonkeyPatch) -> Path:
    place, key = root / "mnt/backups", root / "etc/backstay/operator.key"
    for directory in (place, key.parent, root / "var/lib", root / "srv"):
        directory.mkdir(parents=True)
    patch.setattr(opened, "_SYSTEM_STATE", str(root / "var/lib/backstay"))
    patch.setenv("HOME", str(root / "srv"))
    _done(root, "init", place, "--new-identity", key, "--recovery-kit", root / "etc/backstay/recovery-kit")
    return place


def _shop() -> Cluster:
    cluster = Cluster()
    for kind, resource, name, namespace in (
        ("Namespace", "namespaces", "default", ""),
        ("Namespace", "namespaces", "shop", ""),
        ("Pod", "pods", "web-1", "shop"),
        ("Service", "services/specs", "web", "shop"),
        ("Secret", "secrets", "payment", "shop"),
    ):
        key = "/".join(filter(None, ("/registry", resource, namespace, name)))
        cluster.put(key.encode(), _value(kind, name, namespace))
    cluster.put(b"/registry/persistentvolumes/orders-data", json.dumps(_VOLUME).encode())
    return cluster


def _value(kind: str, name: str, namespace: str) -> bytes:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return json.dumps({"apiVersion": "v1", "kind": kind, "metadata": metadata}).encode()


def _back_up(root: Path, place: Path, cluster: Cluster, *options: str) -> None:
    file = cluster.file(root / "snapshot.db")
    _done(root, "backup", place, "--from", file, "--cluster", "shop", *options)
    file.unlink()


def _done(root: Path, *arguments: object) -> None:
    environment = {"BACKSTAY_STATE_DIR": str(root / "var/lib/backstay"), "TMPDIR": str(root / "var/lib")}
    status = run([*(str(each) for each in arguments), "--quiet"], environment)
    assert status == 0, arguments
