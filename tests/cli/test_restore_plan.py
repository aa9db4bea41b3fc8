"""`restore --plan` on a backup of a real Kubernetes: what will be there, every volume, and what no etcd holds."""

from __future__ import annotations

import base64
import lzma
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from backstay.snapshot.opened import open_file
from tests.backing_up import Cluster
from tests.cli.test_repository import Desk

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    desk = Desk(tmp_path, capsys)
    desk.found()
    snapshot = tmp_path / "snapshot.db"
    snapshot.write_bytes(lzma.decompress((ROOT / "data/kubernetes/k1.37.2/snapshot.db.xz").read_bytes()))
    desk.json("backup", desk.place, "--from", snapshot)
    return desk


def test_the_plan_says_what_kubernetes_will_see_and_what_is_not_there(desk: Desk) -> None:
    before = sorted(desk.place.rglob("*"))
    plan = desk.json("restore", desk.place, "--plan", "-i", desk.key)
    keys = desk.json("keys", desk.directory / "snapshot.db")
    seen = plan["kubernetes"]
    assert sum(seen["resources"].values()) + seen["other_keys"] == len(keys)
    assert seen["resources"]["persistentvolumes"] == len(plan["volumes"]) == 20
    assert seen["resources"]["deployments.apps"] == len([key for key in keys if "/deployments/" in key["key"]])
    assert seen["namespaces"]["production"] > 100
    volumes = {each["name"]: each for each in plan["volumes"]}
    assert volumes["orchid-pv-csi"] | {"capacity": ""} == {
        "name": "orchid-pv-csi", "capacity": "", "claim": "production/data-0", "storage_class": "fast",
        "reclaim_policy": "Retain", "driver": "csi.example.com", "handle": "vol-1", "problem": None,
    }  # fmt: skip
    assert all(each["driver"] and each["handle"] and not each["problem"] for each in plan["volumes"])
    assert plan["seconds"] >= 0
    assert plan["seconds_measured"] is None
    assert any("images" in each for each in plan["not_in_etcd"])
    assert desk.run("restore", desk.place, "--plan", "--to", desk.directory / "x.db", "-i", desk.key) == 0
    for words in ("csi.example.com", "Minutes", "container images", "persistentvolumes", "Nothing was changed."):
        assert words in desk.out
    assert sorted(desk.place.rglob("*")) == before
    assert not (desk.directory / "x.db").exists()


def test_a_plan_refuses_what_the_restore_would_refuse(desk: Desk) -> None:
    assert desk.run("restore", desk.place, "--plan", "--to", desk.directory / "snapshot.db", "-i", desk.key) == 9
    assert desk.run("restore", desk.place, "-i", desk.key) == 2
    assert desk.run("restore", desk.place, "--plan") == 7


def test_an_encrypted_volume_is_told_with_the_configuration_that_opens_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk, key = Desk(tmp_path, capsys), b"k" * 32
    desk.found()
    golden, cluster = tmp_path / "golden.db", Cluster()
    golden.write_bytes(lzma.decompress((ROOT / "data/kubernetes/k1.37.2/snapshot.db.xz").read_bytes()))
    with open_file(golden) as store:
        for record in store.records():
            item = record.item
            if item.key.startswith((b"/registry/persistentvolumes/", b"/registry/namespaces/")):
                cluster.put(item.key, encrypted(item.value, key) if b"orchid-pv-csi" in item.key else item.value)
    desk.json("backup", desk.place, "--from", cluster.file(tmp_path / "snapshot.db"))
    secret = base64.b64encode(key).decode()
    config = tmp_path / "encryption.yaml"
    config.write_text(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n"
        f"- resources: ['*.*']\n  providers:\n  - aescbc: {{keys: [{{name: key1, secret: {secret}}}]}}\n"
    )
    without = {each["name"]: each for each in desk.json("restore", desk.place, "--plan", "-i", desk.key)["volumes"]}
    assert without["orchid-pv-csi"]["problem"]
    plan = desk.json("restore", desk.place, "--plan", "-i", desk.key, "--encryption-config", config)
    opened = {each["name"]: each for each in plan["volumes"]}["orchid-pv-csi"]
    assert (opened["handle"], opened["problem"]) == ("vol-1", None)
    target = ("--to", tmp_path / "x.db", "--encryption-config", config)
    assert desk.run("restore", desk.place, "-i", desk.key, *target) == 2


def encrypted(value: bytes, key: bytes) -> bytes:
    """As the API server stores it with aescbc."""
    padded = value + bytes((16 - len(value) % 16,)) * (16 - len(value) % 16)
    vector = b"v" * 16
    sealing = Cipher(algorithms.AES(key), modes.CBC(vector)).encryptor()
    return b"k8s:enc:aescbc:v1:key1:" + vector + sealing.update(padded) + sealing.finalize()
