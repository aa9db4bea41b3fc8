"""`restore --plan` on a backup of a real Kubernetes: what will be there, every volume, and what no etcd holds."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

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
