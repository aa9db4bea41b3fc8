"""Three Python clients of etcd that we did not write do the same work against backstay as against a real etcd.

They live in an environment of their own (`make peers`), for they want other versions of protobuf than we do.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
import trustme

from tests import peers
from tests.conftest import StartEtcd
from tests.etcd_process import EtcdProcess, Tls
from tests.peers import Peer

SCRIPT = Path(__file__).with_name("foreign_clients.py")
SECONDS = 120.0
USER = ("--user", "root", "secret")


def work(client: str, server: EtcdProcess, arguments: Sequence[str] = ()) -> dict[str, object]:
    """Run the script of a client; what each step gave."""
    tool = peers.tool("python-clients")
    # The messages of etcd3 were generated for a protobuf that is long gone; its slow twin still takes them.
    environment = {**tool.environment, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"}
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # would be trusted in place of what the client is given
        environment.pop(name, None)
    port = server.http_port if client == "etcd3gw" else server.address.rpartition(":")[2]
    command = [str(tool.program), str(SCRIPT), client, str(port), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, f"{client} against {server}\n{done.stdout}\n{done.stderr}"
    return dict(json.loads(done.stdout))


def with_users(server: EtcdProcess) -> None:
    server.etcdctl("user", "add", "root", "--new-user-password=secret")
    server.etcdctl("user", "grant-role", "root", "root")
    server.etcdctl("auth", "enable")


def compare(ours: EtcdProcess, real: EtcdProcess, clients: Sequence[str], arguments: Sequence[str] = ()) -> None:
    for client in clients:
        assert work(client, ours, arguments) == work(client, real, arguments), f"{client} {arguments}"


def test_they_do_the_same_with_and_without_users(
    newest_peer: Peer, start_etcd: StartEtcd, start_backstay: StartEtcd
) -> None:
    ours, real = start_backstay(newest_peer), start_etcd(newest_peer)
    compare(ours, real, ("etcd3gw", "etcd3", "aetcd"))
    with_users(ours)
    with_users(real)
    compare(ours, real, ("etcd3gw", "aetcd"), USER)  # etcd3 gives a password to nobody without TLS


def test_they_do_the_same_over_tls(
    newest_peer: Peer, start_etcd: StartEtcd, start_backstay: StartEtcd, certificates: Tls
) -> None:
    ours, real = (start(newest_peer, tls=certificates, has_http_port=True) for start in (start_backstay, start_etcd))
    files = (certificates.authority, certificates.client_certificate, certificates.client_key)
    arguments = ("--tls", *map(str, files))
    compare(ours, real, ("etcd3gw", "etcd3"), arguments)  # aetcd speaks no TLS
    with_users(ours)
    with_users(real)
    compare(ours, real, ("etcd3gw", "etcd3"), (*arguments, *USER))


@pytest.fixture
def certificates(tmp_path: Path) -> Tls:
    """An authority, a server's certificate and a client's."""
    authority = trustme.CA()
    tls = Tls(*(tmp_path / f"{name}.pem" for name in ("ca", "server", "server-key", "client", "client-key")))
    authority.cert_pem.write_to_path(str(tls.authority))
    server, client = authority.issue_cert("127.0.0.1", "localhost"), authority.issue_cert("client.invalid")
    assert tls.client_certificate is not None and tls.client_key is not None
    for issued, certificate, key in (
        (server, tls.certificate, tls.key),
        (client, tls.client_certificate, tls.client_key),
    ):
        certificate.write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(str(key))
    return tls
