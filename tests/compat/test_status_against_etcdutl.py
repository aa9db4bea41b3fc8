"""Our numbers beside those of the real etcdutl of every release, on the golden snapshots of every release."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from backstay.cli.main import run
from tests import golden
from tests.peers import Peer


def tool(peer: Peer) -> Path:
    """What has `snapshot status` in this release: etcdutl since 3.5, etcdctl before."""
    return peer.etcdutl or peer.etcdctl


def ask(program: Path, *arguments: str) -> str:
    finished = subprocess.run(
        [str(program), *arguments], capture_output=True, text=True, check=True, timeout=60, env={"ETCDCTL_API": "3"}
    )
    return finished.stdout


@pytest.mark.parametrize("output", ["json", "simple", "fields", "table"])
def test_status_prints_byte_for_byte_what_etcd_prints(
    etcd_peer: Peer, output: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    major, minor = etcd_peer.release
    for version in golden.VERSIONS:
        file = tmp_path / f"{version}.db"
        file.write_bytes(golden.snapshot(version))
        wanted = ask(tool(etcd_peer), "snapshot", "status", str(file), "-w", output)
        assert run(["snapshot", "status", str(file), "-w", output, "--as", f"{major}.{minor}"], {}) == 0
        assert capsys.readouterr().out == wanted, version


def test_hash_kv_is_what_etcdutl_computes(etcd_peer: Peer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if etcd_peer.release < (3, 7):
        # Only 3.6 and 3.7 have the command, and 3.6 panics as soon as a key has a lease.
        assert etcd_peer.release != (3, 6) or etcd_peer.etcdutl is not None
        return
    assert etcd_peer.etcdutl is not None
    for version in golden.VERSIONS:
        # It is opened for writing and changed, so the tool gets a copy of its own.
        copy, file = tmp_path / "copy.db", tmp_path / "file.db"
        for path in (copy, file):
            path.write_bytes(golden.snapshot(version))
        answer = json.loads(ask(etcd_peer.etcdutl, "hashkv", str(copy), "-w", "json"))
        middle = str((answer["hashRevision"] + answer["compactRevision"]) // 2)
        for revision in ("0", middle):
            copy.write_bytes(golden.snapshot(version))
            wanted = ask(etcd_peer.etcdutl, "hashkv", str(copy), "--rev", revision, "-w", "json")
            assert run(["hashkv", str(file), "--rev", revision, "-w", "json"], {}) == 0
            assert capsys.readouterr().out == wanted, version
