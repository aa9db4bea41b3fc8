"""What etcd keeps in its buckets beside the records: meta, leases, auth, alarms, cluster (etcd-files sections 2.1, 2.3).

    bucket           key                          value
    alarm            AlarmMember (the protobuf)   empty
    auth             authEnabled                  01 or 00
                     authRevision                 u64 BE
    authRoles        role name                    authpb.Role
    authUsers        user name                    authpb.User
    cluster          clusterVersion               text 3.6.0
                     downgrade                    JSON {"target-version":"3.5.0","enabled":true}
    key              revision key                 mvccpb.KeyValue (formats.mvcc)
    lease            lease id, u64 BE             leasepb.Lease
    members          member id in hex             JSON Member (formats.membership)
    members_removed  member id in hex             text removed
    meta             consistent_index, term       u64 BE
                     confState                    JSON {"voters":[1913758298992017581],"auto_leave":false}
                     scheduledCompactRev          revision key
                     finishedCompactRev           revision key
                     storageVersion               text 3.6.0

    08 8cfc83ebcac0e856 10 901c                   Lease {1 ID 00ada204ad60fe0c, 2 TTL 3600}
    08 ccf6b0c3b8e8ebdc2b 10 01                   AlarmMember {1 member, 2 NOSPACE}

All numbers inside keys and values are big-endian. Unknown buckets and unknown keys are kept by every release of etcd, and
so by us.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from backstay.errors import FormatError
from backstay.formats import protowire
from backstay.values import LeaseId, MemberId

ALARM = b"alarm"
AUTH = b"auth"
AUTH_ROLES = b"authRoles"
AUTH_USERS = b"authUsers"
CLUSTER = b"cluster"
KEY = b"key"
LEASE = b"lease"
MEMBERS = b"members"
MEMBERS_REMOVED = b"members_removed"
META = b"meta"

BUCKETS = (ALARM, AUTH, AUTH_ROLES, AUTH_USERS, CLUSTER, KEY, LEASE, MEMBERS, MEMBERS_REMOVED, META)
"""The ten buckets every release since 3.4 creates at its first start."""

CONSISTENT_INDEX = b"consistent_index"
TERM = b"term"
CONF_STATE = b"confState"
SCHEDULED_COMPACT = b"scheduledCompactRev"
FINISHED_COMPACT = b"finishedCompactRev"
STORAGE_VERSION = b"storageVersion"
AUTH_ENABLED = b"authEnabled"
AUTH_REVISION = b"authRevision"
CLUSTER_VERSION = b"clusterVersion"
DOWNGRADE = b"downgrade"
REMOVED = b"removed"


class AlarmType(IntEnum):
    """What an alarm says."""

    NONE = 0
    NOSPACE = 1
    CORRUPT = 2


@dataclass(frozen=True, slots=True, order=True)
class Alarm:
    """One raised alarm; `kind` is an `AlarmType` or a number of a release yet to come."""

    member_id: MemberId
    kind: int


@dataclass(frozen=True, slots=True)
class Lease:
    """One lease. TTLs are seconds; `remaining_ttl` is 0 unless a checkpoint was persisted. No expiry time is stored."""

    id: LeaseId
    ttl: int
    remaining_ttl: int = 0


class PermissionType(IntEnum):
    """What a permission allows."""

    READ = 0
    WRITE = 1
    READWRITE = 2


@dataclass(frozen=True, slots=True)
class Permission:
    """A permission over one key (`range_end` empty), [key, range_end), or everything from key on (`range_end` 00).

    `kind` is a `PermissionType`, or a number that means nothing: etcd takes any.
    """

    kind: PermissionType | int
    key: bytes
    range_end: bytes = b""


@dataclass(frozen=True, slots=True)
class Role:
    """A named list of permissions, sorted by key."""

    name: str
    permissions: tuple[Permission, ...] = ()


@dataclass(frozen=True, slots=True)
class User:
    """A user; `password` is the bcrypt text, empty for users that may only come with a certificate."""

    name: str
    password: bytes = b""
    roles: tuple[str, ...] = ()
    no_password: bool = False


def encode_u64(value: int) -> bytes:
    """A number as etcd stores it in keys and values: 8 bytes, big-endian."""
    return (value & protowire.MASK64).to_bytes(8, "big")


def decode_u64(data: bytes, subject: str) -> int:
    """The number in `data`. Raises `FormatError` naming `subject`."""
    if len(data) != 8:
        raise FormatError(f"{subject} has {len(data)} bytes, not 8", offset=0)
    return int.from_bytes(data, "big")


def encode_lease(lease: Lease) -> tuple[bytes, bytes]:
    """The element of bucket `lease`."""
    value = (
        protowire.optional_int(1, lease.id)
        + protowire.optional_int(2, lease.ttl)
        + protowire.optional_int(3, lease.remaining_ttl)
    )
    return encode_u64(lease.id), value


def decode_lease(key: bytes, value: bytes) -> Lease:
    """The lease in an element of bucket `lease`. Raises `FormatError`."""
    lease_id = protowire.signed64(decode_u64(key, "lease key"))
    numbers = _numbers(value, "lease")
    if numbers.get(1, 0) != lease_id:
        raise FormatError(f"lease {lease_id:x} holds the id {numbers.get(1, 0):x}", offset=0)
    return Lease(LeaseId(lease_id), numbers.get(2, 0), numbers.get(3, 0))


def encode_alarm(alarm: Alarm) -> tuple[bytes, bytes]:
    """The element of bucket `alarm`."""
    return protowire.optional_int(1, alarm.member_id) + protowire.optional_int(2, alarm.kind), b""


def decode_alarm(key: bytes) -> Alarm:
    """The alarm in a key of bucket `alarm`. Raises `FormatError`."""
    numbers = _numbers(key, "alarm")
    return Alarm(MemberId(numbers.get(1, 0) & protowire.MASK64), numbers.get(2, 0))


def encode_permission(permission: Permission) -> bytes:
    """authpb.Permission."""
    return (
        protowire.optional_int(1, permission.kind)
        + protowire.optional_bytes(2, permission.key)
        + protowire.optional_bytes(3, permission.range_end)
    )


def decode_permission(data: bytes) -> Permission:
    """authpb.Permission. Raises `FormatError`."""
    kind, key, range_end = 0, b"", b""
    for number, _, content in protowire.read_fields(data):
        if number == 1 and isinstance(content, int):
            kind = content
        elif number == 2 and isinstance(content, bytes):
            key = content
        elif number == 3 and isinstance(content, bytes):
            range_end = content
    return Permission(permission_type(kind), key, range_end)


def permission_type(kind: int) -> PermissionType | int:
    """What a number means, and the number itself where it means nothing."""
    return PermissionType(kind) if kind in PermissionType.__members__.values() else kind


def encode_role(role: Role) -> tuple[bytes, bytes]:
    """The element of bucket `authRoles`."""
    name = role.name.encode()
    permissions = b"".join(protowire.bytes_field(2, encode_permission(each)) for each in role.permissions)
    return name, protowire.optional_bytes(1, name) + permissions


def decode_role(value: bytes) -> Role:
    """The role in a value of bucket `authRoles`. Raises `FormatError`."""
    name, permissions = b"", []
    for number, _, content in protowire.read_fields(value):
        if number == 1 and isinstance(content, bytes):
            name = content
        elif number == 2 and isinstance(content, bytes):
            permissions.append(decode_permission(content))
    return Role(_text(name, "role name"), tuple(permissions))


def encode_user(user: User) -> tuple[bytes, bytes]:
    """The element of bucket `authUsers`; the options message is written even when empty, as etcd does."""
    name = user.name.encode()
    return name, (
        protowire.optional_bytes(1, name)
        + protowire.optional_bytes(2, user.password)
        + b"".join(protowire.bytes_field(3, role.encode()) for role in user.roles)
        + protowire.bytes_field(4, protowire.optional_int(1, int(user.no_password)))
    )


def decode_user(value: bytes) -> User:
    """The user in a value of bucket `authUsers`. Raises `FormatError`."""
    name, password, roles, no_password = b"", b"", [], False
    for number, _, content in protowire.read_fields(value):
        if not isinstance(content, bytes):
            continue
        if number == 1:
            name = content
        elif number == 2:
            password = content
        elif number == 3:
            roles.append(_text(content, "role name"))
        elif number == 4:
            no_password = bool(_numbers(content, "user options").get(1, 0))
    return User(_text(name, "user name"), password, tuple(roles), no_password)


def _numbers(data: bytes, subject: str) -> dict[int, int]:
    """The varint fields of a small message, as signed numbers."""
    numbers = {}
    for number, wire_type, content in protowire.read_fields(data):
        if wire_type != protowire.VARINT or not isinstance(content, int):
            raise FormatError(f"{subject} has a field {number} that is no number", offset=0)
        numbers[number] = protowire.signed64(content)
    return numbers


def _text(data: bytes, subject: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise FormatError(f"{subject} is not UTF-8", offset=0) from None
