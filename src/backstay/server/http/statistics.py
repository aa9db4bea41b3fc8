"""What the HTTP side asks whoever runs the store: numbers for `/metrics`, alarms for `/health`. Called on the store's thread."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Protocol

from backstay.server.release import CLUSTER_VERSION


class Durations:
    """A histogram: how many things took how long. `bounds` are upper ends in the metric's unit, ascending."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        """For each bound what was above the one before it; last what was above all."""
        self.total = 0.0
        """The sum of all."""

    def observe(self, value: float) -> None:
        """Count one more."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


def doubling(first: float, buckets: int) -> tuple[float, ...]:
    """`buckets` bounds from `first` on, each twice the one before, as most of etcd's histograms have them."""
    return tuple(first * 2**power for power in range(buckets))


class Statistics(Protocol):
    """The numbers of one store. What is missing in a mapping is shown as 0 where dashboards expect it to be there."""

    def numbers(self) -> Mapping[str, float]:
        """Counters and gauges without labels, by the metric's name (`etcd_mvcc_put_total`)."""
        ...

    def durations(self) -> Mapping[str, Durations]:
        """Histograms without labels, by the metric's name (`etcd_disk_wal_fsync_duration_seconds`)."""
        ...

    def alarms(self) -> Sequence[str]:
        """The names of the alarms that are raised: NOSPACE, CORRUPT."""
        ...

    def auth_is_enabled(self) -> bool:
        """Whether users have to say who they are."""
        ...

    def cluster_version(self) -> str:
        """What the cluster has agreed on: the version that a downgrade leads to while one is under way."""
        ...


class NoStatistics:
    """A store that counts nothing."""

    def numbers(self) -> Mapping[str, float]:
        return {}

    def durations(self) -> Mapping[str, Durations]:
        return {}

    def alarms(self) -> Sequence[str]:
        return ()

    def auth_is_enabled(self) -> bool:
        return False

    def cluster_version(self) -> str:
        return CLUSTER_VERSION
