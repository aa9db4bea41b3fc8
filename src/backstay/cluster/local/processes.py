"""Members as processes that outlive the command that started them: started, recognised again, ended.

A process is known by its id, the moment of its start and the boot it belongs to, so an id that the kernel gave to somebody
else is never signalled; between looking and signalling a pidfd holds on to the very process that was looked at.

    {"pid": 4711, "start_ticks": 8123456, "boot": "2f6e..."}          DIR/1.process.json

A command that was interrupted between starting a member and writing this file left a process that no file names: it is
recognised by its program and its --data-dir, which only one etcd at a time can use.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backstay import errors
from backstay.cluster.etcd_program import etcd_environment
from backstay.cluster.host import Host, LocalHost, proc
from backstay.cluster.local.description import LocalCluster, LocalMember
from backstay.durable import Disk, translated, write_durable

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process, never confused with a later one of the same id."""

    pid: int
    start_ticks: int
    boot: str


def identify(pid: int) -> ProcessIdentity | None:
    """The process that has this id now, None where there is none or it only waits to be buried."""
    start = proc.start_ticks(PROC, pid) if proc.is_running(PROC, pid) else None
    return ProcessIdentity(pid, start, _boot()) if start is not None else None


def start_member(cluster: LocalCluster, member: LocalMember, arguments: Sequence[str], disk: Disk) -> ProcessIdentity:
    """Start `member` in a session of its own and note which process it is. Raises `ETCD_DOES_NOT_START`."""
    with translated(cluster.log(member)):
        log = os.open(cluster.log(member), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        process = subprocess.Popen(
            [str(cluster.program.path), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=etcd_environment(),
            start_new_session=True,
        )
    except OSError as problem:
        raise errors.ETCD_DOES_NOT_START.error(
            f"`{cluster.program.path}` cannot be started", where=str(cluster.program.path), why=str(problem)
        ) from problem
    finally:
        os.close(log)
    process.returncode = 0  # it outlives this object, which otherwise complains when it is collected
    identity = identify(process.pid)
    if identity is None:
        bury(process.pid)
        raise errors.ETCD_DOES_NOT_START.error(
            f"member {member.name} has ended at once", where=str(cluster.log(member)), why=log_tail(cluster.log(member))
        )
    _forget(cluster, member)
    said = {"pid": identity.pid, "start_ticks": identity.start_ticks, "boot": identity.boot}
    write_durable(disk, cluster.process_file(member), json.dumps(said).encode() + b"\n")
    return identity


def find_member(cluster: LocalCluster, member: LocalMember, host: Host | None = None) -> ProcessIdentity | None:
    """The running process of `member`, None when it does not run."""
    noted = _noted(cluster.process_file(member))
    if noted is not None and identify(noted.pid) == noted:
        return noted
    for process in (host or LocalHost()).processes():
        is_ours = process.arguments[0] == str(cluster.program.path) and process.flag("name") == member.name
        if is_ours and process.flag("data-dir") == str(member.data_directory):
            return identify(process.pid)
    return None


def send(identity: ProcessIdentity, number: signal.Signals) -> bool:
    """Signal exactly this process; False when it has ended. Raises `HOST_REFUSED` without permission."""
    try:
        descriptor = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return False
    try:
        if identify(identity.pid) != identity:
            return False
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    except PermissionError as problem:
        raise errors.HOST_REFUSED.error(
            f"process {identity.pid} may not be signalled", why=problem.strerror or str(problem)
        ) from problem
    finally:
        os.close(descriptor)
    return True


def has_ended(identity: ProcessIdentity) -> bool:
    """Whether the process is gone."""
    bury(identity.pid)
    return identify(identity.pid) != identity


def bury(pid: int) -> None:
    """Take the exit status of a process that happens to be a child of this one; everybody else's are left alone."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def log_tail(path: Path, *, from_offset: int = 0, lines: int = 20) -> str:
    """The end of a log, or its fatal lines where it has some."""
    try:
        with path.open("rb") as file:
            file.seek(max(from_offset, path.stat().st_size - 65_536))
            said = file.read().decode(errors="replace").splitlines()
    except OSError as problem:
        return f"(no log: {problem})"
    telling = [line for line in said if '"level":"fatal"' in line or '"level":"panic"' in line or "panic:" in line]
    return "\n".join((telling or said)[-lines:])[-4000:]


def _noted(path: Path) -> ProcessIdentity | None:
    try:
        said = json.loads(path.read_bytes()[:4096])
        return ProcessIdentity(int(said["pid"]), int(said["start_ticks"]), str(said["boot"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # never started, or the note was being written when the power went


def _forget(cluster: LocalCluster, member: LocalMember) -> None:
    with translated(cluster.process_file(member)), contextlib.suppress(FileNotFoundError):
        cluster.process_file(member).unlink()


def _boot() -> str:
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
