"""A disk that fails under a server: it acknowledges nothing more, ends, and has everything that it acknowledged."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from backstay.errors.kinds import ExitStatus
from tests.etcd_server import BackstayServer
from tests.peers import NOT_FOUND, Peer
from tests.writing_at_once import Contents, everything, hash_kv, write_until_broken

UNANSWERED = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
SECONDS = 30.0
SMALL_DISK = "90m"
"""Room for one segment of the log, and not for two."""
BIGGER_DISK = "600m"


def faulty(peer: Peer, data: Path, *fault: str) -> BackstayServer:
    server = BackstayServer(peer, data)
    server.command = (sys.executable, "-m", "tests.fault.serve_on_faulty_disk", *fault, "serve")
    return server


def holds_after_restart(broken: BackstayServer, acknowledged: Contents) -> None:
    """The store starts again with everything, and so does a real etcd on its directory, with the same hash."""
    with BackstayServer(broken.peer, broken.data_dir) as server:
        contents = everything(server)
        assert acknowledged.items() <= contents.items()
        server.etcdctl("put", "after", "the fault")
        expected = hash_kv(server)
    with server.as_etcd() as etcd:
        assert hash_kv(etcd) == expected
        assert everything(etcd) == contents | {b"after": b"the fault"}


@pytest.mark.parametrize(("step", "error"), [("sync_data", "EIO"), ("write_at", "ENOSPC"), ("write_at", "EIO")])
def test_after_a_failed_write_nothing_is_acknowledged_and_nothing_lost(
    newest_peer: Peer, tmp_path: Path, step: str, error: str
) -> None:
    with faulty(newest_peer, tmp_path / "data", step, "40", error) as server:
        acknowledged, codes = write_until_broken(server)
        assert codes <= UNANSWERED
        assert server.wait_ended() == ExitStatus.STORAGE
        assert "journal-stopped" in server.log_tail()
    assert acknowledged
    holds_after_restart(server, acknowledged)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that is soon full. Only root may make one."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "tmpfs", place], capture_output=True)
    if made.returncode:
        pytest.skip(f"{NOT_FOUND}a small disk: {made.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_full_disk_ends_the_store_and_nothing_is_lost(newest_peer: Peer, small_disk: Path) -> None:
    """First a checkpoint has no room, which stops nobody; then the log needs its next segment."""
    settings: dict[str, Any] = {"extra_args": ("--snapshot-count=20",), "log_path": small_disk.with_name("server.log")}
    with BackstayServer(newest_peer, small_disk / "data", **settings) as server:
        acknowledged, codes = write_until_broken(server, value_size=100_000, limit=400)
        assert codes == set()
        wait_for(lambda: "no checkpoint was made" in server.log_tail())
        more, codes = write_until_broken(server, value_size=100_000, prefix=b"more")
        assert codes <= UNANSWERED
        assert server.wait_ended() == ExitStatus.STORAGE
    assert more
    subprocess.run(["mount", "-o", f"remount,size={BIGGER_DISK}", small_disk], check=True)
    holds_after_restart(server, acknowledged | more)


def wait_for(happens: Callable[[], bool]) -> None:
    """Look again and again, with a limit."""
    deadline = time.monotonic() + SECONDS
    while not happens():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
