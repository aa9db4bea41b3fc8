"""Flags, variables and the configuration file mean to `backstay serve` what they mean to real etcd 3.7."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from backstay.etcd import Client, ConnectionOptions
from tests.etcd_process import free_ports
from tests.peers import Peer

SECONDS = 60.0
OURS = (sys.executable, "-m", "backstay", "serve")


def started(
    program: Sequence[str], arguments: Sequence[str], environment: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    with log.open("wb") as file:
        return subprocess.Popen(
            [*program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            cwd=log.parent,
            env={**os.environ, "ETCD_UNSUPPORTED_ARCH": os.uname().machine, **environment},
        )


@contextmanager
def serving(
    program: Sequence[str], arguments: Sequence[str], environment: Mapping[str, str], log: Path, endpoint: str
) -> Iterator[Client]:
    process = started(program, arguments, environment, log)
    try:
        deadline = time.monotonic() + SECONDS
        while not answers(endpoint):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        with Client(ConnectionOptions.of([endpoint])) as client:
            yield client
    finally:
        process.terminate()
        process.wait(SECONDS)


def answers(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(f"{endpoint}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


REFUSED: dict[str, tuple[list[str], dict[str, str], str]] = {
    "a flag and its variable": (["--name=a"], {"ETCD_NAME": "b"}, ""),
    "a flag and its empty variable": (["--name=a"], {"ETCD_NAME": ""}, ""),
    "an unknown flag": (["--nope=1"], {}, ""),
    "a flag of 3.5 for v2": (["--enable-v2=true"], {}, ""),
    "a value that is no number": (["--snapshot-count=many"], {}, ""),
    "a variable that is no number": ([], {"ETCD_SNAPSHOT_COUNT": "many"}, ""),
    "a switch with a space": (["--client-cert-auth", "true"], {}, ""),
    "an unknown gate": (["--feature-gates=Nope=true"], {}, ""),
    "a short election": (["--election-timeout=100"], {}, ""),
    "an unknown mode": (["--auto-compaction-mode=weekly"], {}, ""),
    "a retention without a unit": (["--auto-compaction-retention=x"], {}, ""),
    "https without a certificate": (
        ["--listen-client-urls=https://127.0.0.1:1", "--advertise-client-urls=https://127.0.0.1:1"],
        {},
        "",
    ),
    "a host name to listen on": (
        ["--listen-client-urls=http://example.com:1", "--advertise-client-urls=http://example.com:1"],
        {},
        "",
    ),
    "an initial cluster of others": (["--initial-cluster=other=http://127.0.0.1:2380"], {}, ""),
    "a token of no kind": (["--auth-token=cookie"], {}, ""),
    "a file that is not there": (["--config-file=absent.yaml"], {}, ""),
    "a file with a number for a name": (["--config-file=etcd.yaml"], {}, "name: 5\n"),
    "a file with a text for a number": (["--config-file=etcd.yaml"], {}, "snapshot-count: many\n"),
    "a file with a duration as text": (["--config-file=etcd.yaml"], {}, "watch-progress-notify-interval: 10m\n"),
    "a file that is not YAML": (["--config-file=etcd.yaml"], {}, "a: b: c\n"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_etcd_refuses_is_refused(newest_peer: Peer, tmp_path: Path, case: str) -> None:
    arguments, environment, file = REFUSED[case]
    for who, program in (("etcd", (str(newest_peer.etcd),)), ("backstay", OURS)):
        place = tmp_path / who
        place.mkdir()
        if file:
            (place / "etcd.yaml").write_text(file + f"data-dir: {place / 'data'}\n")
        given = arguments if "--config-file" in " ".join(arguments) else [f"--data-dir={place / 'data'}", *arguments]
        # Nobody else listens at these ports in a test; a server that did start would be seen by its status.
        process = started(program, given, environment, place / "log")
        try:
            assert process.wait(SECONDS) != 0, f"{who}: {(place / 'log').read_text()}"
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            pytest.fail(f"{who} serves")


Case = tuple[list[str], dict[str, str], str]


def accepted(client: str, peer: str) -> dict[str, Case]:
    """Cases that both must serve, at the client URL."""
    urls = [f"--listen-client-urls={client}", f"--advertise-client-urls={client}"]
    peers = [f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}"]
    file = f"name: filed\nlisten-client-urls: {client}\nadvertise-client-urls: {client}\nlisten-peer-urls: {peer}\n"
    file += f"initial-advertise-peer-urls: {peer}\ninitial-cluster: filed={peer}\nnonsense: 1\n"
    return {
        "flags with one dash": (
            ["-name", "dash", f"-initial-cluster=dash={peer}", *(each[1:] for each in (*urls, *peers))],
            {},
            "",
        ),
        "variables": (
            [],
            {
                "ETCD_NAME": "variable",
                "ETCD_LISTEN_CLIENT_URLS": client,
                "ETCD_ADVERTISE_CLIENT_URLS": f"{client},http://127.0.0.1:1",
                "ETCD_LISTEN_PEER_URLS": peer,
                "ETCD_INITIAL_ADVERTISE_PEER_URLS": peer,
                "ETCD_INITIAL_CLUSTER": f"variable={peer}",
                "ETCD_NONSENSE": "1",
            },
            "",
        ),
        "a file, against flags and variables": (
            ["--config-file=etcd.yaml", "--name=flagged"],
            {"ETCD_NAME": "variable", "ETCD_SNAPSHOT_COUNT": "many"},
            file,
        ),
    }


@pytest.mark.parametrize("case", accepted("", ""))
def test_what_etcd_takes_gives_the_same_member(newest_peer: Peer, tmp_path: Path, case: str) -> None:
    client_port, peer_port = free_ports(2)
    client, peer = f"http://127.0.0.1:{client_port}", f"http://127.0.0.1:{peer_port}"
    arguments, environment, file = accepted(client, peer)[case]
    members = []
    for who, program in (("etcd", (str(newest_peer.etcd),)), ("backstay", OURS)):
        place = tmp_path / who
        place.mkdir()
        if file:
            (place / "etcd.yaml").write_text(file)
        with serving(program, arguments, environment, place / "log", client) as connection:
            members.append(connection.cluster.members().members)
        (data,) = place.glob("*.etcd")
        assert (data / "member/snap/db").exists()
    assert members[0] == members[1]
