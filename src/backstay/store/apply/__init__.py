"""What one log entry does to a store's state (etcd-files section 12). Pure: no files, no clock.

    entry, type 0, no data        nothing: a new leader's first entry
    entry, type 0                 a request: alarms, then permissions, then the change, all or nothing
    entry, type 1 or 2            a change of membership

A request that changes at least one key takes exactly one revision; one that is refused changes nothing and says why in
etcd's words. `apply_entry` serves the reading of a log's tail, `apply_request` also the embedded store.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from backstay.formats import raft, requests
from backstay.formats.mvcc import Record
from backstay.formats.raft import ConfChange, Entry, EntryType
from backstay.formats.requests import Message, Request, decode_request
from backstay.formats.schema import AlarmType
from backstay.store import reading, refusals
from backstay.store.answers import Answer
from backstay.store.apply import access, cluster, leases
from backstay.store.apply.permissions import Identity, check_permission
from backstay.store.apply.transactions import operations_of, run_txn
from backstay.store.refusals import Refusal, Refused
from backstay.store.state import StoreState
from backstay.store.writing import WriteBatch
from backstay.values import Revision

__all__ = ["Applied", "apply_entry", "apply_request"]


class Applied(NamedTuple):
    """What came of an entry: the store's revision after it, what it wrote, its answer, or why it was refused."""

    revision: Revision
    records: tuple[Record, ...] = ()
    answer: Answer | None = None
    refused: Refusal | None = None


def apply_entry(state: StoreState, entry: Entry) -> Applied:
    """Apply the next entry and note its index. Raises `FormatError` for data that no etcd could apply either."""
    if entry.kind is EntryType.NORMAL:
        applied = apply_request(state, decode_request(entry.data)) if entry.data else Applied(state.revision)
    elif entry.kind is EntryType.CONF_CHANGE:
        applied = _apply_membership(state, raft.decode_conf_change(entry.data))
    else:
        changes = raft.decode_conf_change_v2(entry.data)
        # etcd writes no such entries; its members come without a description, so only the removals mean something.
        applied = Applied(state.revision)
        for step in changes.steps:
            if step.kind is raft.ConfChangeType.REMOVE_NODE:
                applied = _apply_membership(state, ConfChange(step.kind, step.node_id))
    state.consistent_index, state.term = entry.index, entry.term
    return applied


def apply_request(state: StoreState, request: Request) -> Applied:
    """Apply one request."""
    batch = WriteBatch(state)
    body = request.body
    try:
        if body is None:
            raise Refused(refusals.UNKNOWN_REQUEST)
        _check_alarms(state, body)
        check_permission(state, Identity(request.username, request.auth_revision), body)
        answer = _change(state, body, batch)
    except Refused as refused:
        return Applied(state.revision, refused=refused.refusal)
    return Applied(state.revision, tuple(batch.records), answer)


def _apply_membership(state: StoreState, change: ConfChange) -> Applied:
    try:
        cluster.change_membership(state.cluster, change)
    except Refused as refused:
        return Applied(state.revision, refused=refused.refusal)
    return Applied(state.revision)


_STOPPED_BY_CORRUPTION = (
    requests.Put,
    requests.Range,
    requests.DeleteRange,
    requests.Txn,
    requests.Compaction,
    requests.LeaseGrant,
    requests.LeaseRevoke,
)


def _check_alarms(state: StoreState, body: Message) -> None:
    if not state.alarms:
        return
    if state.has_alarm(AlarmType.CORRUPT) and isinstance(body, _STOPPED_BY_CORRUPTION):
        raise Refused(refusals.CORRUPT)
    if state.has_alarm(AlarmType.NOSPACE) and _takes_space(body):
        raise Refused(refusals.NO_SPACE)


def _takes_space(body: Message) -> bool:
    """Whether a request costs quota: a transaction does with any put, even in the branch that is not taken."""
    if isinstance(body, requests.Txn):
        return any(operation.put is not None for operation in operations_of(body))
    return isinstance(body, requests.Put | requests.LeaseGrant)


def _change(state: StoreState, body: Message, batch: WriteBatch) -> Answer | None:
    answer: Answer | None = None
    if isinstance(body, requests.Put):
        answer = batch.put(body)
        batch.commit()
    elif isinstance(body, requests.DeleteRange):
        answer = batch.delete_range(body)
        batch.commit()
    elif isinstance(body, requests.Txn):
        answer = run_txn(state, body, batch)
        batch.commit()
    elif isinstance(body, requests.Range):
        answer = reading.read_range(state, body)
    elif isinstance(body, requests.Compaction):
        _compact(state, body)
    elif isinstance(body, requests.LeaseGrant):
        answer = leases.grant(state, body)
    elif isinstance(body, requests.LeaseRevoke):
        leases.revoke(state, body, batch)
    elif isinstance(body, requests.LeaseCheckpoint):
        leases.checkpoint(state, body)
    elif isinstance(body, requests.Alarm):
        answer = cluster.change_alarm(state, body)
    elif type(body) in _ON_ACCESS:
        answer = _ON_ACCESS[type(body)](state.access, body)
    elif type(body) in _ON_CLUSTER:
        _ON_CLUSTER[type(body)](state.cluster, body)
    return answer


def _compact(state: StoreState, request: requests.Compaction) -> None:
    """History below the revision can no longer be read; when its records go is for whoever holds them."""
    if request.revision <= state.compact_revision:
        raise Refused(refusals.COMPACTED)
    if request.revision > state.revision:
        raise Refused(refusals.FUTURE_REVISION)
    state.scheduled_compaction = Revision(request.revision)


_Handler = Callable[[Any, Any], Any]

_ON_ACCESS: dict[type[Message], _Handler] = {
    requests.AuthEnable: access.enable,
    requests.AuthDisable: access.disable,
    requests.AuthStatus: access.status,
    requests.UserAdd: access.add_user,
    requests.UserDelete: access.delete_user,
    requests.UserGet: access.get_user,
    requests.UserChangePassword: access.change_password,
    requests.UserGrantRole: access.grant_role,
    requests.UserRevokeRole: access.revoke_role,
    requests.UserList: access.list_users,
    requests.RoleList: access.list_roles,
    requests.RoleAdd: access.add_role,
    requests.RoleDelete: access.delete_role,
    requests.RoleGet: access.get_role,
    requests.RoleGrantPermission: access.grant_permission,
    requests.RoleRevokePermission: access.revoke_permission,
}
_ON_CLUSTER: dict[type[Message], _Handler] = {
    requests.ClusterVersionSet: cluster.set_version,
    requests.MemberAttributesSet: cluster.set_attributes,
    requests.DowngradeInfoSet: cluster.set_downgrade,
    requests.V2Request: cluster.apply_v2,
}
