"""What an identity needs for calls that are no log entries, or whose entries etcd lets pass: the newest releases' rules.

What an entry needs is decided when it is applied (`apply.permissions`); here stands the rest of the table.
"""

from __future__ import annotations

from backstay.formats import requests
from backstay.formats.requests import AlarmAction, Message
from backstay.store import refusals
from backstay.store.apply.permissions import Identity, check_permission, require_admin
from backstay.store.refusals import Refused
from backstay.store.state import StoreState
from backstay.values import LeaseId


def check_rights(state: StoreState, identity: Identity, body: Message) -> None:
    """Refuse `body` before it is taken on. Raises `Refused`."""
    if not state.access.enabled:
        return
    if isinstance(body, requests.Compaction) or (isinstance(body, requests.Alarm) and body.action != AlarmAction.GET):
        require_admin(state.access, identity)
    elif isinstance(body, requests.LeaseGrant | requests.LeaseRevoke | requests.Alarm):
        require_identity(state, identity)


def require_identity(state: StoreState, identity: Identity) -> None:
    """Refuse a caller that has not said who it is, while access control is on. Raises `Refused`."""
    if state.access.enabled and not identity.username:
        raise Refused(refusals.USER_EMPTY)


def require_administrator(state: StoreState, identity: Identity) -> None:
    """Refuse a caller without the role root, while access control is on. Raises `Refused`."""
    if state.access.enabled:
        require_admin(state.access, identity)


def check_attached(state: StoreState, identity: Identity, lease: LeaseId, *, writes: bool) -> None:
    """Refuse a caller that may not write (else: read) every key attached to `lease`. Raises `Refused`."""
    require_identity(state, identity)
    for key in state.leases.keys(lease) if state.access.enabled else ():
        check_permission(state, identity, requests.Put(key) if writes else requests.Range(key))
