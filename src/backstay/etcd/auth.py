"""etcd's own access control: switch it on and off, users, roles, permissions.

Reached as `client.auth`. How the client itself logs in is `transport/calls.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from backstay.etcd import methods, results
from backstay.etcd.pb import auth_pb2
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.etcd.results import Header, Permission, PermissionType, header_of
from backstay.etcd.transport.calls import Caller

_TYPES = {
    PermissionType.READ: auth_pb2.Permission.READ,
    PermissionType.WRITE: auth_pb2.Permission.WRITE,
    PermissionType.READWRITE: auth_pb2.Permission.READWRITE,
}


@dataclass(frozen=True, slots=True)
class AuthStatus:
    """Whether authentication is on, and the revision of the users and roles."""

    header: Header
    is_enabled: bool
    revision: int


class Auth:
    """etcd's Auth service. Changes need the role root while authentication is on."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def enable(self) -> Header:
        """Switch authentication on; needs a user root with the role root."""
        return header_of(self._caller.unary(methods.AUTH_ENABLE, rpc.AuthEnableRequest()).header)

    def disable(self) -> Header:
        """Switch authentication off."""
        return header_of(self._caller.unary(methods.AUTH_DISABLE, rpc.AuthDisableRequest()).header)

    def status(self) -> AuthStatus:
        """Whether authentication is on. Raises `REQUEST_REFUSED` on 3.4, which lacks the call."""
        response = self._caller.unary(methods.AUTH_STATUS, rpc.AuthStatusRequest())
        return AuthStatus(header_of(response.header), response.enabled, response.authRevision)

    def authenticate(self, name: str, password: str) -> str:
        """A token for the user. Raises `AUTHENTICATION_FAILED`."""
        return self._caller.unary(methods.AUTHENTICATE, rpc.AuthenticateRequest(name=name, password=password)).token

    def add_user(self, name: str, password: str = "", *, has_no_password: bool = False) -> Header:
        """Add a user; one without a password comes in by certificate only."""
        options = auth_pb2.UserAddOptions(no_password=has_no_password)
        request = rpc.AuthUserAddRequest(name=name, password=password, options=options)
        return header_of(self._caller.unary(methods.USER_ADD, request).header)

    def user_roles(self, name: str) -> tuple[str, ...]:
        """The roles of one user."""
        return tuple(self._caller.unary(methods.USER_GET, rpc.AuthUserGetRequest(name=name)).roles)

    def users(self) -> tuple[str, ...]:
        """The names of all users."""
        return tuple(self._caller.unary(methods.USER_LIST, rpc.AuthUserListRequest()).users)

    def delete_user(self, name: str) -> Header:
        """Delete a user and its tokens."""
        return header_of(self._caller.unary(methods.USER_DELETE, rpc.AuthUserDeleteRequest(name=name)).header)

    def change_password(self, name: str, password: str) -> Header:
        """Give a user a new password; its tokens end."""
        request = rpc.AuthUserChangePasswordRequest(name=name, password=password)
        return header_of(self._caller.unary(methods.USER_CHANGE_PASSWORD, request).header)

    def grant_role(self, user: str, role: str) -> Header:
        """Give a user a role."""
        request = rpc.AuthUserGrantRoleRequest(user=user, role=role)
        return header_of(self._caller.unary(methods.USER_GRANT_ROLE, request).header)

    def revoke_role(self, user: str, role: str) -> Header:
        """Take a role from a user."""
        request = rpc.AuthUserRevokeRoleRequest(name=user, role=role)
        return header_of(self._caller.unary(methods.USER_REVOKE_ROLE, request).header)

    def add_role(self, name: str) -> Header:
        """Add a role without permissions."""
        return header_of(self._caller.unary(methods.ROLE_ADD, rpc.AuthRoleAddRequest(name=name)).header)

    def role_permissions(self, name: str) -> tuple[Permission, ...]:
        """What a role may do."""
        response = self._caller.unary(methods.ROLE_GET, rpc.AuthRoleGetRequest(role=name))
        return tuple(results.permission_of(permission) for permission in response.perm)

    def roles(self) -> tuple[str, ...]:
        """The names of all roles."""
        return tuple(self._caller.unary(methods.ROLE_LIST, rpc.AuthRoleListRequest()).roles)

    def delete_role(self, name: str) -> Header:
        """Delete a role; users lose it."""
        return header_of(self._caller.unary(methods.ROLE_DELETE, rpc.AuthRoleDeleteRequest(role=name)).header)

    def grant_permission(self, role: str, permission: Permission) -> Header:
        """Add a permission to a role, or change the type of the one with the same range."""
        message = auth_pb2.Permission(
            permType=_TYPES[permission.kind], key=permission.key, range_end=permission.range_end
        )
        request = rpc.AuthRoleGrantPermissionRequest(name=role, perm=message)
        return header_of(self._caller.unary(methods.ROLE_GRANT_PERMISSION, request).header)

    def revoke_permission(self, role: str, key: bytes, range_end: bytes = b"") -> Header:
        """Remove the permission with exactly this range."""
        request = rpc.AuthRoleRevokePermissionRequest(role=role, key=key, range_end=range_end)
        return header_of(self._caller.unary(methods.ROLE_REVOKE_PERMISSION, request).header)
