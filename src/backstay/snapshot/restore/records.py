"""The buckets of a restored database: those of the source, but for what a restore must or was asked to change.

`write` hands the stream to the builder of `formats.bbolt`. One pass, nothing is collected but the small buckets that
change. Buckets and entries that no release of etcd knows are carried along, as etcd itself does.

    alarm                       empty with `clear_alarms`
    cluster                     without clusterVersion and downgrade: then every release starts (etcd-files section 11)
    key                         with leases ended a tombstone of each of their keys, at the revision after the source's; with
                                a bump one more record at the end: the new revision, a value of zero bytes
    lease                       empty with leases dropped; then no record is attached to a lease, whatever its revision.
                                Empty with leases ended. Else what the source has, without the time that was left where
                                leases are refreshed, and those that keys are attached to and the source lost
    members, members_removed    the new members; nobody
    meta                        consistent_index and term of the new log, confState of the new members, no storageVersion;
                                with a bump scheduledCompactRev is the new revision, finishedCompactRev stays

    00 00 00 00 3b 9a ca f0 5f 00 00 00 00 00 00 00 00    key of the bumped record and value of scheduledCompactRev,
                                                          revision 240 bumped by 1,000,000,000
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from backstay.formats import membership, mvcc, schema
from backstay.formats.mvcc import KeyValue, RevisionKey
from backstay.formats.schema import Lease
from backstay.snapshot.opened import OpenedStore
from backstay.snapshot.restore.members import NewCluster
from backstay.snapshot.restore.plan import MISSING_LEASE_SECONDS, LeaseTreatment, RestorePlan
from backstay.values import LeaseId

Item = tuple[bytes, bytes]

_WITHOUT_LEASES = (LeaseTreatment.DROP, LeaseTreatment.DROP_KEYS)

LOG_TERM = 1
"""The term of the entries in the new log."""


def restored_buckets(
    store: OpenedStore, plan: RestorePlan, cluster: NewCluster
) -> Iterator[tuple[bytes, Iterable[Item]]]:
    """(name, items in key order) of every bucket, names in order: what `bbolt.build` takes."""
    for name in sorted({*schema.BUCKETS, *store.bucket_names()}):
        yield name, _items(name, store, plan, cluster)


def _items(name: bytes, store: OpenedStore, plan: RestorePlan, cluster: NewCluster) -> Iterable[Item]:
    match name:
        case schema.KEY:
            return _records(store, plan)
        case schema.META:
            return _meta(store, plan, cluster)
        case schema.MEMBERS:
            return sorted(membership.encode_member(member) for member in cluster.members)
        case schema.MEMBERS_REMOVED:
            return ()
        case schema.CLUSTER:
            unwanted = (schema.CLUSTER_VERSION, schema.DOWNGRADE)
            return [item for item in store.bucket_items(name) if item[0] not in unwanted]
        case schema.ALARM if plan.clear_alarms:
            return ()
        case schema.LEASE:
            return () if plan.leases in _WITHOUT_LEASES else _leases(store, plan)
    return store.bucket_items(name)


def _records(store: OpenedStore, plan: RestorePlan) -> Iterator[Item]:
    treatment, leased = plan.leases, dict[bytes, None]()
    for data, spans in store.pages():
        for _, key, value, end in spans:
            item = data[key:value], data[value:end]
            if treatment is LeaseTreatment.DROP_KEYS:
                _follow(leased, item)
            yield _without_lease(item) if treatment is LeaseTreatment.DROP else item
    for sub, each in enumerate(sorted(leased)):
        yield (
            mvcc.encode_revision(RevisionKey(plan.revision_before + 1, sub, True)),
            mvcc.encode_key_value(KeyValue(each)),
        )
    if plan.bump:
        yield mvcc.encode_revision(RevisionKey(plan.revision_after, 0)), b""


def _follow(leased: dict[bytes, None], item: Item) -> None:
    """Keep in `leased` the live keys that are attached to a lease."""
    decoded = mvcc.decode_key_value(item[1])
    if decoded.lease and not mvcc.decode_revision(item[0]).tombstone:
        leased[decoded.key] = None
    else:
        leased.pop(decoded.key, None)


def _leases(store: OpenedStore, plan: RestorePlan) -> Iterator[Item]:
    """The leases of the source and those it lost, in the order of their ids' bytes."""
    found = dict(store.bucket_items(schema.LEASE))
    found |= dict(schema.encode_lease(Lease(LeaseId(each), MISSING_LEASE_SECONDS)) for each in plan.missing_leases)
    for key, value in sorted(found.items()):
        lease = schema.decode_lease(key, value) if plan.leases is LeaseTreatment.REFRESH else None
        yield schema.encode_lease(replace(lease, remaining_ttl=0)) if lease and lease.remaining_ttl else (key, value)


def _without_lease(item: Item) -> Item:
    decoded = mvcc.decode_key_value(item[1])
    return (item[0], mvcc.encode_key_value(decoded._replace(lease=0))) if decoded.lease else item


def _meta(store: OpenedStore, plan: RestorePlan, cluster: NewCluster) -> list[Item]:
    meta = dict(store.bucket_items(schema.META))
    meta.pop(schema.STORAGE_VERSION, None)
    # The new log holds one entry for each member, all of them applied: see `write.new_log`.
    meta[schema.CONSISTENT_INDEX] = schema.encode_u64(len(cluster.members))
    meta[schema.TERM] = schema.encode_u64(LOG_TERM)
    meta[schema.CONF_STATE] = membership.encode_conf_state(cluster.conf_state)
    if plan.bump:
        meta[schema.SCHEDULED_COMPACT] = mvcc.encode_revision(RevisionKey(plan.revision_after, 0))
    return sorted(meta.items())
