"""This machine as a `Host`, or a scratch root on it for tests and rehearsals."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from pathlib import Path, PurePath

from backstay import errors
from backstay.cluster.host import proc
from backstay.cluster.host.containers import Crictl
from backstay.cluster.host.port import (
    ClockState,
    Connection,
    ContainerControl,
    DiskSpace,
    Listener,
    Process,
    UnitControl,
)
from backstay.cluster.host.systemd import Systemd

_UNSYNCHRONIZED = 0x40


class LocalHost:
    """The machine below `root`. On a scratch root only processes whose command line names the root belong to it, and there is
    neither a service manager nor a container runtime unless they are given.
    """

    def __init__(
        self,
        root: Path = Path("/"),
        *,
        units: UnitControl | None = None,
        containers: ContainerControl | None = None,
        proc_directory: Path = Path("/proc"),
    ) -> None:
        self.root = root
        self._proc = proc_directory
        self._is_whole = root == Path("/")
        self._units = units or (_systemd() if self._is_whole else None)
        self._containers = containers or (_crictl() if self._is_whole else None)

    @property
    def units(self) -> UnitControl | None:
        return self._units

    @property
    def containers(self) -> ContainerControl | None:
        return self._containers

    def path(self, absolute: str | PurePath) -> Path:
        text = os.path.normpath(f"/{absolute}")
        return self.root / text.lstrip("/")

    def processes(self) -> tuple[Process, ...]:
        if not self._proc.is_dir():
            return ()
        found = proc.processes(self._proc)
        if self._is_whole:
            return tuple(found)
        mark = f"{self.root}/"
        return tuple(each for each in found if any(mark in argument for argument in each.arguments))

    def listeners(self) -> tuple[Listener, ...]:
        owners = self._owners()
        own = {each.pid for each in self.processes()}
        return tuple(
            Listener(each.local_address, each.local_port, owners.get(each.inode))
            for each in self._sockets()
            if each.state == proc.LISTEN and (self._is_whole or owners.get(each.inode) in own)
        )

    def connections(self, port: int) -> tuple[Connection, ...]:
        established = [each for each in self._sockets() if each.state == proc.ESTABLISHED]
        owners = self._owners()
        far_ends = {
            (each.local_address, each.local_port, each.remote_address, each.remote_port): owners.get(each.inode)
            for each in established
        }
        return tuple(
            Connection(
                port,
                each.remote_address,
                each.remote_port,
                far_ends.get((each.remote_address, each.remote_port, each.local_address, each.local_port)),
            )
            for each in established
            if each.local_port == port
        )

    def disk(self, path: Path) -> DiskSpace | None:
        existing = path
        while not existing.exists() and existing != existing.parent:
            existing = existing.parent
        try:
            found = os.statvfs(existing)
        except OSError:
            return None
        mount_point, file_system = self._mount_of(existing)
        return DiskSpace(
            mount_point=mount_point,
            file_system=file_system,
            total=found.f_blocks * found.f_frsize,
            available=found.f_bavail * found.f_frsize,
            inodes_total=found.f_files,
            inodes_available=found.f_favail,
            is_read_only=bool(found.f_flag & os.ST_RDONLY),
        )

    def clock(self) -> ClockState:
        if not sys.platform.startswith("linux"):
            return ClockState(None)
        try:
            adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
        except (OSError, AttributeError):
            return ClockState(None)
        buffer = ctypes.create_string_buffer(512)  # modes = 0: only read
        if adjtimex(buffer) < 0:
            return ClockState(None)
        _, _, _, max_error, _, status = proc.ADJTIMEX_BUFFER.unpack_from(buffer.raw)
        return ClockState(not status & _UNSYNCHRONIZED, max_error / 1e6)

    def signal(self, pid: int, number: int) -> None:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        except PermissionError as problem:
            raise errors.HOST_REFUSED.error(
                f"process {pid} may not be signalled", why=str(problem.strerror), next_step="run the command with sudo"
            ) from problem

    def is_running(self, pid: int) -> bool:
        return proc.is_running(self._proc, pid)

    def _sockets(self) -> list[proc.Socket]:
        return list(proc.sockets(self._proc)) if self._proc.is_dir() else []

    def _owners(self) -> dict[str, int]:
        return proc.socket_owners(self._proc) if self._proc.is_dir() else {}

    def _mount_of(self, path: Path) -> tuple[str, str]:
        """Mount point and type of the file system of `path`; the longest mount point that is a parent wins."""
        resolved = str(path.resolve())
        best = ("/", "")
        try:
            rows = (self._proc / "mounts").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return best
        for row in rows:
            columns = row.split(" ")
            point = columns[1].replace("\\040", " ")
            inside = resolved == point or resolved.startswith(point.rstrip("/") + "/")
            if inside and len(point) >= len(best[0]):
                best = (point, columns[2])
        return best


def _systemd() -> UnitControl | None:
    found = shutil.which("systemctl")
    return Systemd(Path(found)) if found and Path("/run/systemd/system").is_dir() else None


def _crictl() -> ContainerControl | None:
    found = shutil.which("crictl")
    return Crictl(Path(found)) if found else None
