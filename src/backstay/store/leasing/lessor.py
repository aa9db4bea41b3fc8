"""When leases end: used by the engine, which turns what is due into revokes. No lease changes here.

Nothing about time is stored: after a start every lease has its whole TTL again, and one election timeout more.
"""

from __future__ import annotations

from collections.abc import Iterable

from backstay.clock import Clock
from backstay.formats.schema import Lease
from backstay.values import LeaseId

MAX_REVOKES_PER_SCAN = 500


class Lessor:
    """Deadlines of all granted leases, in seconds of `clock.monotonic`."""

    def __init__(self, clock: Clock, leases: Iterable[Lease], *, extension: float) -> None:
        self._clock = clock
        self._deadlines: dict[LeaseId, float] = {}
        now = clock.monotonic()
        for lease in leases:
            self._deadlines[lease.id] = now + (lease.remaining_ttl or lease.ttl) + extension

    def start(self, lease: Lease) -> None:
        """The lease is granted, or kept alive: its whole TTL begins again."""
        self._deadlines[lease.id] = self._clock.monotonic() + lease.ttl

    def stop(self, lease: LeaseId) -> None:
        """The lease is revoked."""
        self._deadlines.pop(lease, None)

    def remaining(self, lease: LeaseId) -> float:
        """Seconds left; 0 or below once the lease is due. Raises `KeyError` for a lease that is not granted."""
        return self._deadlines[lease] - self._clock.monotonic()

    def by_expiry(self) -> list[LeaseId]:
        """All leases, those that end first in front."""
        return sorted(self._deadlines, key=self._deadlines.__getitem__)

    def due(self) -> list[LeaseId]:
        """Leases whose time is over, as many as are revoked in one go."""
        now = self._clock.monotonic()
        return [lease for lease, deadline in self._deadlines.items() if deadline <= now][:MAX_REVOKES_PER_SCAN]
