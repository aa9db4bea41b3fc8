"""`backstay serve` as a child process: an `EtcdProcess` that is ours, so that every suite can run over both.

    with BackstayServer(peers.newest(), tmp_path / "data") as server:
        server.etcdctl("put", "key", "value")
        server.kill()
        server.start()  # the same ports, the same data

The peer is whose etcdctl is used, and which etcd may be started on the directory afterwards (`as_etcd`).
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.etcd_process import EtcdProcess

ROOT = Path(__file__).resolve().parents[1]
READY = "ready to serve client requests"


class BackstayServer(EtcdProcess):
    """The embedded store with etcd's flags. It is ready when it says so, in etcd's words, in its log."""

    command: tuple[str, ...] = (sys.executable, "-m", "backstay", "serve")

    def as_etcd(self) -> EtcdProcess:
        """A real etcd, not started yet, on the same directory and ports. This process must have ended before."""
        assert not self.running, f"{self} runs, and one process owns a directory"
        return EtcdProcess(
            self.peer,
            self.data_dir,
            name=self.name,
            client_port=self._client_port,
            peer_port=self._peer_port,
            log_path=self.log_path.with_name(f"{self.log_path.stem}-etcd.log"),
            tls=self.tls,
        )

    def _program(self) -> list[str]:
        return list(self.command)

    def _answers(self) -> bool:
        return READY in self.log_tail(200) and self.running

    def __str__(self) -> str:
        return f"backstay `{self.name}`"
