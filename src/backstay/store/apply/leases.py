"""Granting, revoking and checkpointing leases."""

from __future__ import annotations

import re
from dataclasses import replace

from backstay.formats import requests
from backstay.formats.schema import Lease
from backstay.store import refusals
from backstay.store.answers import LeaseAnswer
from backstay.store.refusals import Refused
from backstay.store.state import StoreState
from backstay.store.writing import WriteBatch
from backstay.values import LeaseId

MAXIMUM_TTL = 9_000_000_000
"""Seconds."""


def grant(state: StoreState, request: requests.LeaseGrant) -> LeaseAnswer:
    """Create a lease. Raises `Refused`."""
    if request.id == 0:
        raise Refused(refusals.LEASE_NOT_FOUND)
    if request.ttl > MAXIMUM_TTL:
        raise Refused(refusals.LEASE_TTL_TOO_LARGE)
    if request.id in state.leases.granted:
        raise Refused(refusals.LEASE_EXISTS)
    lease = Lease(LeaseId(request.id), max(request.ttl, state.minimum_lease_ttl))
    state.leases.granted[lease.id] = lease
    return LeaseAnswer(lease)


def revoke(state: StoreState, request: requests.LeaseRevoke, batch: WriteBatch) -> None:
    """Delete a lease and, in key order, every key attached to it. Raises `Refused`."""
    lease = LeaseId(request.id)
    if lease not in state.leases.granted:
        raise Refused(refusals.LEASE_NOT_FOUND)
    batch.delete(state.leases.keys(lease))
    batch.commit()
    state.leases.remove(lease)


def checkpoint(state: StoreState, request: requests.LeaseCheckpoint) -> None:
    """Remember what is left of some leases. Below cluster version 3.6 etcd does so in memory only, by default."""
    if not _persists_checkpoints(state.cluster.version):
        return
    for each in request.checkpoints:
        lease = state.leases.granted.get(LeaseId(each.id))
        if lease is None:
            raise Refused(refusals.LEASE_NOT_FOUND)
        state.leases.granted[lease.id] = replace(lease, remaining_ttl=each.remaining_ttl)


def _persists_checkpoints(cluster_version: str) -> bool:
    numbers = tuple(int(part) for part in re.findall(r"\d{1,9}", cluster_version)[:2])
    return numbers >= (3, 6)
