"""What the HTTP side asks whoever runs the store: numbers for `/metrics`, alarms for `/health`. Called on the store's thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from backstay.server.durations import Durations
from backstay.server.release import CLUSTER_VERSION


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
