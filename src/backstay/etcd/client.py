"""The synchronous client: one object per service behind one connection.

Made by assembly and by users. Thread-safe; a watch or a snapshot stream is used by one thread, and may be cancelled from
another.
"""

from __future__ import annotations

from types import TracebackType
from typing import TypeVar

from google.protobuf.message import Message

from backstay.clock import Clock
from backstay.etcd.auth import Auth
from backstay.etcd.cluster import Cluster
from backstay.etcd.connection import ConnectionOptions, Endpoint
from backstay.etcd.kv import KV
from backstay.etcd.lease import Lease
from backstay.etcd.maintenance import Maintenance
from backstay.etcd.methods import Method
from backstay.etcd.transport.calls import Caller
from backstay.etcd.watch import Watcher, WatchRequest
from backstay.values import Revision

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response")


class Client:
    """A client of one cluster. Nothing is connected before the first call; close it, or use it in a `with` block."""

    def __init__(self, options: ConnectionOptions, *, clock: Clock | None = None) -> None:
        self.options = options
        self._caller = Caller(options, clock=clock)
        self.kv = KV(self._caller)
        self.lease = Lease(self._caller)
        self.maintenance = Maintenance(self._caller)
        self.cluster = Cluster(self._caller)
        self.auth = Auth(self._caller)

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
    ) -> Watcher:
        """Watch a key or a range; see `watch.WatchRequest` for the arguments and `watch.Watcher` for the errors."""
        request = WatchRequest(
            key, range_end, Revision(start_revision), previous, progress_notify, fragment, no_put, no_delete
        )
        return Watcher(self._caller, request)

    def exchange(
        self,
        method: Method[Request, Response],
        request: Request,
        *,
        endpoint: Endpoint | None = None,
        timeout_seconds: float | None = None,
    ) -> Response:
        """One call in etcd's own messages, for those who print or forward them; raises as the services do."""
        return self._caller.unary(method, request, endpoint=endpoint, timeout_seconds=timeout_seconds)

    def log_in(self) -> None:
        """Ask for the token of the options' user now rather than at the first call. Raises `AUTHENTICATION_FAILED`."""
        self._caller.log_in()

    def close(self) -> None:
        """Close all connections; running streams end."""
        self._caller.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
