"""Leases and the keys attached to them. No clock: a lease ends when a revoke is applied, whoever decided on it."""

from __future__ import annotations

from backstay.formats.schema import Lease
from backstay.values import LeaseId


class LeaseTable:
    """Every granted lease, and for each the keys whose newest record names it."""

    def __init__(self) -> None:
        self.granted: dict[LeaseId, Lease] = {}
        self._keys: dict[LeaseId, set[bytes]] = {}
        self._lease_of: dict[bytes, LeaseId] = {}

    def attach(self, key: bytes, lease: int) -> None:
        """`key` belongs to `lease` now and to no other; 0 detaches it, and so does a lease that does not exist."""
        before = self._lease_of.pop(key, None)
        if before is not None:
            self._keys[before].discard(key)
        if lease in self.granted:
            self._lease_of[key] = LeaseId(lease)
            self._keys.setdefault(LeaseId(lease), set()).add(key)

    def keys(self, lease: LeaseId) -> list[bytes]:
        """The keys attached to `lease`, in order."""
        return sorted(self._keys.get(lease, ()))

    def is_attached(self, key: bytes) -> bool:
        """Whether `key` belongs to a lease."""
        return key in self._lease_of

    def remove(self, lease: LeaseId) -> None:
        """The lease is gone; its keys have been deleted before."""
        del self.granted[lease]
        for key in self._keys.pop(lease, ()):
            del self._lease_of[key]
