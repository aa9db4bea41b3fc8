"""The metrics that dashboards and alerts for etcd look for: name, type, meaning. Order is the order of the page."""

from __future__ import annotations

from typing import NamedTuple

from backstay.server.durations import doubling


class Metric(NamedTuple):
    """One metric without labels. `bounds` are a histogram's."""

    name: str
    kind: str
    meaning: str
    bounds: tuple[float, ...] = ()


_DISK = doubling(0.001, 14)
_LONG = doubling(0.1, 13)
_HASH = doubling(0.01, 15)
_LEASE = doubling(1.0, 24)
_PAUSE = doubling(1.0, 13)
_WHOLE = doubling(100.0, 14)


def _counter(name: str, meaning: str) -> Metric:
    return Metric(name, "counter", meaning)


def _gauge(name: str, meaning: str) -> Metric:
    return Metric(name, "gauge", meaning)


def _histogram(name: str, meaning: str, bounds: tuple[float, ...] = _DISK) -> Metric:
    return Metric(name, "histogram", meaning, bounds)


METRICS: tuple[Metric, ...] = (
    _gauge("etcd_debugging_auth_revision", "The revision of users, roles and whether they are asked for."),
    _histogram(
        "etcd_debugging_disk_backend_commit_rebalance_duration_seconds", "Part of a commit; none is apart here."
    ),
    _histogram("etcd_debugging_disk_backend_commit_spill_duration_seconds", "Part of a commit; none is apart here."),
    _histogram("etcd_debugging_disk_backend_commit_write_duration_seconds", "Part of a commit; none is apart here."),
    _counter("etcd_debugging_lease_granted_total", "Leases granted."),
    _counter("etcd_debugging_lease_renewed_total", "Leases renewed."),
    _counter("etcd_debugging_lease_revoked_total", "Leases revoked."),
    _histogram("etcd_debugging_lease_ttl_total", "Seconds for which leases were granted.", _LEASE),
    _gauge("etcd_debugging_mvcc_compact_revision", "The newest revision that was compacted; -1 for none."),
    _gauge("etcd_debugging_mvcc_current_revision", "The newest revision."),
    _counter("etcd_debugging_mvcc_db_compaction_keys_total", "Records that compactions dropped."),
    _gauge("etcd_debugging_mvcc_db_compaction_last", "When the last compaction ended, in seconds since 1970."),
    _histogram("etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds", "Steps of compactions.", _PAUSE),
    _histogram("etcd_debugging_mvcc_db_compaction_total_duration_milliseconds", "Whole compactions.", _WHOLE),
    _counter("etcd_debugging_mvcc_events_total", "Events sent to watchers."),
    _histogram(
        "etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds", "Pauses for the index.", doubling(0.5, 14)
    ),
    _gauge("etcd_debugging_mvcc_keys_total", "Keys that exist."),
    _gauge("etcd_debugging_mvcc_pending_events_total", "Events that wait to be sent."),
    _gauge("etcd_debugging_mvcc_slow_watcher_total", "Watchers that are behind."),
    _gauge("etcd_debugging_mvcc_total_put_size_in_bytes", "Bytes of keys and values put."),
    _gauge("etcd_debugging_mvcc_watch_stream_total", "Streams with watchers."),
    _gauge("etcd_debugging_mvcc_watcher_total", "Watchers."),
    _counter("etcd_debugging_server_lease_expired_total", "Leases that expired."),
    _histogram("etcd_debugging_server_watch_send_loop_control_stream_duration_seconds", "Answers about watchers."),
    _histogram("etcd_debugging_server_watch_send_loop_progress_duration_seconds", "Progress notes of watchers."),
    _histogram("etcd_debugging_server_watch_send_loop_watch_stream_duration_per_event_seconds", "Events, each."),
    _histogram("etcd_debugging_server_watch_send_loop_watch_stream_duration_seconds", "Events, all of a message."),
    _histogram("etcd_debugging_snap_save_marshalling_duration_seconds", "Encoding of raft's snapshots."),
    _histogram("etcd_debugging_snap_save_total_duration_seconds", "Saving of raft's snapshots."),
    _histogram("etcd_disk_backend_commit_duration_seconds", "Commits of the database: checkpoints."),
    _histogram("etcd_disk_backend_defrag_duration_seconds", "Defragmentations.", _LONG),
    _histogram("etcd_disk_backend_snapshot_duration_seconds", "Snapshots for clients.", doubling(0.01, 17)),
    _gauge("etcd_disk_defrag_inflight", "1 while a defragmentation runs."),
    _histogram("etcd_disk_wal_fsync_duration_seconds", "Syncs of the log."),
    _gauge("etcd_disk_wal_write_bytes_total", "Bytes written to the log."),
    _histogram("etcd_disk_wal_write_duration_seconds", "Writes of the log."),
    _gauge("etcd_mvcc_db_open_read_transactions", "Reads of the database file that are open."),
    _gauge("etcd_mvcc_db_total_size_in_bytes", "The size of the store."),
    _gauge("etcd_mvcc_db_total_size_in_use_in_bytes", "How much of the store's size is in use."),
    _counter("etcd_mvcc_delete_total", "Deletions."),
    _histogram("etcd_mvcc_hash_duration_seconds", "Hashes of the whole database.", _HASH),
    _histogram("etcd_mvcc_hash_rev_duration_seconds", "Hashes up to a revision.", _HASH),
    _counter("etcd_mvcc_put_total", "Puts."),
    _counter("etcd_mvcc_range_total", "Ranges."),
    _counter("etcd_mvcc_txn_total", "Transactions."),
    _gauge("etcd_server_has_leader", "1 while the member can write."),
    _counter("etcd_server_health_failures", "Answers of /health that were bad."),
    _counter("etcd_server_health_success", "Answers of /health that were good."),
    _counter("etcd_server_heartbeat_send_failures_total", "Heartbeats that came late; a single member sends none."),
    _gauge("etcd_server_is_leader", "1 while the member leads."),
    _gauge("etcd_server_is_learner", "1 while the member has no vote."),
    _counter("etcd_server_leader_changes_seen_total", "Changes of the leader."),
    _counter("etcd_server_learner_promote_successes", "Learners promoted."),
    _gauge("etcd_server_proposals_applied_total", "The index of the last entry that was applied."),
    _gauge("etcd_server_proposals_committed_total", "The index of the last entry that is on disk."),
    _counter("etcd_server_proposals_failed_total", "Entries that could not be written."),
    _gauge("etcd_server_proposals_pending", "Entries on their way to the disk."),
    _gauge("etcd_server_quota_backend_bytes", "The largest size the store may have."),
    _counter("etcd_server_read_indexes_failed_total", "Reads that found no leader."),
    _counter("etcd_server_slow_apply_total", "Requests that took long to apply."),
    _counter("etcd_server_slow_read_indexes_total", "Reads that waited long for their turn."),
    _gauge("etcd_server_snapshot_apply_in_progress_total", "1 while a snapshot of another member is taken over."),
    _histogram("etcd_snap_db_fsync_duration_seconds", "Syncs of received databases."),
    _histogram("etcd_snap_db_save_total_duration_seconds", "Receiving of databases.", doubling(0.1, 10)),
    _histogram("etcd_snap_fsync_duration_seconds", "Syncs of raft's snapshots."),
)

ALWAYS = {
    "etcd_server_has_leader": 1.0,
    "etcd_server_is_leader": 1.0,
    "etcd_server_leader_changes_seen_total": 1.0,
    "etcd_debugging_mvcc_compact_revision": -1.0,
}
"""What a single member shows where the store says nothing else."""
