"""The programs of a control plane on one host, and who keeps each of them running.

    static pod    the kubelet runs it as long as its manifest lies in the manifests directory (`static_pods`)
    unit          systemd runs it (`services`)

Called by recover, which stops them in `STOP_ORDER` and starts them the other way round. Nothing is changed here.
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath

from backstay.cluster.host import Host, Process, UnitState
from backstay.etcd.discovery import Installation, InstallationKind

MANIFESTS = "/etc/kubernetes/manifests"
ETCD = "etcd"
API_SERVER = "kube-apiserver"
CONTROLLERS = ("kube-controller-manager", "kube-scheduler")
STOP_ORDER = (API_SERVER, *CONTROLLERS, ETCD)
"""Who writes to etcd goes first, etcd last."""


class Supervisor(Enum):
    """Who starts a component again when it ends."""

    STATIC_POD = "static pod"
    UNIT = "unit"


@dataclass(frozen=True, slots=True)
class Component:
    """One program. `place` is its manifest, where this process sees it, or its unit's name.

    `data_directories` are the ways in which the process may spell its --data-dir: as its container sees it, and as the host
    does. Empty for all but etcd.
    """

    name: str
    supervisor: Supervisor
    place: str
    was_running: bool
    data_directories: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} ({self.supervisor.value} {self.place})"


def components_of(host: Host, etcd: Installation) -> tuple[Component, ...]:
    """The components on this host, in the order of `STOP_ORDER`; what is absent is left out."""
    spelled = tuple(dict.fromkeys(filter(None, (etcd.flags.get("data-dir"), str(etcd.data_dir or "")))))
    found = []
    for name in STOP_ORDER:
        manifest = host.path(f"{MANIFESTS}/{name}.yaml")
        unit = f"{name}.service"
        is_pod = manifest.exists() if name != ETCD else etcd.kind is InstallationKind.STATIC_POD
        if is_pod:
            component = Component(name, Supervisor.STATIC_POD, str(manifest), False, spelled if name == ETCD else ())
        elif host.units is not None and host.units.state(unit) is not UnitState.ABSENT:
            component = Component(name, Supervisor.UNIT, unit, False, spelled if name == ETCD else ())
        else:
            continue
        found.append(_as_it_runs(host, component))
    return tuple(found)


def _as_it_runs(host: Host, component: Component) -> Component:
    running = bool(processes_of(host, component))
    if component.supervisor is Supervisor.UNIT and host.units is not None:
        running = running or host.units.state(component.place) in (UnitState.ACTIVE, UnitState.CHANGING)
    return Component(component.name, component.supervisor, component.place, running, component.data_directories)


def processes_of(host: Host, component: Component) -> tuple[Process, ...]:
    """The processes of `component`; an etcd that names another data directory is another etcd."""
    named = [each for each in host.processes() if each.arguments and _program(each) == component.name]
    if not component.data_directories:
        return tuple(named)
    return tuple(each for each in named if each.flag("data-dir") in (None, *component.data_directories))


def is_locked(database: Path) -> bool:
    """Whether somebody holds etcd's lock on its database."""
    try:
        descriptor = os.open(database, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # a file system without locks
    finally:
        os.close(descriptor)
    return False


def _program(process: Process) -> str:
    return PurePosixPath(process.arguments[0]).name
