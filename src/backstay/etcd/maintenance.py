"""The state and upkeep of members: status, hashes, alarms, snapshot, defragmentation, leadership, downgrade.

Reached as `client.maintenance`. Most calls are about one member: name its `endpoint`, or the client's first endpoint that
answers is meant.
"""

from __future__ import annotations

from enum import Enum

from backstay.etcd import methods, results
from backstay.etcd.connection import Endpoint
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.etcd.results import Alarm, AlarmType, HashKV, Header, MemberStatus, header_of
from backstay.etcd.snapshot_stream import SnapshotStream
from backstay.etcd.transport.calls import Caller
from backstay.values import MemberId, Revision

_ALARMS = {AlarmType.NONE: rpc.NONE, AlarmType.NOSPACE: rpc.NOSPACE, AlarmType.CORRUPT: rpc.CORRUPT}


class DowngradeAction(Enum):
    """What to do about a downgrade to the release before."""

    VALIDATE = "validate"
    ENABLE = "enable"
    CANCEL = "cancel"


_ACTIONS = {
    DowngradeAction.VALIDATE: rpc.DowngradeRequest.VALIDATE,
    DowngradeAction.ENABLE: rpc.DowngradeRequest.ENABLE,
    DowngradeAction.CANCEL: rpc.DowngradeRequest.CANCEL,
}


class Maintenance:
    """etcd's Maintenance service."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def status(self, *, endpoint: Endpoint | None = None) -> MemberStatus:
        """What the member says of itself; answered without a quorum."""
        return results.status_of(self._caller.unary(methods.STATUS, rpc.StatusRequest(), endpoint=endpoint))

    def hash_kv(self, revision: Revision | int = 0, *, endpoint: Endpoint | None = None) -> HashKV:
        """The hash of all records up to `revision` (0: the newest).

        `HashKV.revision` is the revision that was hashed. Raises `REVISION_COMPACTED` or `REVISION_FUTURE`.
        """
        response = self._caller.unary(methods.HASH_KV, rpc.HashKVRequest(revision=revision), endpoint=endpoint)
        return results.hash_kv_of(response, Revision(revision))

    def hash(self, *, endpoint: Endpoint | None = None) -> int:
        """The hash of the member's whole database file; equal only on members with equal pages."""
        return self._caller.unary(methods.HASH, rpc.HashRequest(), endpoint=endpoint).hash

    def alarms(self, alarm: AlarmType = AlarmType.NONE) -> tuple[Alarm, ...]:
        """The alarms of all members, or those of one type."""
        return self._alarm(rpc.AlarmRequest(action=rpc.AlarmRequest.GET, alarm=_ALARMS[alarm]))

    def activate_alarm(self, member_id: MemberId | int, alarm: AlarmType) -> tuple[Alarm, ...]:
        """Raise an alarm; returns it."""
        request = rpc.AlarmRequest(action=rpc.AlarmRequest.ACTIVATE, memberID=member_id, alarm=_ALARMS[alarm])
        return self._alarm(request)

    def deactivate_alarm(self, member_id: MemberId | int, alarm: AlarmType) -> tuple[Alarm, ...]:
        """Clear an alarm; returns it, or nothing when it was not raised."""
        request = rpc.AlarmRequest(action=rpc.AlarmRequest.DEACTIVATE, memberID=member_id, alarm=_ALARMS[alarm])
        return self._alarm(request)

    def _alarm(self, request: rpc.AlarmRequest) -> tuple[Alarm, ...]:
        return tuple(results.alarm_of(alarm) for alarm in self._caller.unary(methods.ALARM, request).alarms)

    def defragment(self, *, endpoint: Endpoint | None = None, timeout_seconds: float | None = None) -> None:
        """Rewrite the member's database file; the member serves nothing meanwhile."""
        self._caller.unary(
            methods.DEFRAGMENT, rpc.DefragmentRequest(), endpoint=endpoint, timeout_seconds=timeout_seconds
        )

    def move_leader(self, target: MemberId | int, *, endpoint: Endpoint | None = None) -> None:
        """Hand the leadership to `target`; must be sent to the leader, else `REQUEST_REFUSED` (not leader)."""
        self._caller.unary(methods.MOVE_LEADER, rpc.MoveLeaderRequest(targetID=target), endpoint=endpoint)

    def downgrade(self, action: DowngradeAction, version: str = "") -> tuple[Header, str]:
        """Prepare the cluster for the release before; returns the cluster's version. 3.5 and newer."""
        request = rpc.DowngradeRequest(action=_ACTIONS[action], version=version)
        response = self._caller.unary(methods.DOWNGRADE, request)
        return header_of(response.header), response.version

    def snapshot(
        self, *, endpoint: Endpoint | None = None, idle_timeout_seconds: float | None = None
    ) -> SnapshotStream:
        """The member's database as a stream of chunks, the SHA-256 last. Use it in a `with` block.

        Raises at once when there is no connection; everything else comes out of the iteration.
        """
        return SnapshotStream(self._caller, endpoint, idle_timeout_seconds or self._caller.options.idle_timeout_seconds)
