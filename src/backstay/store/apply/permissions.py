"""What an identity may do while access control is on.

Checked when an entry is applied, by the name and the auth revision in the request's header: rights may have changed
since it was proposed. These are the rules of the newest releases; up to 3.5.27 and 3.6.8 nested transactions went
unchecked, so a tail of theirs in which a user overstepped that way reads differently here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from backstay.formats import requests
from backstay.formats.requests import Message
from backstay.formats.schema import PermissionType, User
from backstay.store import refusals
from backstay.store.ranges import KeyRange, RangeSet, key_range
from backstay.store.refusals import Refused
from backstay.store.state import Access, StoreState
from backstay.values import LeaseId

ROOT = "root"
"""The user, and the role that may do everything; the role needs no object of its own."""


class Identity(NamedTuple):
    """Who asks, and the auth revision their token was made at; 0 without an identity."""

    username: str
    auth_revision: int


_ADMIN_ONLY = (
    requests.AuthEnable,
    requests.AuthDisable,
    requests.UserAdd,
    requests.UserDelete,
    requests.UserChangePassword,
    requests.UserGrantRole,
    requests.UserRevokeRole,
    requests.UserList,
    requests.RoleAdd,
    requests.RoleDelete,
    requests.RoleGrantPermission,
    requests.RoleRevokePermission,
    requests.RoleList,
)


def check_permission(state: StoreState, identity: Identity, body: Message) -> None:
    """Refuse `body` if `identity` may not ask for it. Raises `Refused`."""
    access = state.access
    if not access.enabled:
        return
    if isinstance(body, _ADMIN_ONLY):
        require_admin(access, identity)
    elif isinstance(body, requests.Put):
        _check_put(state, identity, body)
    elif isinstance(body, requests.Range):
        _require_read(access, identity, key_range(body.key, body.range_end))
    elif isinstance(body, requests.DeleteRange):
        _check_delete(access, identity, body)
    elif isinstance(body, requests.Txn):
        _check_txn(state, identity, body)
    elif isinstance(body, requests.LeaseRevoke):
        _check_lease(state, identity, body.id)
    elif isinstance(body, requests.UserGet):
        if body.name != identity.username:
            require_admin(access, identity)
    elif isinstance(body, requests.RoleGet):
        user = access.users.get(identity.username)
        if user is None or body.role not in user.roles:
            require_admin(access, identity)


def is_admin(access: Access, identity: Identity) -> bool:
    """Whether the identity holds the role root."""
    user = access.users.get(identity.username)
    return user is not None and ROOT in user.roles


def require_admin(access: Access, identity: Identity) -> None:
    """Refuse an identity without the role root. Raises `Refused`."""
    if not identity.username:
        raise Refused(refusals.USER_EMPTY)
    if identity.username not in access.users:
        raise Refused(refusals.USER_NOT_FOUND)
    if not is_admin(access, identity):
        raise Refused(refusals.PERMISSION_DENIED)


def _check_put(state: StoreState, identity: Identity, put: requests.Put) -> None:
    point = key_range(put.key, b"")
    _require_write(state.access, identity, point)
    _check_lease(state, identity, put.lease)
    if put.prev_kv:
        _require_read(state.access, identity, point)


def _check_delete(access: Access, identity: Identity, delete: requests.DeleteRange) -> None:
    within = key_range(delete.key, delete.range_end)
    _require_write(access, identity, within)
    if delete.prev_kv:
        _require_read(access, identity, within)


def _check_txn(state: StoreState, identity: Identity, txn: requests.Txn) -> None:
    for compare in txn.compare:
        _require_read(state.access, identity, key_range(compare.key, compare.range_end))
    for operation in (*txn.success, *txn.failure):
        for part in (operation.range, operation.put, operation.delete_range, operation.txn):
            if part is not None:
                check_permission(state, identity, part)


def _check_lease(state: StoreState, identity: Identity, lease: int) -> None:
    """Whoever attaches a key to a lease, or revokes it, decides over all its keys."""
    if is_admin(state.access, identity):
        return
    for key in state.leases.keys(LeaseId(lease)):
        _require_write(state.access, identity, key_range(key, b""))


def _require_read(access: Access, identity: Identity, wanted: KeyRange) -> None:
    _require(access, identity, wanted, (PermissionType.READ, PermissionType.READWRITE))


def _require_write(access: Access, identity: Identity, wanted: KeyRange) -> None:
    _require(access, identity, wanted, (PermissionType.WRITE, PermissionType.READWRITE))


def _require(access: Access, identity: Identity, wanted: KeyRange, kinds: Iterable[PermissionType]) -> None:
    if identity.auth_revision == 0:
        raise Refused(refusals.USER_EMPTY)
    if identity.auth_revision < access.revision:
        raise Refused(refusals.OLD_AUTH_REVISION)
    user = access.users.get(identity.username)
    if user is None:
        raise Refused(refusals.PERMISSION_DENIED)
    if ROOT not in user.roles and not _granted(access, user, kinds).covers(wanted):
        raise Refused(refusals.PERMISSION_DENIED)


def _granted(access: Access, user: User, kinds: Iterable[PermissionType]) -> RangeSet:
    """Everything the user's roles allow of these kinds; permissions that touch add up."""
    wanted = tuple(kinds)
    return RangeSet(
        key_range(permission.key, permission.range_end)
        for name in user.roles
        if name in access.roles
        for permission in access.roles[name].permissions
        if permission.kind in wanted
    )
