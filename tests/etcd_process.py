"""A real etcd on this machine's loopback, for tests: started, asked until it answers, stopped or killed.

    with EtcdProcess(peer, tmp_path / "data") as etcd:
        etcd.etcdctl("put", "key", "value")
        etcd.kill()
        etcd.start()  # the same ports, the same data

Nothing here sleeps for a fixed time, and no process is ended but those that were started here.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.peers import Peer

START_SECONDS = 60.0
STOP_SECONDS = 30.0
COMMAND_SECONDS = 60.0
POLL_SECONDS = 0.02
PORT_ATTEMPTS = 5
PORT_TAKEN = "address already in use"


class EtcdFailed(AssertionError):
    """The process ended, or does not answer; the message ends with the last lines of its log."""


@dataclass(frozen=True, slots=True)
class Tls:
    """Files for a server that speaks TLS on its client port. A client certificate makes it demand one (mTLS)."""

    authority: Path
    certificate: Path
    key: Path
    client_certificate: Path | None = None
    client_key: Path | None = None


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on at this moment; another process may take one before its use."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


class EtcdProcess:
    """One member, single by default. `initial_cluster` and fixed ports make it one of several (see `EtcdCluster`)."""

    def __init__(
        self,
        peer: Peer,
        data_dir: Path,
        *,
        name: str = "default",
        client_port: int | None = None,
        peer_port: int | None = None,
        initial_cluster: str | None = None,
        initial_cluster_state: str = "new",
        extra_args: Sequence[str] = (),
        tls: Tls | None = None,
        log_path: Path | None = None,
        ready_path: str = "/health",
        has_http_port: bool = False,
    ) -> None:
        self.peer = peer
        self.data_dir = data_dir
        self.name = name
        self.log_path = log_path or data_dir.with_name(f"{data_dir.name}.log")
        self.tls = tls
        # A server with an alarm is not healthy; `ready_path="/version"` waits for one of those.
        self.ready_path = ready_path
        # With one, HTTP and JSON are spoken there (`http_port`) and only gRPC on the client port.
        self.has_http_port = has_http_port
        self._http_port: int | None = None
        self._client_port = client_port
        self._peer_port = peer_port
        self._has_given_ports = client_port is not None or peer_port is not None
        self._has_answered = False
        self._initial_cluster = initial_cluster
        self._initial_cluster_state = initial_cluster_state
        self._extra_args = tuple(extra_args)
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    # --- where it is ---

    @property
    def endpoint(self) -> str:
        """The client URL."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self._known(self._client_port)}"

    @property
    def address(self) -> str:
        """The client port as HOST:PORT."""
        return f"127.0.0.1:{self._known(self._client_port)}"

    @property
    def http_port(self) -> int:
        """Where HTTP and JSON are spoken."""
        return self._known(self._http_port if self.has_http_port else self._client_port)

    @property
    def peer_url(self) -> str:
        """The URL for other members."""
        return f"http://127.0.0.1:{self._known(self._peer_port)}"

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self.running and self._process else None

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    # --- its life ---

    def start(self, *, seconds: float = START_SECONDS) -> Self:
        """Start the process and wait until it answers."""
        self.launch()
        return self.wait_ready(seconds=seconds)

    def launch(self) -> Self:
        """Start the process without waiting; the ports of the first start stay."""
        if self.running:
            raise EtcdFailed(f"{self} runs already")
        if self._client_port is None or self._peer_port is None:
            client, peer = free_ports(2)
            self._client_port, self._peer_port = self._client_port or client, self._peer_port or peer
        if self.has_http_port and self._http_port is None:
            (self._http_port,) = free_ports(1)
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ETCD")}
        environment["ETCD_UNSUPPORTED_ARCH"] = os.uname().machine
        with self.log_path.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                [*self._program(), *self._arguments()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        return self

    def wait_ready(self, *, seconds: float = START_SECONDS) -> Self:
        """Ask until it answers. A port that was taken meanwhile is tried again: anew at first, the same one later."""
        deadline = time.monotonic() + seconds
        is_new = not (self.data_dir / "member").exists() or not (self._has_answered or self._has_given_ports)
        fresh = is_new and self._initial_cluster is None
        attempts = 0
        while time.monotonic() < deadline:
            if not self.running:
                attempts += 1
                if PORT_TAKEN not in self.log_tail(200).lower() or attempts >= PORT_ATTEMPTS:
                    raise EtcdFailed(f"{self} ended with status {self._status()}\n{self.log_tail()}")
                if fresh:
                    self._client_port = self._peer_port = self._http_port = None
                self.launch()
            if self._answers():
                self._has_answered = True
                return self
            time.sleep(POLL_SECONDS)
        raise EtcdFailed(f"{self} did not answer within {seconds:.0f} s\n{self.log_tail()}")

    def wait_ended(self, *, seconds: float = STOP_SECONDS) -> int:
        """Wait until the process has ended by itself; its status."""
        if self._process is None:
            raise EtcdFailed(f"{self} was never started")
        try:
            return self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise EtcdFailed(f"{self} did not end within {seconds:.0f} s\n{self.log_tail()}") from error

    def stop(self) -> None:
        """SIGTERM and wait; nothing happens when it does not run."""
        if self.running and self._process:
            self._process.terminate()
            try:
                self._process.wait(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """SIGKILL and wait: what a power cut leaves, but for the kernel's own buffers."""
        if self.running and self._process:
            self._process.kill()
            self._process.wait(timeout=STOP_SECONDS)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.kill()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    # --- talking to it ---

    def etcdctl(
        self, *arguments: str, input: str | bytes | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run this release's etcdctl against this member; with `check`, a failure fails the test."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ETCD")}
        if self.peer.release < (3, 6):  # 3.6 warns of the variable
            environment["ETCDCTL_API"] = "3"
        flags = [f"--endpoints={self.endpoint}"]
        if self.tls:
            flags.append(f"--cacert={self.tls.authority}")
            if self.tls.client_certificate and self.tls.client_key:
                flags += [f"--cert={self.tls.client_certificate}", f"--key={self.tls.client_key}"]
        done = subprocess.run(
            [str(self.peer.etcdctl), *flags, *arguments],
            input=(input.encode() if isinstance(input, str) else input) or b"",
            capture_output=True,
            env=environment,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        result = subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        )
        if check and result.returncode != 0:
            raise EtcdFailed(f"etcdctl {' '.join(arguments)}: status {result.returncode}\n{result.stderr}")
        return result

    def log_tail(self, lines: int = 30) -> str:
        """The last lines that the latest start has logged."""
        try:
            with self.log_path.open("rb") as log:
                log.seek(self._log_start)
                return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])
        except OSError as error:
            return f"(no log: {error})"

    # --- inside ---

    def _program(self) -> list[str]:
        return [str(self.peer.etcd)]

    def _arguments(self) -> list[str]:
        arguments = [
            f"--name={self.name}",
            f"--data-dir={self.data_dir}",
            f"--listen-client-urls={self.endpoint}",
            f"--advertise-client-urls={self.endpoint}",
            f"--listen-peer-urls={self.peer_url}",
            f"--initial-advertise-peer-urls={self.peer_url}",
            f"--initial-cluster={self._initial_cluster or f'{self.name}={self.peer_url}'}",
            f"--initial-cluster-state={self._initial_cluster_state}",
            "--logger=zap",
        ]
        if self.tls:
            arguments += [f"--cert-file={self.tls.certificate}", f"--key-file={self.tls.key}"]
            if self.tls.client_certificate:
                arguments += ["--client-cert-auth", f"--trusted-ca-file={self.tls.authority}"]
        if self.has_http_port:
            arguments.append(f"--listen-client-http-urls={self.endpoint.rpartition(':')[0]}:{self.http_port}")
        return [*arguments, *self._extra_args]

    def _answers(self) -> bool:
        connection = self._connection()
        try:
            connection.request("GET", self.ready_path)
            return connection.getresponse().status == http.client.OK and self._listens()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _listens(self) -> bool:
        """Whether it is this process that listens on the client port, and not one that took the port before it."""
        if self._process is None or not sys.platform.startswith("linux"):
            return self.running
        place = Path("/proc") / str(self._process.pid)
        try:
            own = {os.readlink(entry) for entry in (place / "fd").iterdir()}
            tables = [(place / "net" / table).read_text(encoding="ascii") for table in ("tcp", "tcp6")]
        except OSError:
            return False  # it has ended, or a descriptor was closed meanwhile: the next poll tells
        rows = [row.split() for table in tables for row in table.splitlines()]
        wanted = f":{self._known(self._client_port):04X}"
        return any(row[1].endswith(wanted) and row[3] == "0A" and f"socket:[{row[9]}]" in own for row in rows)

    def _connection(self) -> http.client.HTTPConnection:
        port = self.http_port
        if self.tls is None:
            return http.client.HTTPConnection("127.0.0.1", port, timeout=5.0)
        context = ssl.create_default_context(cafile=str(self.tls.authority))
        context.check_hostname = False
        if self.tls.client_certificate and self.tls.client_key:
            context.load_cert_chain(self.tls.client_certificate, self.tls.client_key)
        return http.client.HTTPSConnection("127.0.0.1", port, timeout=5.0, context=context)

    def _status(self) -> int | None:
        return self._process.poll() if self._process else None

    def _known(self, port: int | None) -> int:
        if port is None:
            raise EtcdFailed(f"{self} has no ports before its first start")
        return port

    def __str__(self) -> str:
        return f"{self.peer} `{self.name}`"


class EtcdCluster:
    """Several members that know each other; each member's directory is `base / name`, which may be there already."""

    def __init__(
        self, peer: Peer, base: Path, *, names: Sequence[str] = ("one", "two", "three"), extra_args: Sequence[str] = ()
    ) -> None:
        self.peer = peer
        self.base = base
        self.names = tuple(names)
        self.extra_args = tuple(extra_args)
        self.peer_ports = dict(zip(self.names, free_ports(len(self.names)), strict=True))
        self.members: dict[str, EtcdProcess] = {}

    @property
    def initial_cluster(self) -> str:
        """NAME=URL,..., as etcd and `snapshot restore` want it; known before the start, for a restore."""
        return ",".join(f"{name}=http://127.0.0.1:{port}" for name, port in self.peer_ports.items())

    @property
    def endpoints(self) -> str:
        """All client URLs, separated by commas."""
        return ",".join(member.endpoint for member in self.members.values())

    def start(self, *, seconds: float = START_SECONDS) -> Self:
        """Start all members, then wait for each."""
        if not self.members:
            self.members = {name: self._member(name) for name in self.names}
        for member in self.members.values():
            if not member.running:
                member.launch()
        for member in self.members.values():
            member.wait_ready(seconds=seconds)
        return self

    def stop(self) -> None:
        """Stop every member that runs. All get the signal before any is waited for: none shall miss its quorum."""
        for member in self.members.values():
            if member.running and member._process:
                member._process.terminate()
        for member in self.members.values():
            member.stop()

    def kill(self) -> None:
        """Kill every member that runs."""
        for member in self.members.values():
            member.kill()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.kill()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _member(self, name: str) -> EtcdProcess:
        return EtcdProcess(
            self.peer,
            self.base / name,
            name=name,
            peer_port=self.peer_ports[name],
            initial_cluster=self.initial_cluster,
            extra_args=self.extra_args,
        )
