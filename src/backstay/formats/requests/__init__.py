"""What a log entry asks for: InternalRaftRequest and the messages inside it (etcd-files section 6.5).

    InternalRaftRequest     1 ID, then one body: 3 range ... 11 lease_checkpoint, 1000 auth_enable ... 9900
                            100 header {1 ID, 2 username, 3 auth_revision}, written in the order of numbers
    v2 Request, bare        recognised by the missing header and by varints in fields 5 to 17, where the other has messages

    22 06 0a 01 61 12 01 31 a2 06 03 08 d2 09      body 4: Put {key "a", value "1"}, header {ID 1234}

Decoding never depends on the store; what a request does is `store.apply`. Encoding gives etcd's own bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from backstay.errors import FormatError
from backstay.formats import protowire
from backstay.formats.requests.auth import (
    AuthDisable,
    AuthEnable,
    Authenticate,
    AuthStatus,
    GrantedPermission,
    RoleAdd,
    RoleDelete,
    RoleGet,
    RoleGrantPermission,
    RoleList,
    RoleRevokePermission,
    UserAdd,
    UserChangePassword,
    UserDelete,
    UserGet,
    UserGrantRole,
    UserList,
    UserOptions,
    UserRevokeRole,
)
from backstay.formats.requests.cluster import (
    ClusterVersionSet,
    DowngradeInfoSet,
    DowngradeVersionTest,
    MemberAttributes,
    MemberAttributesSet,
    V2Request,
)
from backstay.formats.requests.codec import Field, Kind, Message, decode, encode
from backstay.formats.requests.keys import (
    Alarm,
    AlarmAction,
    Compaction,
    Compare,
    CompareResult,
    CompareTarget,
    DeleteRange,
    LeaseCheckpoint,
    LeaseGrant,
    LeaseRevoke,
    Operation,
    Put,
    Range,
    RemainingTime,
    SortOrder,
    SortTarget,
    Txn,
)

__all__ = [
    "Alarm",
    "AlarmAction",
    "AuthDisable",
    "AuthEnable",
    "AuthStatus",
    "Authenticate",
    "ClusterVersionSet",
    "Compaction",
    "Compare",
    "CompareResult",
    "CompareTarget",
    "DeleteRange",
    "DowngradeInfoSet",
    "DowngradeVersionTest",
    "GrantedPermission",
    "LeaseCheckpoint",
    "LeaseGrant",
    "LeaseRevoke",
    "MemberAttributes",
    "MemberAttributesSet",
    "Message",
    "Operation",
    "Put",
    "Range",
    "RemainingTime",
    "Request",
    "RoleAdd",
    "RoleDelete",
    "RoleGet",
    "RoleGrantPermission",
    "RoleList",
    "RoleRevokePermission",
    "SortOrder",
    "SortTarget",
    "Txn",
    "UserAdd",
    "UserChangePassword",
    "UserDelete",
    "UserGet",
    "UserGrantRole",
    "UserList",
    "UserOptions",
    "UserRevokeRole",
    "V2Request",
    "decode_plain_put",
    "decode_request",
    "encode_request",
]

_ID = 1
_V2 = 2
_HEADER = 100
_V2_NUMBERS = range(5, 18)

_BODIES: dict[int, type[Message]] = {
    3: Range,
    4: Put,
    5: DeleteRange,
    6: Txn,
    7: Compaction,
    8: LeaseGrant,
    9: LeaseRevoke,
    10: Alarm,
    11: LeaseCheckpoint,
    1000: AuthEnable,
    1011: AuthDisable,
    1012: Authenticate,
    1013: AuthStatus,
    1100: UserAdd,
    1101: UserDelete,
    1102: UserGet,
    1103: UserChangePassword,
    1104: UserGrantRole,
    1105: UserRevokeRole,
    1106: UserList,
    1107: RoleList,
    1200: RoleAdd,
    1201: RoleDelete,
    1202: RoleGet,
    1203: RoleGrantPermission,
    1204: RoleRevokePermission,
    1300: ClusterVersionSet,
    1301: MemberAttributesSet,
    1302: DowngradeInfoSet,
    9900: DowngradeVersionTest,
}
_PUT_START = re.compile(rb"\x22([\x80-\xff]{0,4}[\x00-\x7f])\x0a([\x80-\xff]{0,2}[\x00-\x7f])", re.DOTALL)
_VALUE_START = re.compile(rb"\x12([\x80-\xff]{0,4}[\x00-\x7f])", re.DOTALL)
_PLAIN_HEADER = re.compile(rb"\xa2\x06[\x00-\x7f]\x08[\x80-\xff]{0,9}[\x00-\x7f]", re.DOTALL)  # an id, no user
_NUMBERS = {body: number for number, body in _BODIES.items()}


@dataclass(frozen=True, slots=True)
class _Header(Message):
    id: int = 0
    username: str = ""
    auth_revision: int = 0

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(1, "id", Kind.UNSIGNED),
        Field(2, "username", Kind.TEXT),
        Field(3, "auth_revision", Kind.UNSIGNED),
    )


@dataclass(frozen=True, slots=True)
class Request:
    """One log entry's request: who asks (empty without access control), and for what.

    `body` is None when the entry holds only what this release of backstay does not know.
    """

    body: Message | None
    id: int = 0
    username: str = ""
    auth_revision: int = 0


def decode_request(data: bytes) -> Request:
    """The request in the data of a log entry of type 0. Raises `FormatError`."""
    bodies: dict[int, bytes] = {}
    request_id, header, looks_old = 0, None, False
    for number, wire_type, content in protowire.read_fields(data):
        if isinstance(content, bytes):
            if number == _HEADER:
                header = decode(_Header, content)
            elif number == _V2 or number in _BODIES:
                bodies[number] = content
        elif number == _ID:
            request_id = content
        elif number in _V2_NUMBERS and wire_type == protowire.VARINT:
            looks_old = True
    if header is None and looks_old:
        return Request(decode(V2Request, data), request_id)
    header = header or _Header(request_id)
    if len(bodies) > 1:
        raise FormatError(f"a request has {len(bodies)} bodies: fields {sorted(bodies)}", offset=0)
    body: Message | None = None
    for number, content in bodies.items():
        body = decode(V2Request if number == _V2 else _BODIES[number], content)
    return Request(body, header.id, header.username, header.auth_revision)


def encode_request(request: Request) -> bytes:
    """`request` as etcd writes it into its log. Bodies of the v2 kind and unknown ones are never written."""
    if request.body is None or type(request.body) not in _NUMBERS:
        raise ValueError(f"a request of kind {type(request.body).__name__} cannot be written")
    number = _NUMBERS[type(request.body)]
    body = protowire.bytes_field(number, encode(request.body))
    header = protowire.bytes_field(_HEADER, encode(_Header(request.id, request.username, request.auth_revision)))
    return body + header if number < _HEADER else header + body


def decode_plain_put(data: bytes) -> tuple[bytes, bytes] | None:
    """Key and value of a put that says nothing else, as nearly all entries of a busy log do; None for every other."""
    found = _PUT_START.match(data)
    if found is None:
        return None
    body_end, key_start = found.end(1) + _varint(found[1]), found.end()
    key_end = value_end = key_start + _varint(found[2])
    value = b""
    if key_end < body_end:
        found = _VALUE_START.match(data, key_end)
        if found is None:
            return None
        value_end = found.end() + _varint(found[1])
        value = data[found.end() : value_end]
    header = _PLAIN_HEADER.match(data, body_end)
    is_whole = header is not None and header.end() == len(data) == body_end + 3 + data[body_end + 2]
    if value_end != body_end or key_start == key_end or not is_whole:
        return None
    return data[key_start:key_end], value


def _varint(encoded: bytes) -> int:
    value = 0
    for byte in reversed(encoded):
        value = value << 7 | byte & 0x7F
    return value
