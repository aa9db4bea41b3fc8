"""The one door to the machine: processes, listeners, disks, units, containers, files below a root.

`port` says what a host can tell and do; `local` is this machine. Everything that looks at or touches a host goes through the
port, so that tests run it against a scratch root with real processes.
"""

from backstay.cluster.host.local import LocalHost
from backstay.cluster.host.port import (
    ClockState,
    Connection,
    Container,
    ContainerControl,
    DiskSpace,
    Host,
    Listener,
    Process,
    UnitControl,
    UnitState,
)

__all__ = [
    "ClockState",
    "Connection",
    "Container",
    "ContainerControl",
    "DiskSpace",
    "Host",
    "Listener",
    "LocalHost",
    "Process",
    "UnitControl",
    "UnitState",
]
