"""The peers themselves: each release starts, keeps what it was given over a kill, and forms a cluster."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import trustme

from tests.conftest import StartEtcd
from tests.etcd_process import EtcdCluster, EtcdFailed, EtcdProcess, Tls, free_ports
from tests.peers import Peer


def test_keeps_a_key_over_a_kill_and_a_restart(etcd_peer: Peer, start_etcd: StartEtcd) -> None:
    etcd = start_etcd(etcd_peer)
    etcd.etcdctl("put", "ship", input="mast\n")
    endpoint = etcd.endpoint
    etcd.kill()
    assert not etcd.running
    etcd.start()
    assert etcd.endpoint == endpoint
    assert etcd.etcdctl("get", "ship", "--print-value-only").stdout.strip() == "mast"


def test_three_members_agree(etcd_peer: Peer, tmp_path: Path) -> None:
    with EtcdCluster(etcd_peer, tmp_path) as cluster:
        one, _, three = cluster.members.values()
        one.etcdctl("put", "ship", "mast")
        assert three.etcdctl("get", "ship", "--print-value-only").stdout.strip() == "mast"


def test_every_program_answers_its_version(etcd_peer: Peer) -> None:
    assert (etcd_peer.etcdutl is None) == (etcd_peer.release < (3, 5))
    for program in (etcd_peer.etcdctl, etcd_peer.etcdutl):
        if program is not None:
            answer = subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout
            found = re.search(r"version: (\S+)", answer)
            assert found is not None
            assert found[1] == etcd_peer.version


def test_mutual_tls_lets_only_the_known_client_in(newest_peer: Peer, tmp_path: Path, start_etcd: StartEtcd) -> None:
    authority = trustme.CA()
    paths = {name: tmp_path / f"{name}.pem" for name in ("ca", "server", "server-key", "client", "client-key")}
    authority.cert_pem.write_to_path(str(paths["ca"]))
    for role, names in (("server", ["127.0.0.1", "localhost"]), ("client", ["client.invalid"])):
        issued = authority.issue_cert(*names)
        issued.cert_chain_pems[0].write_to_path(str(paths[role]))
        issued.private_key_pem.write_to_path(str(paths[f"{role}-key"]))
    tls = Tls(paths["ca"], paths["server"], paths["server-key"], paths["client"], paths["client-key"])
    etcd = start_etcd(newest_peer, tls=tls)
    etcd.etcdctl("put", "ship", "mast")
    etcd.tls = Tls(paths["ca"], paths["server"], paths["server-key"])
    assert etcd.etcdctl("--dial-timeout=1s", "--command-timeout=1s", "get", "ship", check=False).returncode != 0


def test_a_process_that_ends_at_once_fails_with_its_log(newest_peer: Peer, tmp_path: Path) -> None:
    etcd = EtcdProcess(newest_peer, tmp_path / "data", extra_args=["--no-such-flag"])
    with pytest.raises(EtcdFailed, match="no-such-flag"):
        etcd.start()


def test_a_port_that_was_taken_meanwhile_is_replaced(newest_peer: Peer, tmp_path: Path, start_etcd: StartEtcd) -> None:
    first = start_etcd(newest_peer)
    taken = int(first.address.rpartition(":")[2])
    (other,) = free_ports(1)
    second = start_etcd(newest_peer, tmp_path / "second", client_port=taken, peer_port=other)
    assert second.endpoint != first.endpoint
