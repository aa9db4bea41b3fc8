"""Requests about users, roles and permissions, as they stand in the log (etcd-files section 6.5).

From 3.5 on passwords arrive hashed: `hashed_password` is the base64 of the bcrypt text. Logs of 3.4 hold the password
itself, which is why neither is part of a printed request.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from backstay.formats.requests.codec import Field, Kind, Message

_NAME: tuple[Field, ...] = (Field(1, "name", Kind.TEXT),)
_ROLE: tuple[Field, ...] = (Field(1, "role", Kind.TEXT),)


@dataclass(frozen=True, slots=True)
class AuthEnable(Message):
    """Switch access control on."""


@dataclass(frozen=True, slots=True)
class AuthDisable(Message):
    """Switch access control off."""


@dataclass(frozen=True, slots=True)
class AuthStatus(Message):
    """Ask whether access control is on; changes nothing."""


@dataclass(frozen=True, slots=True)
class Authenticate(Message):
    """Make a token of the simple kind valid on every member; changes nothing that is stored."""

    name: str = ""
    password: str = field(default="", repr=False)
    simple_token: str = field(default="", repr=False)

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(1, "name", Kind.TEXT),
        Field(2, "password", Kind.TEXT),
        Field(3, "simple_token", Kind.TEXT),
    )


@dataclass(frozen=True, slots=True)
class UserOptions(Message):
    """Whether a user may only come with a certificate."""

    no_password: bool = False

    FIELDS: ClassVar[tuple[Field, ...]] = (Field(1, "no_password", Kind.FLAG),)


@dataclass(frozen=True, slots=True)
class UserAdd(Message):
    """Create a user."""

    name: str = ""
    password: str = field(default="", repr=False)
    options: UserOptions | None = None
    hashed_password: str = field(default="", repr=False)

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(1, "name", Kind.TEXT),
        Field(2, "password", Kind.TEXT),
        Field(3, "options", Kind.MESSAGE, UserOptions, optional=True),
        Field(4, "hashed_password", Kind.TEXT),
    )


@dataclass(frozen=True, slots=True)
class UserGet(Message):
    """Read one user; changes nothing."""

    name: str = ""

    FIELDS: ClassVar[tuple[Field, ...]] = _NAME


@dataclass(frozen=True, slots=True)
class UserDelete(Message):
    """Delete a user."""

    name: str = ""

    FIELDS: ClassVar[tuple[Field, ...]] = _NAME


@dataclass(frozen=True, slots=True)
class UserChangePassword(Message):
    """Give a user another password."""

    name: str = ""
    password: str = field(default="", repr=False)
    hashed_password: str = field(default="", repr=False)

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(1, "name", Kind.TEXT),
        Field(2, "password", Kind.TEXT),
        Field(3, "hashed_password", Kind.TEXT),
    )


@dataclass(frozen=True, slots=True)
class UserGrantRole(Message):
    """Give a role to a user."""

    user: str = ""
    role: str = ""

    FIELDS: ClassVar[tuple[Field, ...]] = (Field(1, "user", Kind.TEXT), Field(2, "role", Kind.TEXT))


@dataclass(frozen=True, slots=True)
class UserRevokeRole(Message):
    """Take a role from a user."""

    name: str = ""
    role: str = ""

    FIELDS: ClassVar[tuple[Field, ...]] = (Field(1, "name", Kind.TEXT), Field(2, "role", Kind.TEXT))


@dataclass(frozen=True, slots=True)
class UserList(Message):
    """List users; changes nothing."""


@dataclass(frozen=True, slots=True)
class RoleList(Message):
    """List roles; changes nothing."""


@dataclass(frozen=True, slots=True)
class RoleAdd(Message):
    """Create a role without permissions."""

    name: str = ""

    FIELDS: ClassVar[tuple[Field, ...]] = _NAME


@dataclass(frozen=True, slots=True)
class RoleDelete(Message):
    """Delete a role and take it from every user."""

    role: str = ""

    FIELDS: ClassVar[tuple[Field, ...]] = _ROLE


@dataclass(frozen=True, slots=True)
class RoleGet(Message):
    """Read one role; changes nothing."""

    role: str = ""

    FIELDS: ClassVar[tuple[Field, ...]] = _ROLE


@dataclass(frozen=True, slots=True)
class GrantedPermission(Message):
    """authpb.Permission inside a request; `kind` is a PermissionType."""

    kind: int = 0
    key: bytes = b""
    range_end: bytes = b""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(1, "kind", Kind.SIGNED),
        Field(2, "key", Kind.BYTES),
        Field(3, "range_end", Kind.BYTES),
    )


@dataclass(frozen=True, slots=True)
class RoleGrantPermission(Message):
    """Add a permission to a role, or change the kind of the one over the same range."""

    name: str = ""
    permission: GrantedPermission | None = None

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(1, "name", Kind.TEXT),
        Field(2, "permission", Kind.MESSAGE, GrantedPermission, optional=True),
    )


@dataclass(frozen=True, slots=True)
class RoleRevokePermission(Message):
    """Remove the permission over exactly this range from a role."""

    role: str = ""
    key: bytes = b""
    range_end: bytes = b""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(1, "role", Kind.TEXT),
        Field(2, "key", Kind.BYTES),
        Field(3, "range_end", Kind.BYTES),
    )
