"""A plain backup of a real etcd: age or gpg, zstd and etcdutl bring it back, without backstay."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pyrage
import pytest

from backstay.cli.main import run
from backstay.etcd import Client, ConnectionOptions
from tests import peers
from tests.blob_servers import S3Server, SftpServer
from tests.conftest import StartEtcd
from tests.peers import NOT_FOUND, Peer


def test_zstd_and_etcdutl_bring_an_encrypted_backup_back(
    newest_peer: Peer, start_etcd: StartEtcd, tmp_path: Path
) -> None:
    zstd = shutil.which("zstd")
    if zstd is None:
        pytest.skip(f"{NOT_FOUND}zstd: apt-get install zstd")
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
    key = tmp_path / "key.txt"
    key.write_text(f"{identity}\n")
    age = peers.tool("age").program
    subprocess.run([age, "--decrypt", "--identity", key, "--output", compressed, sealed], check=True)
    subprocess.run([zstd, "-dq", compressed, "-o", plain], check=True)
    assert newest_peer.etcdutl is not None
    restored = tmp_path / "restored"
    command = [newest_peer.etcdutl, "snapshot", "restore", plain, "--data-dir", restored]
    subprocess.run(command, check=True, capture_output=True)
    assert (restored / "member" / "snap" / "db").is_file()


def test_gpg_opens_what_was_encrypted_to_a_key_of_its_keyring(
    newest_peer: Peer, start_etcd: StartEtcd, tmp_path: Path
) -> None:
    gpg = shutil.which("gpg")
    if gpg is None:
        pytest.skip(f"{NOT_FOUND}gpg: apt-get install gnupg")
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    environment = {"PATH": os.environ["PATH"], "GNUPGHOME": str(home)}
    make_key = [gpg, "--batch", "--passphrase", "", "--quick-generate-key", "backup@example.com", "default", "default"]
    subprocess.run(make_key, env=environment, check=True, capture_output=True)
    etcd = start_etcd(newest_peer)
    place = tmp_path / "place"
    place.mkdir()
    try:
        arguments = ["--endpoints", etcd.endpoint, "snapshot", "rotate", str(place), "--keep", "30d"]
        assert run([*arguments, "--encrypt-to", "backup@example.com"], environment) == 0
        (sealed,) = place.glob("*.db.gpg")
        plain = tmp_path / "etcd.db"
        opened = [gpg, "--batch", "--output", plain, "--decrypt", sealed]
        subprocess.run(opened, env=environment, check=True, capture_output=True)
    finally:
        stop_agent = ["gpgconf", "--kill", "gpg-agent"]
        subprocess.run(stop_agent, env=environment, check=False, capture_output=True)
    assert newest_peer.etcdutl is not None
    status = [newest_peer.etcdutl, "snapshot", "status", plain, "-w", "json"]
    assert json.loads(subprocess.run(status, check=True, capture_output=True).stdout)["revision"] >= 0


def test_a_backup_arrives_in_a_bucket_and_in_an_ssh_directory(
    newest_peer: Peer, start_etcd: StartEtcd, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    etcd = start_etcd(newest_peer)
    for name in ("s3", "sftp"):
        (tmp_path / name).mkdir()
    server = SftpServer(peers.tool("sshd"), tmp_path / "sftp")
    try:
        with S3Server(peers.tool("versitygw"), tmp_path / "s3") as s3, server as sftp:
            environment = {**s3.environment, **sftp.environment}
            places = (s3.location("backups"), sftp.location(sftp.directory("backups")))
            arguments = ["--endpoints", etcd.endpoint, "snapshot", "rotate", places[0], "--copy-to", places[1]]
            assert run([*arguments, "--keep", "30d", "-o", "json"], environment) == 0
    finally:
        server.remove()
    said = json.loads(capsys.readouterr().out)
    assert [each["arrived"] for each in said["places"]] == [True, True]
    assert [each["kept"] for each in said["places"]] == [[said["file"]]] * 2
