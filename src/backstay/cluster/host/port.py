"""What a host can tell, and the few things that may be done to it.

Telling never changes anything and never raises for what is merely absent: a missing `/proc` entry, an unreadable process or a
machine without systemd give less, not an error. Doing (`signal`, `UnitControl`, `ContainerControl`) is for recover alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePath
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Process:
    """A running process. `arguments` is the whole command line, `arguments[0]` as it was called."""

    pid: int
    name: str
    arguments: tuple[str, ...]
    uid: int
    started_seconds_ago: float | None = None

    def flag(self, name: str) -> str | None:
        """The value of `--name=value` or `--name value` on the command line, None when it is not there."""
        for position, argument in enumerate(self.arguments):
            bare = argument.lstrip("-")
            if argument.startswith("-") and bare == name and position + 1 < len(self.arguments):
                return self.arguments[position + 1]
            if argument.startswith("-") and bare.startswith(f"{name}="):
                return bare.partition("=")[2]
        return None


@dataclass(frozen=True, slots=True)
class Listener:
    """A TCP socket that listens. `pid` is None where this user may not see whose it is."""

    address: str
    port: int
    pid: int | None = None

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.address.startswith("127.") or self.address == "::1"


@dataclass(frozen=True, slots=True)
class Connection:
    """An established TCP connection to a local port; `pid` is the process at the far end when it is on this machine."""

    local_port: int
    remote_address: str
    remote_port: int
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """The file system that holds a path; sizes are bytes. `inodes_total` is 0 where the file system has no fixed number."""

    mount_point: str
    file_system: str
    total: int
    available: int
    inodes_total: int
    inodes_available: int
    is_read_only: bool

    @property
    def used_share(self) -> float:
        """Between 0 and 1; a file system of size 0 counts as full."""
        return 1 - self.available / self.total if self.total else 1.0


@dataclass(frozen=True, slots=True)
class ClockState:
    """Whether the kernel's clock is disciplined by somebody; None where the system does not say."""

    is_synchronized: bool | None
    max_error_seconds: float | None = None


class UnitState(Enum):
    """What the service manager says of a unit."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    FAILED = "failed"
    CHANGING = "changing"
    ABSENT = "absent"


class UnitControl(Protocol):
    """The service manager."""

    def state(self, unit: str) -> UnitState:
        """The state of `unit`; never raises."""
        ...

    def stop(self, unit: str) -> None:
        """Stop and wait. Raises `HOST_REFUSED`."""
        ...

    def start(self, unit: str) -> None:
        """Start and wait until the manager is content. Raises `HOST_REFUSED`."""
        ...


@dataclass(frozen=True, slots=True)
class Container:
    """A container of the node's runtime; `state` is what the runtime calls it, such as `CONTAINER_RUNNING`."""

    id: str
    name: str
    pod: str
    state: str

    @property
    def is_running(self) -> bool:
        return self.state == "CONTAINER_RUNNING"


class ContainerControl(Protocol):
    """The container runtime, as much of it as a recovery needs."""

    def list(self, name: str) -> tuple[Container, ...]:
        """All containers whose Kubernetes container name is `name`, stopped ones too."""
        ...

    def stop(self, container: Container, timeout_seconds: int) -> None:
        """Stop one. Raises `HOST_REFUSED`."""
        ...


class Host(Protocol):
    """One machine."""

    root: Path

    @property
    def units(self) -> UnitControl | None:
        """The service manager, None where there is none."""
        ...

    @property
    def containers(self) -> ContainerControl | None:
        """The container runtime, None where there is none."""
        ...

    def path(self, absolute: str | PurePath) -> Path:
        """Where an absolute path of the host is for this program: below `root`."""
        ...

    def processes(self) -> tuple[Process, ...]:
        """All processes that this user can see; on a scratch root, those that belong to it."""
        ...

    def listeners(self) -> tuple[Listener, ...]:
        """All listening TCP sockets; on a scratch root, those of its processes."""
        ...

    def connections(self, port: int) -> tuple[Connection, ...]:
        """Who is connected to local `port`."""
        ...

    def disk(self, path: Path) -> DiskSpace | None:
        """The file system of `path` or of its nearest existing parent; None where nothing can be said."""
        ...

    def clock(self) -> ClockState:
        """Whether somebody keeps the clock right."""
        ...

    def signal(self, pid: int, number: int) -> None:
        """Send a signal; a process that is gone already is fine. Raises `HOST_REFUSED` without permission."""
        ...

    def is_running(self, pid: int) -> bool:
        """Whether the process is there and no zombie."""
        ...
