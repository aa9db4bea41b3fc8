"""A plain backup of a real etcd: zstd and etcdutl bring it back (age by its library)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pyrage
import pytest

from backstay.cli.main import run
from backstay.etcd import Client, ConnectionOptions
from tests.conftest import StartEtcd
from tests.peers import Peer


def test_zstd_and_etcdutl_bring_an_encrypted_backup_back(
    newest_peer: Peer, start_etcd: StartEtcd, tmp_path: Path
) -> None:
    zstd = shutil.which("zstd")
    if zstd is None:
        pytest.fail("the program zstd is needed: apt-get install zstd")
    etcd = start_etcd(newest_peer)
    with Client(ConnectionOptions.of([etcd.endpoint])) as client:
        client.kv.put(b"/registry/secrets/one", b"value")
    place = tmp_path / "place"
    place.mkdir()
    identity = pyrage.x25519.Identity.generate()
    arguments = ["--endpoints", etcd.endpoint, "snapshot", "rotate", str(place), "--keep", "30d", "--compress"]
    assert run([*arguments, "--encrypt-to", str(identity.to_public())], {}) == 0
    (sealed,) = place.glob("*.zst.age")
    compressed, plain = tmp_path / "etcd.db.zst", tmp_path / "etcd.db"
    compressed.write_bytes(pyrage.decrypt(sealed.read_bytes(), [identity]))
    subprocess.run([zstd, "-dq", compressed, "-o", plain], check=True)
    assert newest_peer.etcdutl is not None
    restored = tmp_path / "restored"
    command = [newest_peer.etcdutl, "snapshot", "restore", plain, "--data-dir", restored]
    subprocess.run(command, check=True, capture_output=True)
    assert (restored / "member" / "snap" / "db").is_file()
