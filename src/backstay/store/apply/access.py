"""Changes of users, roles and permissions.

Every change that has an effect counts the auth revision up by one, switching off included, switching on not. Permission
to make it has been checked before (`permissions`).
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace

from backstay.formats import requests
from backstay.formats.schema import Permission, PermissionType, Role, User, permission_type
from backstay.store import refusals
from backstay.store.answers import AuthStatusAnswer, NamesAnswer, PermissionsAnswer
from backstay.store.apply.permissions import ROOT
from backstay.store.ranges import FROM_KEY_ON
from backstay.store.refusals import Refused
from backstay.store.state import Access

_EVERYTHING = Permission(PermissionType.READWRITE, b"", FROM_KEY_ON)


def enable(access: Access, _: requests.AuthEnable) -> None:
    """Switch access control on; needs the user root with the role root."""
    if access.enabled:
        return
    root = access.users.get(ROOT)
    if root is None:
        raise Refused(refusals.ROOT_USER_MISSING)
    if ROOT not in root.roles:
        raise Refused(refusals.ROOT_ROLE_MISSING)
    access.enabled = True


def disable(access: Access, _: requests.AuthDisable) -> None:
    """Switch access control off."""
    if access.enabled:
        access.enabled = False
        access.revision += 1


def status(access: Access, _: requests.AuthStatus) -> AuthStatusAnswer:
    """Whether access control is on."""
    return AuthStatusAnswer(access.enabled, access.revision)


def add_user(access: Access, request: requests.UserAdd) -> None:
    """Create a user."""
    if not request.name:
        raise Refused(refusals.USER_EMPTY)
    if request.name in access.users:
        raise Refused(refusals.USER_EXISTS)
    no_password = request.options is not None and request.options.no_password
    password = b"" if no_password else _password(access, request.name, request.password, request.hashed_password)
    access.users[request.name] = User(request.name, password, no_password=no_password)
    access.revision += 1


def delete_user(access: Access, request: requests.UserDelete) -> None:
    """Delete a user; not root while access control is on."""
    if access.enabled and request.name == ROOT:
        raise Refused(refusals.INVALID_AUTH_MANAGEMENT)
    del access.users[_user(access, request.name).name]
    access.revision += 1


def change_password(access: Access, request: requests.UserChangePassword) -> None:
    """Give a user another password."""
    user = _user(access, request.name)
    password = b""
    if not user.no_password:
        password = _password(access, request.name, request.password, request.hashed_password)
    access.users[user.name] = replace(user, password=password)
    access.revision += 1


def grant_role(access: Access, request: requests.UserGrantRole) -> None:
    """Give a role to a user; one the user has already changes nothing."""
    user = _user(access, request.user)
    if request.role != ROOT and request.role not in access.roles:
        raise Refused(refusals.ROLE_NOT_FOUND)
    if request.role in user.roles:
        return
    access.users[user.name] = replace(user, roles=tuple(sorted((*user.roles, request.role), key=str.encode)))
    access.revision += 1


def revoke_role(access: Access, request: requests.UserRevokeRole) -> None:
    """Take a role from a user."""
    if access.enabled and request.name == ROOT and request.role == ROOT:
        raise Refused(refusals.INVALID_AUTH_MANAGEMENT)
    user = _user(access, request.name)
    if request.role not in user.roles:
        raise Refused(refusals.ROLE_NOT_GRANTED)
    access.users[user.name] = _without_role(user, request.role)
    access.revision += 1


def get_user(access: Access, request: requests.UserGet) -> NamesAnswer:
    """The roles of one user."""
    return NamesAnswer(_user(access, request.name).roles)


def list_users(access: Access, _: requests.UserList) -> NamesAnswer:
    """All users."""
    return NamesAnswer(tuple(sorted(access.users, key=str.encode)))


def list_roles(access: Access, _: requests.RoleList) -> NamesAnswer:
    """All roles that exist as objects."""
    return NamesAnswer(tuple(sorted(access.roles, key=str.encode)))


def add_role(access: Access, request: requests.RoleAdd) -> None:
    """Create a role."""
    if not request.name:
        raise Refused(refusals.ROLE_EMPTY)
    if request.name in access.roles:
        raise Refused(refusals.ROLE_EXISTS)
    access.roles[request.name] = Role(request.name)
    access.revision += 1


def delete_role(access: Access, request: requests.RoleDelete) -> None:
    """Delete a role and take it from every user; not root while access control is on."""
    if access.enabled and request.role == ROOT:
        raise Refused(refusals.INVALID_AUTH_MANAGEMENT)
    del access.roles[_role(access, request.role).name]
    for user in list(access.users.values()):
        if request.role in user.roles:
            access.users[user.name] = _without_role(user, request.role)
    access.revision += 1


def get_role(access: Access, request: requests.RoleGet) -> PermissionsAnswer:
    """The permissions of one role."""
    role = _role(access, request.role)
    return PermissionsAnswer((_EVERYTHING,) if role.name == ROOT else role.permissions)


def grant_permission(access: Access, request: requests.RoleGrantPermission) -> None:
    """Add a permission to a role, or change the kind of the one over the same range."""
    given = request.permission
    if given is None:
        raise Refused(refusals.PERMISSION_NOT_GIVEN)
    backwards = given.range_end not in (b"", FROM_KEY_ON) and given.range_end <= given.key
    if not given.key or backwards:
        raise Refused(refusals.INVALID_AUTH_MANAGEMENT)
    role = _role(access, request.name)
    permission = Permission(permission_type(given.kind), given.key, given.range_end)
    # Only the first permission of this key is looked at, as in etcd: a second range that begins alike is added anew.
    same_key = [at for at, each in enumerate(role.permissions) if each.key == given.key]
    permissions = list(role.permissions)
    if same_key and permissions[same_key[0]].range_end == given.range_end:
        permissions[same_key[0]] = permission
    else:
        permissions.append(permission)
        permissions.sort(key=lambda each: each.key)
    access.roles[role.name] = replace(role, permissions=tuple(permissions))
    access.revision += 1


def revoke_permission(access: Access, request: requests.RoleRevokePermission) -> None:
    """Remove the permissions over exactly this range from a role."""
    role = _role(access, request.role)
    wanted = (request.key, request.range_end)
    kept = tuple(each for each in role.permissions if (each.key, each.range_end) != wanted)
    if len(kept) == len(role.permissions):
        raise Refused(refusals.PERMISSION_NOT_GRANTED)
    access.roles[role.name] = replace(role, permissions=kept)
    access.revision += 1


def _user(access: Access, name: str) -> User:
    user = access.users.get(name)
    if user is None:
        raise Refused(refusals.USER_NOT_FOUND)
    return user


def _role(access: Access, name: str) -> Role:
    role = access.roles.get(name)
    if role is None:
        raise Refused(refusals.ROLE_NOT_FOUND)
    return role


def _without_role(user: User, role: str) -> User:
    return replace(user, roles=tuple(each for each in user.roles if each != role))


def _password(access: Access, name: str, plain: str, hashed: str) -> bytes:
    """The bcrypt text to store. Logs of 3.4 hold the password itself, which every member hashed for itself.

    No two such hashes are alike, so the one that the database would hold cannot be found out; the user is noted instead.
    """
    if plain and not hashed:
        access.unhashed.append(name)
        return b""
    try:
        return base64.b64decode(hashed, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(refusals.NO_PASSWORD_USER) from None
