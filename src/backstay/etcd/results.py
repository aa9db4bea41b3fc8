"""What the services answer, as values, and how they come out of etcd's messages.

Made by the services, read by everybody. The functions `*_of` are the only place that knows both sides.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from backstay.etcd.pb import auth_pb2 as auth
from backstay.etcd.pb import kv_pb2 as kv
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.values import ClusterId, LeaseId, MemberId, Revision, hex_id


class Header(NamedTuple):
    """Who answered and when. `revision` is the store's newest at that moment, 0 in answers about membership."""

    cluster_id: ClusterId
    member_id: MemberId
    revision: Revision
    raft_term: int


class KeyValue(NamedTuple):
    """One version of a key. `lease` is 0 for none; `value` is empty when only keys were asked for."""

    key: bytes
    value: bytes
    create_revision: Revision
    mod_revision: Revision
    version: int
    lease: LeaseId


@dataclass(frozen=True, slots=True)
class RangeResult:
    """`count` is the number of keys in the range whatever the limit; `more` says that the limit cut some off."""

    header: Header
    items: tuple[KeyValue, ...]
    more: bool
    count: int


@dataclass(frozen=True, slots=True)
class PutResult:
    """`previous` is set when it was asked for and the key existed."""

    header: Header
    previous: KeyValue | None = None


@dataclass(frozen=True, slots=True)
class DeleteResult:
    """How many keys were deleted, and their last values when asked for."""

    header: Header
    deleted: int
    previous: tuple[KeyValue, ...] = ()


@dataclass(frozen=True, slots=True)
class TxnResult:
    """`succeeded` says which branch ran; `responses` answers its operations in order. Inner headers hold only a revision."""

    header: Header
    succeeded: bool
    responses: tuple[RangeResult | PutResult | DeleteResult | TxnResult, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """A member of the cluster. A member that has not started yet has no name and no client addresses."""

    member_id: MemberId
    name: str
    peer_urls: tuple[str, ...]
    client_urls: tuple[str, ...]
    is_learner: bool


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """What one member says of itself. Sizes in bytes; fields that its release does not know are 0 or empty."""

    header: Header
    version: str
    database_size_bytes: int
    database_in_use_bytes: int
    leader: MemberId
    raft_index: int
    raft_term: int
    raft_applied_index: int
    errors: tuple[str, ...]
    is_learner: bool
    storage_version: str
    quota_bytes: int
    downgrade_target: str

    @property
    def is_leader(self) -> bool:
        """Whether this member leads the cluster."""
        return self.leader != 0 and self.leader == self.header.member_id


@dataclass(frozen=True, slots=True)
class HashKV:
    """The hash of all records up to `revision`. `hash_revision` is 0 from releases before 3.6."""

    hash: int
    compact_revision: Revision
    hash_revision: Revision
    revision: Revision


class AlarmType(IntEnum):
    """etcd's alarms; NONE stands for all of them in a question."""

    NONE = 0
    NOSPACE = 1
    CORRUPT = 2


class Alarm(NamedTuple):
    """An alarm that is raised. An alarm of a future release keeps its number as plain `int`."""

    member_id: MemberId
    alarm: AlarmType | int

    def __str__(self) -> str:
        name = self.alarm.name if isinstance(self.alarm, AlarmType) else f"alarm {self.alarm}"
        return f"{name} on member {hex_id(self.member_id)}"


class PermissionType(IntEnum):
    """What a permission allows."""

    READ = 0
    WRITE = 1
    READWRITE = 2


class Permission(NamedTuple):
    """A right on one key (`range_end` empty), a range, or everything from `key` on (`range_end` one zero byte)."""

    kind: PermissionType
    key: bytes
    range_end: bytes = b""


@dataclass(frozen=True, slots=True)
class LeaseGrant:
    """A lease as etcd granted it, which may be longer than asked for."""

    header: Header
    lease_id: LeaseId
    ttl_seconds: int


@dataclass(frozen=True, slots=True)
class LeaseTimeToLive:
    """The state of a lease; `ttl_seconds` is -1 when it does not exist or has expired."""

    header: Header
    lease_id: LeaseId
    ttl_seconds: int
    granted_ttl_seconds: int
    keys: tuple[bytes, ...]


def header_of(message: rpc.ResponseHeader) -> Header:
    """The values of a response header."""
    return Header(
        ClusterId(message.cluster_id), MemberId(message.member_id), Revision(message.revision), message.raft_term
    )


def key_value_of(message: kv.KeyValue) -> KeyValue:
    """The values of a key."""
    return KeyValue(
        message.key, message.value, Revision(message.create_revision), Revision(message.mod_revision), message.version,
        LeaseId(message.lease),
    )  # fmt: skip


def range_of(message: rpc.RangeResponse) -> RangeResult:
    """The values of a range response."""
    items = tuple(key_value_of(item) for item in message.kvs)
    return RangeResult(header_of(message.header), items, message.more, message.count)


def put_of(message: rpc.PutResponse) -> PutResult:
    """The values of a put response."""
    previous = key_value_of(message.prev_kv) if message.HasField("prev_kv") else None
    return PutResult(header_of(message.header), previous)


def delete_of(message: rpc.DeleteRangeResponse) -> DeleteResult:
    """The values of a delete response."""
    previous = tuple(key_value_of(item) for item in message.prev_kvs)
    return DeleteResult(header_of(message.header), message.deleted, previous)


def txn_of(message: rpc.TxnResponse) -> TxnResult:
    """The values of a transaction's response, nested ones included."""
    responses: list[RangeResult | PutResult | DeleteResult | TxnResult] = []
    for response in message.responses:
        match response.WhichOneof("response"):
            case "response_range":
                responses.append(range_of(response.response_range))
            case "response_put":
                responses.append(put_of(response.response_put))
            case "response_delete_range":
                responses.append(delete_of(response.response_delete_range))
            case "response_txn":
                responses.append(txn_of(response.response_txn))
            case _:
                continue  # an operation of a future release, which we cannot have sent
    return TxnResult(header_of(message.header), message.succeeded, tuple(responses))


def member_of(message: rpc.Member) -> Member:
    """The values of a member."""
    return Member(
        MemberId(message.ID), message.name, tuple(message.peerURLs), tuple(message.clientURLs), message.isLearner
    )


def status_of(message: rpc.StatusResponse) -> MemberStatus:
    """The values of a status response."""
    return MemberStatus(
        header=header_of(message.header),
        version=message.version,
        database_size_bytes=message.dbSize,
        database_in_use_bytes=message.dbSizeInUse,
        leader=MemberId(message.leader),
        raft_index=message.raftIndex,
        raft_term=message.raftTerm,
        raft_applied_index=message.raftAppliedIndex,
        errors=tuple(text.strip() for text in message.errors),
        is_learner=message.isLearner,
        storage_version=message.storageVersion,
        quota_bytes=message.dbSizeQuota,
        downgrade_target=message.downgradeInfo.targetVersion if message.downgradeInfo.enabled else "",
    )


def hash_kv_of(message: rpc.HashKVResponse, asked: Revision) -> HashKV:
    """The values of a HashKV response; releases before 3.6 do not say which revision they hashed."""
    hashed = asked or message.hash_revision or message.header.revision
    return HashKV(message.hash, Revision(message.compact_revision), Revision(message.hash_revision), Revision(hashed))


def alarm_of(message: rpc.AlarmMember) -> Alarm:
    """The values of an alarm."""
    number = int(message.alarm)
    known = {alarm.value for alarm in AlarmType}
    return Alarm(MemberId(message.memberID), AlarmType(number) if number in known else number)


def permission_of(message: auth.Permission) -> Permission:
    """The values of a permission."""
    return Permission(PermissionType(int(message.permType)), message.key, message.range_end)
