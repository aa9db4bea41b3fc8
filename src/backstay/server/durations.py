"""Histograms: how many things took how long."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence


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
