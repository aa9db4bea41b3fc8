"""How a Friday evening begins: a small disk under etcd, filled until etcd dies, then a damaged database.

    with small_disk(root / "var/lib") as is_mounted, ControlPlane(root, peer) as plane:
        fill_disk(plane)            etcd has died of it
        damage_pages(plane)         and its database is broken

A tmpfs is mounted where this user may do that; elsewhere the caller gives etcd a quota, and `fill_disk` reaches that instead.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backstay.errors import BackstayError
from tests.kubelet import ControlPlane

DISK_MEBIBYTES = 512
"""Room for two data directories with their two log segments each: the old one is kept beside the new one."""
LEFT_FOR_ETCD = 6 << 20
QUOTA_BYTES = 8 << 20
BALLAST = "crash-dump.core"
VALUE = b"x" * 100_000
COMMAND_SECONDS = 120


@contextmanager
def small_disk(place: Path) -> Iterator[bool]:
    """A file system of its own at `place` as long as the context lasts; gives False where mounting is not allowed."""
    place.mkdir(parents=True)
    size = f"size={DISK_MEBIBYTES}m,mode=755"
    try:
        is_mounted = (
            subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", place], capture_output=True).returncode == 0
        )
    except OSError:
        is_mounted = False
    try:
        yield is_mounted
    finally:
        if is_mounted:
            # Lazily: a process that is just dying must not keep the mount alive.
            subprocess.run(["umount", "-l", place], check=True)


def fill_disk(plane: ControlPlane) -> None:
    """Somebody else's file takes the room, etcd writes until it cannot; the kubelet is paused and nothing runs afterwards."""
    disk = plane.data.parent
    if os.path.ismount(disk):
        # etcd reserves its next log segment in the background; what it has not reserved yet would be taken from it here.
        plane.wait_for(lambda: any((plane.data / "member/wal").glob("*.tmp")), "etcd reserves no log segment")
        plane.wait_for(lambda: _free(disk) < _total(disk) - (120 << 20), "the segment is not complete")
        with (disk / BALLAST).open("wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, _free(disk) - LEFT_FOR_ETCD)
    refused = None
    with plane.client() as client:
        for number in range(1000):
            try:
                client.kv.put(f"/registry/events/default/{number:05}".encode(), VALUE)
            except BackstayError as problem:
                refused = problem
                break
    assert refused is not None, "the disk never filled up"
    if os.path.ismount(disk):
        plane.wait_for(lambda: "no space left on device" in plane.log("etcd"), "etcd did not notice")
    plane.kubelet.pause()
    plane.kubelet.kill_all()


def damage_pages(plane: ControlPlane) -> None:
    """Overwrite pages that exist already, for on a full disk there is room for no other."""
    with (plane.data / "member/snap/db").open("r+b") as database:
        for page in range(2, 12):
            database.seek(page * 4096)
            database.write(b"\xde\xad" * 100)


def free_space(plane: ControlPlane) -> None:
    """Remove what filled the disk."""
    (plane.data.parent / BALLAST).unlink(missing_ok=True)


def backstay(plane: ControlPlane, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as its administrator types it on the host below the root."""
    environment = {
        **os.environ,
        "BACKSTAY_HOST_ROOT": str(plane.root),
        "PATH": f"{plane.peer.etcd.parent}{os.pathsep}{os.environ['PATH']}",
    }
    command = [sys.executable, "-m", "backstay", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=COMMAND_SECONDS)


def _free(path: Path) -> int:
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


def _total(path: Path) -> int:
    status = os.statvfs(path)
    return status.f_blocks * status.f_frsize
