"""What `/proc` says: processes, TCP sockets and whose they are.

    /proc/net/tcp:  sl  local_address rem_address   st ... inode
                     0: 0100007F:094B 00000000:0000 0A ... 31337

Addresses are hex in the byte order of the machine, one 32-bit word at a time; state 0A listens, 01 is established. The owner of a
socket is the process that has `socket:[INODE]` among its descriptors; another user's descriptors are hidden.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from backstay.cluster.host.port import Process

LISTEN = 0x0A
ESTABLISHED = 0x01


class Socket(NamedTuple):
    """One row of a TCP table."""

    local_address: str
    local_port: int
    remote_address: str
    remote_port: int
    state: int
    inode: str


def processes(proc: Path) -> Iterator[Process]:
    """Every process with a command line; kernel threads have none."""
    uptime = _uptime_seconds(proc)
    for entry in sorted(proc.iterdir(), key=lambda each: (len(each.name), each.name)):
        if not entry.name.isdigit():
            continue
        try:
            command_line = (entry / "cmdline").read_bytes()
            uid = entry.stat().st_uid
            name, started = _name_and_start(entry)
        except OSError:
            continue  # it has ended meanwhile
        if command_line:
            arguments = tuple(part.decode(errors="surrogateescape") for part in command_line.rstrip(b"\0").split(b"\0"))
            age = uptime - started if uptime is not None else None
            yield Process(int(entry.name), name, arguments, uid, age)


def sockets(proc: Path) -> Iterator[Socket]:
    """Every TCP socket of this network namespace."""
    for table in ("tcp", "tcp6"):
        try:
            rows = (proc / "net" / table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            columns = row.split()
            local, local_port = columns[1].split(":")
            remote, remote_port = columns[2].split(":")
            yield Socket(
                _address(local),
                int(local_port, 16),
                _address(remote),
                int(remote_port, 16),
                int(columns[3], 16),
                columns[9],
            )


def socket_owners(proc: Path) -> dict[str, int]:
    """inode -> process id, for the sockets that this user may attribute."""
    owners = {}
    for entry in proc.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            descriptors = list((entry / "fd").iterdir())
        except OSError:
            continue  # another user's, or ended meanwhile
        for descriptor in descriptors:
            # One by one: a descriptor closed meanwhile must not hide the others, and reading our own list opens one.
            with contextlib.suppress(OSError):
                link = os.readlink(descriptor)
                if link.startswith("socket:["):
                    owners[link[8:-1]] = int(entry.name)
    return owners


def is_running(proc: Path, pid: int) -> bool:
    """Whether the process is there and not merely waiting to be buried."""
    try:
        return _stat_fields(proc / str(pid))[0] not in ("Z", "X")
    except OSError:
        return False


def start_ticks(proc: Path, pid: int) -> int | None:
    """When the process was started, in clock ticks after boot: with its id, this names one process of a boot."""
    try:
        return int(_stat_fields(proc / str(pid))[19])
    except (OSError, ValueError, IndexError):
        return None


def _address(word: str) -> str:
    raw = bytes.fromhex(word)
    if sys.byteorder == "little":
        raw = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    address = ipaddress.ip_address(raw)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _uptime_seconds(proc: Path) -> float | None:
    try:
        return float((proc / "uptime").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return None


def _name_and_start(entry: Path) -> tuple[str, float]:
    """The short name, and the start in seconds after boot."""
    name = (entry / "comm").read_text(encoding="utf-8", errors="replace").rstrip("\n")
    return name, int(_stat_fields(entry)[19]) / os.sysconf("SC_CLK_TCK")


def _stat_fields(entry: Path) -> list[str]:
    """The fields of `stat` from the state on; the name before it may hold blanks and parentheses."""
    text = (entry / "stat").read_text(encoding="utf-8", errors="replace")
    return text.rpartition(")")[2].split()


ADJTIMEX_BUFFER = struct.Struct("@i4xqqqqi")
"""modes, offset, frequency, maximum error, estimated error (microseconds), status: the head of struct timex on 64 bits."""
