"""A running store's numbers under etcd's names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backstay.formats.schema import AlarmType
from backstay.server.durations import Durations
from backstay.server.metered_disk import MeteredStoreDisk
from backstay.server.release import CLUSTER_VERSION
from backstay.server.running import StoreRunner


class StoreStatistics:
    """The `Statistics` of one runner, and of the disk under its log."""

    def __init__(self, runner: StoreRunner, disk: MeteredStoreDisk | None = None) -> None:
        self._runner = runner
        self._disk = disk

    def numbers(self) -> Mapping[str, float]:
        now = self._runner.numbers
        return {
            "etcd_debugging_auth_revision": self._runner.engine.state.access.revision,
            "etcd_debugging_mvcc_compact_revision": now.compact_revision or -1,
            "etcd_debugging_mvcc_current_revision": now.revision,
            "etcd_debugging_mvcc_keys_total": now.keys,
            "etcd_debugging_mvcc_slow_watcher_total": now.slow_watchers,
            "etcd_debugging_mvcc_watch_stream_total": now.watch_streams,
            "etcd_debugging_mvcc_watcher_total": now.watchers,
            "etcd_disk_wal_write_bytes_total": self._disk.written_bytes if self._disk is not None else 0,
            "etcd_mvcc_db_total_size_in_bytes": now.database_size,
            "etcd_mvcc_db_total_size_in_use_in_bytes": now.database_size_in_use,
            "etcd_server_has_leader": int(not now.is_read_only),
            "etcd_server_is_leader": int(not now.is_read_only),
            "etcd_server_proposals_applied_total": now.consistent_index,
            "etcd_server_proposals_committed_total": now.consistent_index,
            "etcd_server_quota_backend_bytes": now.quota,
        }

    def durations(self) -> Mapping[str, Durations]:
        if self._disk is None:
            return {}
        return {
            "etcd_disk_wal_fsync_duration_seconds": self._disk.syncs,
            "etcd_disk_wal_write_duration_seconds": self._disk.writes,
        }

    def alarms(self) -> Sequence[str]:
        kinds = {alarm.kind for alarm in self._runner.engine.state.alarms}
        known = {kind.value: kind.name for kind in AlarmType}
        return [known.get(kind, "UNKNOWN") for kind in sorted(kinds)]

    def auth_is_enabled(self) -> bool:
        return self._runner.engine.state.access.enabled

    def cluster_version(self) -> str:
        return self._runner.handler.context.downgrade_target or CLUSTER_VERSION
