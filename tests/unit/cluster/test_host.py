"""The host port tells what the machine is, and a scratch root only what belongs to it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from backstay.cluster.host import LocalHost, Process
from backstay.cluster.host.proc import processes, sockets

LISTENS_UNTIL_TOLD = (
    "import socket,sys; s=socket.create_server(('127.0.0.1',0)); print(s.getsockname()[1],flush=True); input()"
)


@contextmanager
def listening_process(root: Path) -> Iterator[tuple[int, int]]:
    """A process that names `root` on its command line and listens; yields its id and port."""
    command = [sys.executable, "-c", LISTENS_UNTIL_TOLD, f"--data-dir={root}/var/lib/etcd"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            yield child.pid, int(child.stdout.readline())
        finally:
            child.kill()


def test_a_flag_is_found_in_both_spellings() -> None:
    process = Process(1, "etcd", ("etcd", "--name=one", "--data-dir", "/var/lib/etcd", "-debug"), 0)
    assert process.flag("name") == "one"
    assert process.flag("data-dir") == "/var/lib/etcd"
    assert process.flag("debug") is None


def test_a_scratch_root_owns_only_the_processes_that_name_it(tmp_path: Path) -> None:
    host = LocalHost(tmp_path)
    with listening_process(tmp_path) as (pid, port):
        assert [each.pid for each in host.processes()] == [pid]
        assert host.processes()[0].flag("data-dir") == f"{tmp_path}/var/lib/etcd"
        (listener,) = host.listeners()
        assert (listener.port, listener.pid, listener.is_loopback) == (port, pid, True)
        assert host.is_running(pid)
        host.signal(pid, signal.SIGKILL)
    assert not host.is_running(pid)
    assert host.processes() == ()


def test_a_client_of_a_port_is_named(tmp_path: Path) -> None:
    with (
        listening_process(tmp_path) as (_, port),
        socket.create_connection(("127.0.0.1", port)) as client,
    ):
        (connection,) = LocalHost().connections(port)
        assert connection.remote_port == client.getsockname()[1]
        assert connection.pid == os.getpid()


def test_the_disk_of_a_path_that_does_not_exist_is_that_of_its_parent(tmp_path: Path) -> None:
    host = LocalHost(tmp_path)
    disk = host.disk(host.path("/var/lib/etcd"))
    assert disk is not None
    assert disk.total >= disk.available > 0
    assert 0 <= disk.used_share <= 1


@pytest.mark.parametrize("escape", ["/../../etc/passwd", "../etc/passwd", "/var/../../etc/passwd"])
def test_no_path_leaves_the_root(tmp_path: Path, escape: str) -> None:
    assert LocalHost(tmp_path).path(escape).is_relative_to(tmp_path)


def test_a_name_with_blanks_and_parentheses_is_read(tmp_path: Path) -> None:
    entry = tmp_path / "42"
    entry.mkdir()
    (tmp_path / "uptime").write_text("100.00 50.00\n")
    (entry / "comm").write_text("a (b) c\n")
    (entry / "cmdline").write_bytes(b"a\0--flag=1\0")
    (entry / "stat").write_text("42 (a (b) c) S 1 " + " ".join(["0"] * 17) + " 5000 0 0\n")
    (found,) = processes(tmp_path)
    assert (found.name, found.arguments) == ("a (b) c", ("a", "--flag=1"))
    assert found.started_seconds_ago == pytest.approx(100 - 5000 / os.sysconf("SC_CLK_TCK"))


def test_addresses_of_both_families_are_read(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    (tmp_path / "net" / "tcp").write_text(head + "   0: 0100007F:094B 00000000:0000 0A 0:0 00:0 0 0 0 31337 1\n")
    mapped = "0000000000000000FFFF00000100007F"
    (tmp_path / "net" / "tcp6").write_text(head + f"   0: {mapped}:094B {'0' * 32}:0000 0A 0:0 00:0 0 0 0 31338 1\n")
    first, second = sockets(tmp_path)
    assert (first.local_address, first.local_port, first.inode) == ("127.0.0.1", 2379, "31337")
    assert second.local_address == "127.0.0.1"
