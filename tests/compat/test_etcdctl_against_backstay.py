"""etcdctl of four releases, unchanged, says the same of `backstay serve` as of a real etcd 3.7.3: words and exit codes.

The invocations are data (`etcdctl_script`); ids, times and sizes are taken out there. `make test` replays the newest
etcdctl, and all of them with client certificates; `tests/soak` replays the earlier ones.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from tests import peers
from tests.compat.etcdctl_running import Program
from tests.compat.etcdctl_script import GROWING, MUTUAL, STEPS, Outcome, Step, replay
from tests.etcd_process import EtcdProcess, Tls, free_ports
from tests.etcd_server import BackstayServer
from tests.peers import Peer

SERVER = "3.7.3"
RELEASES = ("3.4.23", "3.5.35", "3.6.16", "3.7.3")
Answers = list[tuple[Step, Outcome]]


def test_etcdctl_cannot_tell_backstay_from_etcd(tmp_path: Path) -> None:
    compare(peers.peer(RELEASES[-1]), STEPS, tmp_path, None)


def test_members_that_have_not_started_come_and_go_in_the_same_words(tmp_path: Path) -> None:
    compare(peers.peer(RELEASES[-1]), GROWING, tmp_path, None)


@pytest.mark.parametrize("release", RELEASES)
def test_etcdctl_with_client_certificates_cannot_tell(release: str, tmp_path: Path) -> None:
    compare(peers.peer(release), MUTUAL, tmp_path, certificates(tmp_path))


def compare(tool: Peer, steps: Sequence[Step], place: Path, tls: Tls | None) -> None:
    """Replay the steps on both servers, each with an empty store, and list every step that differs.

    One after the other, on the same ports: etcd makes the ids of a cluster and its first member from the peer URL, so that
    even the bytes of a header are the same.
    """
    server = peers.peer(SERVER)
    client_port, peer_port = free_ports(2)
    with EtcdProcess(server, place / "etcd", tls=tls, client_port=client_port, peer_port=peer_port) as etcd:
        real = answers(tool, steps, etcd)
    with BackstayServer(server, place / "backstay", tls=tls, client_port=client_port, peer_port=peer_port) as backstay:
        own = answers(tool, steps, backstay)
    differing = [
        f"{number}. etcdctl {step}\n  etcd:     {theirs}\n  backstay: {ours}"
        for number, ((step, theirs), (_, ours)) in enumerate(zip(real, own, strict=True))
        if theirs != ours
    ]
    assert not differing, f"{len(differing)} of {len(steps)} steps differ:\n" + "\n".join(differing)


def answers(tool: Peer, steps: Sequence[Step], server: EtcdProcess) -> Answers:
    """What this etcdctl says of this server, step by step."""
    flags = [f"--endpoints={server.endpoint}"]
    if server.tls is not None:
        flags += [
            f"--cacert={server.tls.authority}",
            f"--cert={server.tls.client_certificate}",
            f"--key={server.tls.client_key}",
        ]
    environment = {"ETCDCTL_API": "3"} if tool.release < (3, 6) else {}  # 3.6 warns of the variable
    run = Program([str(tool.etcdctl)], flags, environment)
    directory = server.data_dir.with_name(f"{server.data_dir.name}-files")
    directory.mkdir()
    known = {
        "address": server.address,
        "endpoint": server.endpoint,
        "peer": server.peer_url,
        "directory": str(directory),
    }
    return [(step, without_hash(step, outcome)) for step, outcome in replay(steps, run, known)]


def without_hash(step: Step, outcome: Outcome) -> Outcome:
    """The outcome without a hash of everything, leases with their random ids among it; each release writes it in its own form,
    in a table as wide as it."""
    if "hashkv" not in step.arguments:
        return outcome
    return replace(outcome, stdout=re.sub(r"\b\d{6,}\b|-{4,}", "<hash>", outcome.stdout))


def certificates(place: Path) -> Tls:
    """A server's certificate and a client's, whose common name is `root`."""
    authority = trustme.CA()
    issued = {
        "server": authority.issue_cert("127.0.0.1", "localhost"),
        "client": authority.issue_cert("client.invalid", common_name="root"),
    }
    authority.cert_pem.write_to_path(str(place / "ca.pem"))
    for name, certificate in issued.items():
        (place / f"{name}.pem").write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
        certificate.private_key_pem.write_to_path(str(place / f"{name}-key.pem"))
        os.chmod(place / f"{name}-key.pem", 0o600)
    files = ("ca.pem", "server.pem", "server-key.pem", "client.pem", "client-key.pem")
    return Tls(*(place / name for name in files))
