"""`backstay doctor` as an administrator types it, with nothing alive: clear words, one cause, and nothing changed."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from backstay.cli.main import run
from backstay.formats import schema
from backstay.formats.bbolt import build
from backstay.formats.mvcc import KeyValue, Record, RevisionKey, encode_record
from tests import golden

MANIFEST = """
apiVersion: v1
kind: Pod
metadata: {name: etcd}
spec:
  containers:
    - name: etcd
      image: registry.k8s.io/etcd:3.6.16-0
      command:
        - etcd
        - --name=control-plane
        - --data-dir=/var/lib/etcd
        - --listen-client-urls=http://127.0.0.1:%(port)d
        - --advertise-client-urls=http://127.0.0.1:%(port)d
        - --initial-cluster=control-plane=http://127.0.0.1:2380
      volumeMounts: [{name: data, mountPath: /var/lib/etcd}]
  volumes: [{name: data, hostPath: {path: /var/lib/etcd}}]
"""
NOBODY_LISTENS = 1
"""A port that no server of ours ever takes."""


def doctor(root: Path, *arguments: str) -> int:
    return run(["doctor", *arguments], {"BACKSTAY_HOST_ROOT": str(root), "PATH": os.environ["PATH"]})


def report(root: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    status = doctor(root, *arguments, "-o", "json", "--quiet")
    return status, json.loads(capsys.readouterr().out)


def codes(said: dict[str, Any]) -> set[str]:
    return {finding["code"] for finding in said["findings"]}


def fingerprint(root: Path) -> str:
    """Of every name, mode and byte below `root`."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        digest.update(f"{path.relative_to(root)} {path.lstat().st_mode:o}\n".encode())
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A scratch kubeadm host whose etcd was killed; the data directory is sound."""
    root = tmp_path / "host"
    manifest = root / "etc/kubernetes/manifests/etcd.yaml"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(MANIFEST % {"port": NOBODY_LISTENS})
    data = root / "var/lib/etcd"
    golden.unpack("3.5.35/killed", data)
    data.chmod(0o700)
    return root


def test_a_host_without_etcd_is_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, said = report(tmp_path, capsys, "--only", "installation")
    assert status == 4
    assert said["cause"] == "no-installation"
    assert "--endpoints" in said["findings"][0]["remedy"]


def test_a_dead_etcd_with_sound_data_is_named(host: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, said = report(host, capsys, "--skip", "clock,space")
    assert status == 4
    assert said["cause"] == "etcd-not-running"
    assert {"etcd-not-running", "member-unreachable", "no-backup"} <= codes(said)
    assert not codes(said) & {"database-damaged", "no-database", "no-log", "log-damaged"}


def test_damage_of_the_database_explains_the_rest(host: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database = host / "var/lib/etcd/member/snap/db"
    with database.open("r+b") as file:
        for page in range(2, file.seek(0, 2) // 4096, 3):
            file.seek(page * 4096)
            file.write(b"\xde\xad" * 100)
    status, said = report(host, capsys, "--skip", "clock,space")
    assert (status, said["cause"]) == (4, "database-damaged")
    assert said["next_command"].startswith("sudo backstay recover --from")


def test_a_manifest_that_does_not_parse_is_named_and_not_fatal(host: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (host / "etc/kubernetes/manifests/etcd.yaml").write_text("kind: [Pod\n")
    status, said = report(host, capsys, "--skip", "clock,space")
    assert status == 4
    assert "installation-unreadable" in codes(said)


def test_two_data_directories_are_named(host: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unit = host / "etc/systemd/system/etcd.service"
    unit.parent.mkdir(parents=True)
    unit.write_text("[Service]\nExecStart=/usr/bin/etcd --data-dir=/srv/etcd --listen-client-urls=http://127.0.0.1:1\n")
    golden.unpack("3.5.1/killed", host / "srv/etcd")
    _, said = report(host, capsys, "--skip", "clock,space")
    assert "several-installations" in codes(said)


def test_nothing_is_changed(host: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = fingerprint(host)
    doctor(host)
    doctor(host, "--fix", "--dry-run")
    capsys.readouterr()
    assert fingerprint(host) == before


def test_the_probe_removes_what_it_wrote(host: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = fingerprint(host)
    status = doctor(host, "--only", "sync-latency", "--probe")
    capsys.readouterr()
    assert status in (0, 3, 4)
    assert fingerprint(host) == before


def test_fix_sets_modes_after_it_was_agreed_to(host: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = host / "var/lib/etcd"
    data.chmod(0o755)
    _, said = report(host, capsys, "--only", "permissions", "--fix", "--dry-run")
    assert said["plan"] == [f"set the mode of {data} to 0700"]
    assert data.stat().st_mode & 0o777 == 0o755
    assert doctor(host, "--only", "permissions", "--fix", "--yes") == 3
    capsys.readouterr()
    assert data.stat().st_mode & 0o777 == 0o700
    assert doctor(host, "--only", "permissions") == 0


def test_the_last_lines_are_the_cause_and_the_next_command(host: Path, capsys: pytest.CaptureFixture[str]) -> None:
    doctor(host, "--skip", "clock,space", "--quiet")
    lines = capsys.readouterr().out.rstrip().splitlines()
    assert lines[-2].startswith("CAUSE: etcd does not run")
    assert lines[-1].startswith("NEXT:  ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--only", "nonsense"],
        ["--data-dir", ".", "--snapshot", "x.db"],
    ],
)
def test_wrong_flags_are_usage_errors(tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor(tmp_path, *arguments) == 2
    assert "next:" in capsys.readouterr().err


def test_a_snapshot_alone_is_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "snapshot.db"
    path.write_bytes(golden.snapshot("3.7.3"))
    assert report(tmp_path, capsys, "--snapshot", str(path))[0] == 0
    path.write_bytes(golden.damaged("05-flip-in-value"))
    status, said = report(tmp_path, capsys, "--snapshot", str(path))
    assert (status, said["cause"]) == (4, "database-damaged")
    assert doctor(tmp_path, "--snapshot", str(tmp_path / "absent.db")) == 12


@pytest.mark.parametrize("name", ["3.5.35-middle-flip", "3.5.35-wal-gone"])
def test_a_damaged_data_directory_alone_is_judged(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = golden.unpack(f"damaged-dirs/{name}", tmp_path / "data")
    status, said = report(tmp_path, capsys, "--data-dir", str(data), "--skip", "permissions,space")
    assert (status, said["cause"]) == (4, "database-damaged")


def test_a_lost_database_that_etcd_rebuilds_from_its_log_is_no_disaster(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = golden.unpack("damaged-dirs/3.5.35-db-gone", tmp_path / "data")
    status, said = report(tmp_path, capsys, "--data-dir", str(data), "--skip", "permissions,space")
    assert (status, said["cause"]) == (3, "none")
    assert "directory-no-database" in codes(said)


def test_large_values_of_a_snapshot_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "large.db"
    records = [Record(RevisionKey(2, 0), KeyValue(b"/registry/configmaps/default/big", 2, 2, 1, bytes(600 << 10)))]
    pages: list[bytes] = []
    elements = [encode_record(each) for each in records]
    buckets = [(name, elements if name == schema.KEY else []) for name in schema.BUCKETS]
    built = build(buckets, pages.extend)
    path.write_bytes(built.meta_pages + b"".join(pages))
    status, said = report(tmp_path, capsys, "--snapshot", str(path), "--only", "large-keys")
    assert status == 3
    (finding,) = said["findings"]
    assert (finding["code"], finding["subject"]) == ("key-large", "/registry/configmaps/default/big")
