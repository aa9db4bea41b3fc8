"""The table of etcd's calls: path, messages, deadline, and whether repeating one is harmless.

Read by the services. `repeatable` follows what etcd's own client does: reads are tried on another endpoint when one is
unavailable, everything else only when it surely was not sent. The snapshot's messages stay raw bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from google.protobuf.message import Message

from backstay.etcd.deadlines import Deadline
from backstay.etcd.pb import rpc_pb2 as rpc

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response")
ResponseMessage = TypeVar("ResponseMessage", bound=Message)


class Kind(Enum):
    """The shape of a call."""

    UNARY = "unary"
    SERVER_STREAM = "server stream"
    BOTH_STREAM = "bidirectional stream"


@dataclass(frozen=True, slots=True)
class Method(Generic[Request, Response]):
    """One call of etcd. `repeatable` means that sending it twice changes nothing."""

    path: str
    request: type[Request]
    parse: Callable[[bytes], Response]
    kind: Kind = Kind.UNARY
    repeatable: bool = False
    deadline: Deadline = Deadline.COMMAND

    @property
    def name(self) -> str:
        """The method without its package, for messages: `KV/Range`."""
        return self.path.rpartition(".")[2]

    def serialize(self, request: Request) -> bytes:
        """The request's bytes."""
        return request.SerializeToString()


def _method(
    path: str,
    request: type[Request],
    response: type[ResponseMessage],
    *,
    repeatable: bool = False,
    deadline: Deadline = Deadline.COMMAND,
    kind: Kind = Kind.UNARY,
) -> Method[Request, ResponseMessage]:
    return Method(f"/etcdserverpb.{path}", request, response.FromString, kind, repeatable, deadline)


def _raw(data: bytes) -> bytes:
    return data


RANGE = _method("KV/Range", rpc.RangeRequest, rpc.RangeResponse, repeatable=True)
RANGE_STREAM = _method(
    "KV/RangeStream", rpc.RangeRequest, rpc.RangeStreamResponse, repeatable=True, kind=Kind.SERVER_STREAM
)
PUT = _method("KV/Put", rpc.PutRequest, rpc.PutResponse)
DELETE_RANGE = _method("KV/DeleteRange", rpc.DeleteRangeRequest, rpc.DeleteRangeResponse)
TXN = _method("KV/Txn", rpc.TxnRequest, rpc.TxnResponse)
COMPACT = _method("KV/Compact", rpc.CompactionRequest, rpc.CompactionResponse, deadline=Deadline.LONG)

WATCH = _method("Watch/Watch", rpc.WatchRequest, rpc.WatchResponse, kind=Kind.BOTH_STREAM)

LEASE_GRANT = _method("Lease/LeaseGrant", rpc.LeaseGrantRequest, rpc.LeaseGrantResponse)
LEASE_REVOKE = _method("Lease/LeaseRevoke", rpc.LeaseRevokeRequest, rpc.LeaseRevokeResponse)
LEASE_KEEP_ALIVE = _method(
    "Lease/LeaseKeepAlive",
    rpc.LeaseKeepAliveRequest,
    rpc.LeaseKeepAliveResponse,
    kind=Kind.BOTH_STREAM,
    repeatable=True,
)
LEASE_TIME_TO_LIVE = _method(
    "Lease/LeaseTimeToLive", rpc.LeaseTimeToLiveRequest, rpc.LeaseTimeToLiveResponse, repeatable=True
)
LEASE_LEASES = _method("Lease/LeaseLeases", rpc.LeaseLeasesRequest, rpc.LeaseLeasesResponse, repeatable=True)

MEMBER_ADD = _method("Cluster/MemberAdd", rpc.MemberAddRequest, rpc.MemberAddResponse)
MEMBER_REMOVE = _method("Cluster/MemberRemove", rpc.MemberRemoveRequest, rpc.MemberRemoveResponse)
MEMBER_UPDATE = _method("Cluster/MemberUpdate", rpc.MemberUpdateRequest, rpc.MemberUpdateResponse)
MEMBER_LIST = _method("Cluster/MemberList", rpc.MemberListRequest, rpc.MemberListResponse, repeatable=True)
MEMBER_PROMOTE = _method("Cluster/MemberPromote", rpc.MemberPromoteRequest, rpc.MemberPromoteResponse)

ALARM = _method("Maintenance/Alarm", rpc.AlarmRequest, rpc.AlarmResponse, repeatable=True)
STATUS = _method("Maintenance/Status", rpc.StatusRequest, rpc.StatusResponse, repeatable=True)
DEFRAGMENT = _method("Maintenance/Defragment", rpc.DefragmentRequest, rpc.DefragmentResponse, deadline=Deadline.LONG)
HASH = _method("Maintenance/Hash", rpc.HashRequest, rpc.HashResponse, repeatable=True, deadline=Deadline.LONG)
HASH_KV = _method("Maintenance/HashKV", rpc.HashKVRequest, rpc.HashKVResponse, repeatable=True, deadline=Deadline.LONG)
SNAPSHOT: Method[rpc.SnapshotRequest, bytes] = Method(
    "/etcdserverpb.Maintenance/Snapshot", rpc.SnapshotRequest, _raw, Kind.SERVER_STREAM, True, Deadline.IDLE
)
MOVE_LEADER = _method("Maintenance/MoveLeader", rpc.MoveLeaderRequest, rpc.MoveLeaderResponse, deadline=Deadline.LONG)
DOWNGRADE = _method("Maintenance/Downgrade", rpc.DowngradeRequest, rpc.DowngradeResponse)

AUTH_ENABLE = _method("Auth/AuthEnable", rpc.AuthEnableRequest, rpc.AuthEnableResponse)
AUTH_DISABLE = _method("Auth/AuthDisable", rpc.AuthDisableRequest, rpc.AuthDisableResponse)
AUTH_STATUS = _method("Auth/AuthStatus", rpc.AuthStatusRequest, rpc.AuthStatusResponse, repeatable=True)
AUTHENTICATE = _method("Auth/Authenticate", rpc.AuthenticateRequest, rpc.AuthenticateResponse, repeatable=True)
USER_ADD = _method("Auth/UserAdd", rpc.AuthUserAddRequest, rpc.AuthUserAddResponse)
USER_GET = _method("Auth/UserGet", rpc.AuthUserGetRequest, rpc.AuthUserGetResponse, repeatable=True)
USER_LIST = _method("Auth/UserList", rpc.AuthUserListRequest, rpc.AuthUserListResponse, repeatable=True)
USER_DELETE = _method("Auth/UserDelete", rpc.AuthUserDeleteRequest, rpc.AuthUserDeleteResponse)
USER_CHANGE_PASSWORD = _method(
    "Auth/UserChangePassword", rpc.AuthUserChangePasswordRequest, rpc.AuthUserChangePasswordResponse
)
USER_GRANT_ROLE = _method("Auth/UserGrantRole", rpc.AuthUserGrantRoleRequest, rpc.AuthUserGrantRoleResponse)
USER_REVOKE_ROLE = _method("Auth/UserRevokeRole", rpc.AuthUserRevokeRoleRequest, rpc.AuthUserRevokeRoleResponse)
ROLE_ADD = _method("Auth/RoleAdd", rpc.AuthRoleAddRequest, rpc.AuthRoleAddResponse)
ROLE_GET = _method("Auth/RoleGet", rpc.AuthRoleGetRequest, rpc.AuthRoleGetResponse, repeatable=True)
ROLE_LIST = _method("Auth/RoleList", rpc.AuthRoleListRequest, rpc.AuthRoleListResponse, repeatable=True)
ROLE_DELETE = _method("Auth/RoleDelete", rpc.AuthRoleDeleteRequest, rpc.AuthRoleDeleteResponse)
ROLE_GRANT_PERMISSION = _method(
    "Auth/RoleGrantPermission", rpc.AuthRoleGrantPermissionRequest, rpc.AuthRoleGrantPermissionResponse
)
ROLE_REVOKE_PERMISSION = _method(
    "Auth/RoleRevokePermission", rpc.AuthRoleRevokePermissionRequest, rpc.AuthRoleRevokePermissionResponse
)
