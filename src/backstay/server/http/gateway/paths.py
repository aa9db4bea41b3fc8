"""The gateway's paths: which call stands behind each, and what goes in and out."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.message import Message

from backstay.etcd.pb import election_pb2 as election
from backstay.etcd.pb import lock_pb2 as lock
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.server.methods import Op

PREFIX = "/v3/"
OLD_PREFIX = "/v3beta/"
"""Still taken for `/v3/` by etcd 3.7."""


@dataclass(frozen=True, slots=True)
class Route:
    """A call, the type of its request and of its answers."""

    op: Op
    request: type[Message]
    response: type[Message]


_LEASES = {
    "timetolive": Route(Op.LEASE_TIME_TO_LIVE, rpc.LeaseTimeToLiveRequest, rpc.LeaseTimeToLiveResponse),
    "revoke": Route(Op.LEASE_REVOKE, rpc.LeaseRevokeRequest, rpc.LeaseRevokeResponse),
    "leases": Route(Op.LEASE_LEASES, rpc.LeaseLeasesRequest, rpc.LeaseLeasesResponse),
}

ROUTES: dict[str, Route] = {
    "kv/range": Route(Op.RANGE, rpc.RangeRequest, rpc.RangeResponse),
    "kv/put": Route(Op.PUT, rpc.PutRequest, rpc.PutResponse),
    "kv/deleterange": Route(Op.DELETE_RANGE, rpc.DeleteRangeRequest, rpc.DeleteRangeResponse),
    "kv/txn": Route(Op.TXN, rpc.TxnRequest, rpc.TxnResponse),
    "kv/compaction": Route(Op.COMPACT, rpc.CompactionRequest, rpc.CompactionResponse),
    "watch": Route(Op.WATCH, rpc.WatchRequest, rpc.WatchResponse),
    "lease/grant": Route(Op.LEASE_GRANT, rpc.LeaseGrantRequest, rpc.LeaseGrantResponse),
    "lease/keepalive": Route(Op.LEASE_KEEP_ALIVE, rpc.LeaseKeepAliveRequest, rpc.LeaseKeepAliveResponse),
    **{f"lease/{name}": route for name, route in _LEASES.items()},
    **{f"kv/lease/{name}": route for name, route in _LEASES.items()},
    "cluster/member/add": Route(Op.MEMBER_ADD, rpc.MemberAddRequest, rpc.MemberAddResponse),
    "cluster/member/remove": Route(Op.MEMBER_REMOVE, rpc.MemberRemoveRequest, rpc.MemberRemoveResponse),
    "cluster/member/update": Route(Op.MEMBER_UPDATE, rpc.MemberUpdateRequest, rpc.MemberUpdateResponse),
    "cluster/member/list": Route(Op.MEMBER_LIST, rpc.MemberListRequest, rpc.MemberListResponse),
    "cluster/member/promote": Route(Op.MEMBER_PROMOTE, rpc.MemberPromoteRequest, rpc.MemberPromoteResponse),
    "maintenance/alarm": Route(Op.ALARM, rpc.AlarmRequest, rpc.AlarmResponse),
    "maintenance/status": Route(Op.STATUS, rpc.StatusRequest, rpc.StatusResponse),
    "maintenance/defragment": Route(Op.DEFRAGMENT, rpc.DefragmentRequest, rpc.DefragmentResponse),
    "maintenance/hash": Route(Op.HASH, rpc.HashRequest, rpc.HashResponse),
    "maintenance/hashkv": Route(Op.HASH_KV, rpc.HashKVRequest, rpc.HashKVResponse),
    "maintenance/snapshot": Route(Op.SNAPSHOT, rpc.SnapshotRequest, rpc.SnapshotResponse),
    "maintenance/transfer-leadership": Route(Op.MOVE_LEADER, rpc.MoveLeaderRequest, rpc.MoveLeaderResponse),
    "maintenance/downgrade": Route(Op.DOWNGRADE, rpc.DowngradeRequest, rpc.DowngradeResponse),
    "auth/enable": Route(Op.AUTH_ENABLE, rpc.AuthEnableRequest, rpc.AuthEnableResponse),
    "auth/disable": Route(Op.AUTH_DISABLE, rpc.AuthDisableRequest, rpc.AuthDisableResponse),
    "auth/status": Route(Op.AUTH_STATUS, rpc.AuthStatusRequest, rpc.AuthStatusResponse),
    "auth/authenticate": Route(Op.AUTHENTICATE, rpc.AuthenticateRequest, rpc.AuthenticateResponse),
    "auth/user/add": Route(Op.USER_ADD, rpc.AuthUserAddRequest, rpc.AuthUserAddResponse),
    "auth/user/get": Route(Op.USER_GET, rpc.AuthUserGetRequest, rpc.AuthUserGetResponse),
    "auth/user/list": Route(Op.USER_LIST, rpc.AuthUserListRequest, rpc.AuthUserListResponse),
    "auth/user/delete": Route(Op.USER_DELETE, rpc.AuthUserDeleteRequest, rpc.AuthUserDeleteResponse),
    "auth/user/changepw": Route(
        Op.USER_CHANGE_PASSWORD, rpc.AuthUserChangePasswordRequest, rpc.AuthUserChangePasswordResponse
    ),
    "auth/user/grant": Route(Op.USER_GRANT_ROLE, rpc.AuthUserGrantRoleRequest, rpc.AuthUserGrantRoleResponse),
    "auth/user/revoke": Route(Op.USER_REVOKE_ROLE, rpc.AuthUserRevokeRoleRequest, rpc.AuthUserRevokeRoleResponse),
    "auth/role/add": Route(Op.ROLE_ADD, rpc.AuthRoleAddRequest, rpc.AuthRoleAddResponse),
    "auth/role/get": Route(Op.ROLE_GET, rpc.AuthRoleGetRequest, rpc.AuthRoleGetResponse),
    "auth/role/list": Route(Op.ROLE_LIST, rpc.AuthRoleListRequest, rpc.AuthRoleListResponse),
    "auth/role/delete": Route(Op.ROLE_DELETE, rpc.AuthRoleDeleteRequest, rpc.AuthRoleDeleteResponse),
    "auth/role/grant": Route(
        Op.ROLE_GRANT_PERMISSION, rpc.AuthRoleGrantPermissionRequest, rpc.AuthRoleGrantPermissionResponse
    ),
    "auth/role/revoke": Route(
        Op.ROLE_REVOKE_PERMISSION, rpc.AuthRoleRevokePermissionRequest, rpc.AuthRoleRevokePermissionResponse
    ),
    "lock/lock": Route(Op.LOCK, lock.LockRequest, lock.LockResponse),
    "lock/unlock": Route(Op.UNLOCK, lock.UnlockRequest, lock.UnlockResponse),
    "election/campaign": Route(Op.CAMPAIGN, election.CampaignRequest, election.CampaignResponse),
    "election/proclaim": Route(Op.PROCLAIM, election.ProclaimRequest, election.ProclaimResponse),
    "election/leader": Route(Op.LEADER, election.LeaderRequest, election.LeaderResponse),
    "election/observe": Route(Op.OBSERVE, election.LeaderRequest, election.LeaderResponse),
    "election/resign": Route(Op.RESIGN, election.ResignRequest, election.ResignResponse),
}
"""By the path after `/v3/`; RangeStream has none."""
