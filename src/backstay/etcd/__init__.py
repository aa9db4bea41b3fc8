"""A typed client for a living etcd (3.4 to 3.7), and finding the one that runs on this host.

Called by sources, snapshot commands, the archive, doctor and cluster; also public for users' own programs. It knows the
wire and etcd's manners (failover, tokens, compaction, health), not what the bytes mean to Kubernetes and not how to
store them. Names are imported on first use, so that discovery and the values do not pay for gRPC.

    with Client(ConnectionOptions.of(["https://127.0.0.1:2379"], Credentials(cacert=..., cert=..., key=...))) as client:
        print(client.maintenance.status().version)
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backstay.etcd.asynchronous import AsyncClient as AsyncClient
    from backstay.etcd.client import Client as Client
    from backstay.etcd.connection import ConnectionOptions as ConnectionOptions
    from backstay.etcd.connection import Credentials as Credentials
    from backstay.etcd.connection import Endpoint as Endpoint
    from backstay.etcd.health import EndpointHealth as EndpointHealth
    from backstay.etcd.health import SnapshotChoice as SnapshotChoice
    from backstay.etcd.health import check_health as check_health
    from backstay.etcd.health import choose_snapshot_member as choose_snapshot_member
    from backstay.etcd.operations import Compare as Compare
    from backstay.etcd.operations import Operation as Operation
    from backstay.etcd.operations import prefix_end as prefix_end
    from backstay.etcd.results import Alarm as Alarm
    from backstay.etcd.results import AlarmType as AlarmType
    from backstay.etcd.results import HashKV as HashKV
    from backstay.etcd.results import Header as Header
    from backstay.etcd.results import KeyValue as KeyValue
    from backstay.etcd.results import Member as Member
    from backstay.etcd.results import MemberStatus as MemberStatus
    from backstay.etcd.results import RangeResult as RangeResult
    from backstay.etcd.snapshot_stream import SnapshotChunk as SnapshotChunk
    from backstay.etcd.snapshot_stream import SnapshotStream as SnapshotStream
    from backstay.etcd.watch import Event as Event
    from backstay.etcd.watch import EventType as EventType
    from backstay.etcd.watch import WatchBatch as WatchBatch

_HOMES = {
    "AsyncClient": "asynchronous",
    "Client": "client",
    "ConnectionOptions": "connection",
    "Credentials": "connection",
    "Endpoint": "connection",
    "EndpointHealth": "health",
    "SnapshotChoice": "health",
    "check_health": "health",
    "choose_snapshot_member": "health",
    "Compare": "operations",
    "Operation": "operations",
    "prefix_end": "operations",
    "Alarm": "results",
    "AlarmType": "results",
    "HashKV": "results",
    "Header": "results",
    "KeyValue": "results",
    "Member": "results",
    "MemberStatus": "results",
    "RangeResult": "results",
    "SnapshotChunk": "snapshot_stream",
    "SnapshotStream": "snapshot_stream",
    "Event": "watch",
    "EventType": "watch",
    "WatchBatch": "watch",
}
__all__ = sorted(_HOMES)  # pyright: ignore[reportUnsupportedDunderAll]

# gRPC reads these when its library is loaded, so they are set before any module of this package can import it. Its fork
# handlers hang a process that only spawns programs, and its own log lines would land on a user's terminal.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
os.environ.setdefault("GRPC_VERBOSITY", "NONE")


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
