"""The asynchronous client itself: one object per service behind one connection."""

from __future__ import annotations

from types import TracebackType

from backstay.clock import Clock
from backstay.etcd.asynchronous.calls import AsyncCaller
from backstay.etcd.asynchronous.kv import AsyncKV
from backstay.etcd.asynchronous.lease import AsyncLease
from backstay.etcd.asynchronous.maintenance import AsyncMaintenance
from backstay.etcd.asynchronous.watch import AsyncWatcher
from backstay.etcd.connection import ConnectionOptions
from backstay.etcd.watch import WatchRequest
from backstay.values import Revision


class AsyncClient:
    """A client of one cluster. Nothing is connected before the first call; close it, or use it in an `async with`."""

    def __init__(self, options: ConnectionOptions, *, clock: Clock | None = None) -> None:
        self.options = options
        self._caller = AsyncCaller(options, clock=clock)
        self.kv = AsyncKV(self._caller)
        self.lease = AsyncLease(self._caller)
        self.maintenance = AsyncMaintenance(self._caller)

    def watch(
        self,
        key: bytes,
        *,
        range_end: bytes = b"",
        start_revision: Revision | int = 0,
        previous: bool = False,
        progress_notify: bool = False,
        fragment: bool = False,
        no_put: bool = False,
        no_delete: bool = False,
    ) -> AsyncWatcher:
        """Watch a key or a range; see `watch.WatchRequest` for the arguments and `AsyncWatcher` for the errors."""
        request = WatchRequest(
            key, range_end, Revision(start_revision), previous, progress_notify, fragment, no_put, no_delete
        )
        return AsyncWatcher(self._caller, request)

    async def close(self) -> None:
        """Close all connections; running streams end."""
        await self._caller.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
