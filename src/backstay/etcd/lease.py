"""Leases: grant, revoke, look, renew once.

Reached as `client.lease`. Renewing all the time is the asynchronous client's work.
"""

from __future__ import annotations

from collections.abc import Iterator

import grpc

from backstay import errors
from backstay.etcd import methods, results
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.etcd.transport.calls import Caller
from backstay.values import LeaseId


class Lease:
    """etcd's Lease service. Times are whole seconds."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def grant(self, ttl_seconds: int, *, lease_id: LeaseId | int = 0) -> results.LeaseGrant:
        """A new lease; id 0 lets etcd choose. Raises `REQUEST_REFUSED` when the id exists."""
        response = self._caller.unary(methods.LEASE_GRANT, rpc.LeaseGrantRequest(TTL=ttl_seconds, ID=lease_id))
        return results.LeaseGrant(results.header_of(response.header), LeaseId(response.ID), response.TTL)

    def revoke(self, lease_id: LeaseId | int) -> results.Header:
        """End a lease now and delete its keys. Raises `REQUEST_REFUSED` when it does not exist."""
        return results.header_of(self._caller.unary(methods.LEASE_REVOKE, rpc.LeaseRevokeRequest(ID=lease_id)).header)

    def time_to_live(self, lease_id: LeaseId | int, *, keys: bool = False) -> results.LeaseTimeToLive:
        """What is left of a lease, and its keys when asked for."""
        request = rpc.LeaseTimeToLiveRequest(ID=lease_id, keys=keys)
        response = self._caller.unary(methods.LEASE_TIME_TO_LIVE, request)
        return results.LeaseTimeToLive(
            results.header_of(response.header), LeaseId(response.ID), response.TTL, response.grantedTTL,
            tuple(response.keys),
        )  # fmt: skip

    def leases(self) -> tuple[LeaseId, ...]:
        """The ids of all leases."""
        response = self._caller.unary(methods.LEASE_LEASES, rpc.LeaseLeasesRequest())
        return tuple(LeaseId(lease.ID) for lease in response.leases)

    def keep_alive(self, lease_id: LeaseId | int) -> int:
        """Renew a lease once; the seconds it has now, 0 when it does not exist or has expired."""
        return self.renew(lease_id).TTL

    def renew(self, lease_id: LeaseId | int) -> rpc.LeaseKeepAliveResponse:
        """As `keep_alive`, with etcd's own answer."""
        return self._renew_once(lease_id, may_renew_token=True)

    def _renew_once(self, lease_id: LeaseId | int, *, may_renew_token: bool) -> rpc.LeaseKeepAliveResponse:
        def requests() -> Iterator[rpc.LeaseKeepAliveRequest]:
            yield rpc.LeaseKeepAliveRequest(ID=lease_id)

        method = methods.LEASE_KEEP_ALIVE
        timeout_seconds = self._caller.options.seconds(method.deadline)
        stream = self._caller.stream(method, requests(), timeout_seconds=timeout_seconds)
        try:
            return next(stream)
        except StopIteration:
            raise errors.STREAM_BROKEN.error(
                "etcd ended the renewal without an answer", where=str(stream.link.endpoint)
            ) from None
        except grpc.RpcError as problem:
            if may_renew_token and self._caller.renew_token(problem, stream.link, stream.token):
                return self._renew_once(lease_id, may_renew_token=False)
            raise self._caller.explain(problem, stream.link, method) from problem
        finally:
            stream.cancel()
