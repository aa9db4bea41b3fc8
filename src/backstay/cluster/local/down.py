"""Ending a cluster on this machine: its processes by the id and start that were noted, and with `purge` its files.

Only what the cluster has made is removed: its data directories, certificates, logs and notes. A directory that was grown into
a cluster stays, and so does everything unknown.
"""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

from backstay import errors
from backstay.clock import Clock
from backstay.cluster.local.description import FILE_NAME, LocalCluster, Origin
from backstay.cluster.local.processes import ProcessIdentity, find_member, has_ended, send
from backstay.cluster.local.up import exclusive
from backstay.durable import translated
from backstay.telemetry import Progress

STOP_SECONDS = 30.0
KILL_SECONDS = 10.0
POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class StoppedMember:
    """A process that is to be ended, or was. `was_killed` says that it did not end when it was asked to."""

    name: str
    pid: int
    was_killed: bool = False


@dataclass(frozen=True, slots=True)
class DownPlan:
    """What will end and what will be removed; `kept` is what stays although everything else goes."""

    cluster: LocalCluster
    processes: tuple[tuple[str, ProcessIdentity], ...]
    removes: tuple[Path, ...]
    kept: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class DownReport:
    """What has ended and what was removed."""

    name: str
    directory: str
    stopped: tuple[StoppedMember, ...]
    removed: tuple[str, ...]
    kept: tuple[str, ...]


def plan_down(cluster: LocalCluster, *, purge: bool) -> DownPlan:
    """What would happen."""
    running = [(member.name, find_member(cluster, member)) for member in cluster.members]
    processes = tuple((name, identity) for name, identity in running if identity is not None)
    if not purge:
        return DownPlan(cluster, processes, (), ())
    made = [cluster.data, cluster.pki]
    for member in cluster.members:
        made += [cluster.log(member), cluster.process_file(member)]
    made.append(cluster.directory / FILE_NAME)  # last: an interrupted purge can be done again
    known = {path.name for path in made}
    with translated(cluster.directory):
        kept = [path for path in sorted(cluster.directory.iterdir()) if path.name not in known]
    if cluster.origin is Origin.DIRECTORY and cluster.source is not None:
        kept.append(cluster.source)
    removes = tuple(path for path in made if os.path.lexists(path))
    return DownPlan(cluster, processes, removes, tuple(kept))


def take_down(plan: DownPlan, clock: Clock, progress: Progress) -> DownReport:
    """Carry out `plan`. Raises `CLUSTER_BUSY`, `HOST_REFUSED`, and `CLUSTER_NOT_READY` for a process that does not end."""
    cluster = plan.cluster
    with exclusive(cluster):
        # One after the other: a leader hands over to a member that lives. All at once, it would wait seconds for a dying one.
        stopped = [_stop(name, identity, clock, progress) for name, identity in plan.processes]
        for path in plan.removes:
            with translated(path):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
        removed = [str(path) for path in plan.removes]
        with translated(cluster.directory):
            if plan.removes and not any(cluster.directory.iterdir()):
                cluster.directory.rmdir()
                removed.append(str(cluster.directory))
    return DownReport(
        cluster.name, str(cluster.directory), tuple(stopped), tuple(removed), tuple(str(path) for path in plan.kept)
    )


def _stop(name: str, identity: ProcessIdentity, clock: Clock, progress: Progress) -> StoppedMember:
    progress.begin(f"ending {name}", None)
    send(identity, signal.SIGTERM)
    ended = _wait(identity, clock, clock.monotonic() + STOP_SECONDS)
    if not ended:
        send(identity, signal.SIGKILL)
        if not _wait(identity, clock, clock.monotonic() + KILL_SECONDS):
            raise errors.CLUSTER_NOT_READY.error(f"{name} (process {identity.pid}) does not end")
    return StoppedMember(name, identity.pid, was_killed=not ended)


def _wait(identity: ProcessIdentity, clock: Clock, deadline: float) -> bool:
    while not has_ended(identity):
        if clock.monotonic() > deadline:
            return False
        clock.sleep(POLL_SECONDS)
    return True
