"""Every method of every service by number, its gRPC path, and whether it streams. The numbers are backstay's own."""

from __future__ import annotations

from enum import IntEnum


class Op(IntEnum):
    """First element of every call. Up to 99: one answer; from 101: the events of a stream; from 201: what streams."""

    RANGE = 1
    PUT = 2
    DELETE_RANGE = 3
    TXN = 4
    COMPACT = 5
    LEASE_GRANT = 6
    LEASE_REVOKE = 7
    LEASE_TIME_TO_LIVE = 8
    LEASE_LEASES = 9
    MEMBER_ADD = 10
    MEMBER_REMOVE = 11
    MEMBER_UPDATE = 12
    MEMBER_LIST = 13
    MEMBER_PROMOTE = 14
    ALARM = 15
    STATUS = 16
    DEFRAGMENT = 17
    HASH = 18
    HASH_KV = 19
    MOVE_LEADER = 20
    DOWNGRADE = 21
    AUTH_ENABLE = 22
    AUTH_DISABLE = 23
    AUTH_STATUS = 24
    AUTHENTICATE = 25
    USER_ADD = 26
    USER_GET = 27
    USER_LIST = 28
    USER_DELETE = 29
    USER_CHANGE_PASSWORD = 30
    USER_GRANT_ROLE = 31
    USER_REVOKE_ROLE = 32
    ROLE_ADD = 33
    ROLE_GET = 34
    ROLE_LIST = 35
    ROLE_DELETE = 36
    ROLE_GRANT_PERMISSION = 37
    ROLE_REVOKE_PERMISSION = 38
    LOCK = 39
    UNLOCK = 40
    CAMPAIGN = 41
    PROCLAIM = 42
    LEADER = 43
    RESIGN = 44
    HEALTH_CHECK = 45

    OPEN = 101
    MESSAGE = 102
    HALF_CLOSE = 103
    CANCEL = 104

    WATCH = 201
    LEASE_KEEP_ALIVE = 202
    SNAPSHOT = 203
    RANGE_STREAM = 204
    OBSERVE = 205
    HEALTH_WATCH = 206
    REFLECTION = 207


PATHS: dict[Op, str] = {
    Op.RANGE: "/etcdserverpb.KV/Range",
    Op.PUT: "/etcdserverpb.KV/Put",
    Op.DELETE_RANGE: "/etcdserverpb.KV/DeleteRange",
    Op.TXN: "/etcdserverpb.KV/Txn",
    Op.COMPACT: "/etcdserverpb.KV/Compact",
    Op.RANGE_STREAM: "/etcdserverpb.KV/RangeStream",
    Op.WATCH: "/etcdserverpb.Watch/Watch",
    Op.LEASE_GRANT: "/etcdserverpb.Lease/LeaseGrant",
    Op.LEASE_REVOKE: "/etcdserverpb.Lease/LeaseRevoke",
    Op.LEASE_KEEP_ALIVE: "/etcdserverpb.Lease/LeaseKeepAlive",
    Op.LEASE_TIME_TO_LIVE: "/etcdserverpb.Lease/LeaseTimeToLive",
    Op.LEASE_LEASES: "/etcdserverpb.Lease/LeaseLeases",
    Op.MEMBER_ADD: "/etcdserverpb.Cluster/MemberAdd",
    Op.MEMBER_REMOVE: "/etcdserverpb.Cluster/MemberRemove",
    Op.MEMBER_UPDATE: "/etcdserverpb.Cluster/MemberUpdate",
    Op.MEMBER_LIST: "/etcdserverpb.Cluster/MemberList",
    Op.MEMBER_PROMOTE: "/etcdserverpb.Cluster/MemberPromote",
    Op.ALARM: "/etcdserverpb.Maintenance/Alarm",
    Op.STATUS: "/etcdserverpb.Maintenance/Status",
    Op.DEFRAGMENT: "/etcdserverpb.Maintenance/Defragment",
    Op.HASH: "/etcdserverpb.Maintenance/Hash",
    Op.HASH_KV: "/etcdserverpb.Maintenance/HashKV",
    Op.SNAPSHOT: "/etcdserverpb.Maintenance/Snapshot",
    Op.MOVE_LEADER: "/etcdserverpb.Maintenance/MoveLeader",
    Op.DOWNGRADE: "/etcdserverpb.Maintenance/Downgrade",
    Op.AUTH_ENABLE: "/etcdserverpb.Auth/AuthEnable",
    Op.AUTH_DISABLE: "/etcdserverpb.Auth/AuthDisable",
    Op.AUTH_STATUS: "/etcdserverpb.Auth/AuthStatus",
    Op.AUTHENTICATE: "/etcdserverpb.Auth/Authenticate",
    Op.USER_ADD: "/etcdserverpb.Auth/UserAdd",
    Op.USER_GET: "/etcdserverpb.Auth/UserGet",
    Op.USER_LIST: "/etcdserverpb.Auth/UserList",
    Op.USER_DELETE: "/etcdserverpb.Auth/UserDelete",
    Op.USER_CHANGE_PASSWORD: "/etcdserverpb.Auth/UserChangePassword",
    Op.USER_GRANT_ROLE: "/etcdserverpb.Auth/UserGrantRole",
    Op.USER_REVOKE_ROLE: "/etcdserverpb.Auth/UserRevokeRole",
    Op.ROLE_ADD: "/etcdserverpb.Auth/RoleAdd",
    Op.ROLE_GET: "/etcdserverpb.Auth/RoleGet",
    Op.ROLE_LIST: "/etcdserverpb.Auth/RoleList",
    Op.ROLE_DELETE: "/etcdserverpb.Auth/RoleDelete",
    Op.ROLE_GRANT_PERMISSION: "/etcdserverpb.Auth/RoleGrantPermission",
    Op.ROLE_REVOKE_PERMISSION: "/etcdserverpb.Auth/RoleRevokePermission",
    Op.LOCK: "/v3lockpb.Lock/Lock",
    Op.UNLOCK: "/v3lockpb.Lock/Unlock",
    Op.CAMPAIGN: "/v3electionpb.Election/Campaign",
    Op.PROCLAIM: "/v3electionpb.Election/Proclaim",
    Op.LEADER: "/v3electionpb.Election/Leader",
    Op.OBSERVE: "/v3electionpb.Election/Observe",
    Op.RESIGN: "/v3electionpb.Election/Resign",
    Op.HEALTH_CHECK: "/grpc.health.v1.Health/Check",
    Op.HEALTH_WATCH: "/grpc.health.v1.Health/Watch",
    Op.REFLECTION: "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
}

CLIENT_STREAMS = frozenset({Op.WATCH, Op.LEASE_KEEP_ALIVE, Op.REFLECTION})
"""Methods whose client sends many messages; every other method has one request."""
STREAMS = CLIENT_STREAMS | {Op.SNAPSHOT, Op.RANGE_STREAM, Op.OBSERVE, Op.HEALTH_WATCH}
"""Methods whose server sends many messages."""
