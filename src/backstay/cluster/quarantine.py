"""A real etcd on a directory, on loopback ports that no client knows: the proof of a restore before anybody may use it.

Called by drill and recover. The server is a child of this process and ends with the block, whatever happens; the directory is used
as it is, so what the server does to it (resuming a compaction, say) stays. Members of larger clusters cannot be proven so: one
alone has no quorum.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backstay import errors
from backstay.clock import Clock
from backstay.cluster.etcd_program import EtcdProgram, etcd_environment
from backstay.errors import BackstayError
from backstay.etcd.client import Client
from backstay.etcd.connection import ConnectionOptions

READY_SECONDS = 60.0
STOP_SECONDS = 30.0
POLL_SECONDS = 0.05
PORT_ATTEMPTS = 5
_PORT_TAKEN = "address already in use"
_LOG_LINES = 20


@dataclass(frozen=True, slots=True)
class QuarantinedEtcd:
    """A server that answers. `seconds_to_ready` counts from its start to the first linearizable answer."""

    options: ConnectionOptions
    version: str
    seconds_to_ready: float


@contextlib.contextmanager
def quarantined(
    program: EtcdProgram,
    data_dir: Path,
    log_path: Path,
    clock: Clock,
    *,
    name: str = "default",
    ready_seconds: float = READY_SECONDS,
) -> Iterator[QuarantinedEtcd]:
    """Start `program` on `data_dir` and wait until it serves.

    Raises `ETCD_DOES_NOT_START` with the end of its log when it ends, or does not serve in time.
    """
    begun = clock.monotonic()
    for attempt in range(1, PORT_ATTEMPTS + 1):
        client_port, peer_port = _free_ports()
        process = _launch(program, data_dir, log_path, name, client_port, peer_port)
        try:
            options = ConnectionOptions.of([f"http://127.0.0.1:{client_port}"])
            if _wait(process, options, clock, begun + ready_seconds):
                yield QuarantinedEtcd(options, program.version, clock.monotonic() - begun)
                return
        finally:
            _stop(process)
        said = _tail(log_path)
        if _PORT_TAKEN not in said or attempt == PORT_ATTEMPTS:
            raise errors.ETCD_DOES_NOT_START.error(
                f"etcd {program.version} does not serve on `{data_dir}`", where=str(log_path), why=said
            )


def _launch(
    program: EtcdProgram, data_dir: Path, log_path: Path, name: str, client_port: int, peer_port: int
) -> subprocess.Popen[bytes]:
    client_url, peer_url = f"http://127.0.0.1:{client_port}", f"http://127.0.0.1:{peer_port}"
    arguments = [
        str(program.path),
        f"--name={name}",
        f"--data-dir={data_dir}",
        f"--listen-client-urls={client_url}",
        f"--advertise-client-urls={client_url}",
        f"--listen-peer-urls={peer_url}",
        "--logger=zap",
    ]
    with log_path.open("wb") as log:
        return subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=etcd_environment(),
            start_new_session=True,
        )


def _wait(process: subprocess.Popen[bytes], options: ConnectionOptions, clock: Clock, deadline: float) -> bool:
    """Whether the server serves a linearizable read, or refuses one for want of a user, before the deadline."""
    with Client(options, clock=clock) as client:
        while clock.monotonic() < deadline and process.poll() is None:
            try:
                client.kv.range(b"health", keys_only=True, timeout_seconds=2.0)
            except BackstayError as problem:
                if problem.kind in (errors.PERMISSION_DENIED, errors.AUTHENTICATION_FAILED):
                    return True
                clock.sleep(POLL_SECONDS)
                continue
            return True
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return int(first.getsockname()[1]), int(second.getsockname()[1])


def _tail(log_path: Path) -> str:
    try:
        lines = log_path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as problem:
        return f"(no log: {problem})"
    telling = [line for line in lines if '"level":"fatal"' in line or '"level":"panic"' in line or "panic:" in line]
    return "\n".join((telling or lines)[-_LOG_LINES:])[-4000:]
