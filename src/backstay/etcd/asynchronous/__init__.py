"""The asynchronous client: the same calls, values and errors as the synchronous one, for an event loop.

Used by the archive, the console and users' own programs. Requests, results and the bookkeeping of watches are the
synchronous client's; only waiting differs. One client belongs to one event loop.

    async with AsyncClient(options) as client:
        async with client.watch(b"/registry/", range_end=prefix_end(b"/registry/")) as watcher:
            async for batch in watcher: ...
"""

from __future__ import annotations

from backstay.etcd.asynchronous.client import AsyncClient
from backstay.etcd.asynchronous.kv import AsyncKV
from backstay.etcd.asynchronous.lease import AsyncLease
from backstay.etcd.asynchronous.maintenance import AsyncMaintenance, AsyncSnapshotStream
from backstay.etcd.asynchronous.watch import AsyncWatcher

__all__ = ["AsyncClient", "AsyncKV", "AsyncLease", "AsyncMaintenance", "AsyncSnapshotStream", "AsyncWatcher"]
