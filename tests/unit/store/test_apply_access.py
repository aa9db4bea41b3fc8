"""Access control: changes of users and roles, the auth revision, and who may do what while it is on."""

from __future__ import annotations

import pytest

from backstay.formats.requests import (
    AuthDisable,
    AuthEnable,
    Authenticate,
    AuthStatus,
    Compaction,
    Compare,
    DeleteRange,
    GrantedPermission,
    LeaseGrant,
    LeaseRevoke,
    Message,
    Operation,
    Put,
    Range,
    RoleAdd,
    RoleDelete,
    RoleGet,
    RoleGrantPermission,
    RoleList,
    RoleRevokePermission,
    Txn,
    UserAdd,
    UserChangePassword,
    UserDelete,
    UserGet,
    UserGrantRole,
    UserList,
    UserOptions,
    UserRevokeRole,
)
from backstay.formats.schema import Permission, PermissionType, decode_user
from backstay.store import refusals
from backstay.store.answers import AuthStatusAnswer, NamesAnswer, PermissionsAnswer
from backstay.store.refusals import Refusal
from backstay.store.state import StoreState, load_state
from tests.unit.store.building import database, do, empty, refusal_of

READ, WRITE, BOTH = PermissionType.READ, PermissionType.WRITE, PermissionType.READWRITE


def grant(role: str, kind: int, key: bytes, range_end: bytes = b"") -> RoleGrantPermission:
    return RoleGrantPermission(role, GrantedPermission(kind, key, range_end))


@pytest.fixture
def state() -> StoreState:
    """root with everything; alice may read and write /app/, read [m1, m5) in two pieces, and write the key w."""
    state = empty()
    for body in (
        UserAdd("root", hashed_password="eA=="),
        UserGrantRole("root", "root"),
        UserAdd("alice", hashed_password="eQ=="),
        RoleAdd("app"),
        grant("app", BOTH, b"/app/", b"/app0"),
        grant("app", READ, b"m1", b"m3"),
        RoleAdd("more"),
        grant("more", READ, b"m3", b"m5"),
        grant("more", WRITE, b"w"),
        UserGrantRole("alice", "app"),
        UserGrantRole("alice", "more"),
    ):
        do(state, body)
    return state


@pytest.fixture
def guarded(state: StoreState) -> StoreState:
    do(state, LeaseGrant(60, 5))
    do(state, Put(b"secret", lease=5))
    do(state, AuthEnable())
    return state


# The revision counter and the tables.


def test_the_auth_revision_counts_effective_changes_and_switching_off(state: StoreState) -> None:
    def revision() -> int:
        answer = do(state, AuthStatus(), "root", 99).answer
        assert isinstance(answer, AuthStatusAnswer)
        return answer.auth_revision

    assert revision() == 12
    do(state, UserGrantRole("alice", "app"))
    do(state, AuthEnable())
    do(state, AuthEnable(), "root", 12)
    do(state, Authenticate("root", "secret"))
    assert revision() == 12
    do(state, AuthDisable(), "root", 12)
    do(state, AuthDisable())
    assert revision() == 13


def test_a_fresh_store_begins_with_auth_revision_1() -> None:
    assert do(empty(), AuthStatus()).answer == AuthStatusAnswer(False, 1)


def test_users_and_roles_survive_in_their_buckets(state: StoreState) -> None:
    do(state, UserAdd("cert", options=UserOptions(True), hashed_password="eg=="))
    do(state, AuthEnable())
    names = ("auth", "authRoles", "authUsers")
    again = load_state(database(**{name: dict(state.bucket_items(name.encode())) for name in names}))
    assert again.access == state.access
    users = [decode_user(value) for _, value in again.bucket_items(b"authUsers")]
    assert [(user.name, user.password, user.no_password) for user in users] == [
        ("alice", b"y", False),
        ("cert", b"", True),
        ("root", b"x", False),
    ]


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (UserAdd(""), refusals.USER_EMPTY),
        (UserAdd("alice"), refusals.USER_EXISTS),
        (UserAdd("x", hashed_password="not base64"), refusals.NO_PASSWORD_USER),
        (UserDelete("nobody"), refusals.USER_NOT_FOUND),
        (UserChangePassword("nobody"), refusals.USER_NOT_FOUND),
        (UserGet("nobody"), refusals.USER_NOT_FOUND),
        (UserGrantRole("nobody", "app"), refusals.USER_NOT_FOUND),
        (UserGrantRole("alice", "none"), refusals.ROLE_NOT_FOUND),
        (UserRevokeRole("nobody", "app"), refusals.USER_NOT_FOUND),
        (UserRevokeRole("alice", "root"), refusals.ROLE_NOT_GRANTED),
        (RoleAdd(""), refusals.ROLE_EMPTY),
        (RoleAdd("app"), refusals.ROLE_EXISTS),
        (RoleDelete("none"), refusals.ROLE_NOT_FOUND),
        (RoleGet("root"), refusals.ROLE_NOT_FOUND),
        (RoleGrantPermission("app"), refusals.PERMISSION_NOT_GIVEN),
        (grant("none", READ, b"a"), refusals.ROLE_NOT_FOUND),
        (grant("app", READ, b""), refusals.INVALID_AUTH_MANAGEMENT),
        (grant("app", READ, b"b", b"a"), refusals.INVALID_AUTH_MANAGEMENT),
        (RoleRevokePermission("app", b"m1"), refusals.PERMISSION_NOT_GRANTED),
        (RoleRevokePermission("none", b"m1"), refusals.ROLE_NOT_FOUND),
    ],
)
def test_changes_that_cannot_be_made(state: StoreState, body: Message, refusal: Refusal) -> None:
    assert refusal_of(state, body) == refusal


def test_switching_on_needs_a_root_that_is_one() -> None:
    state = empty()
    assert refusal_of(state, AuthEnable()) == refusals.ROOT_USER_MISSING
    do(state, UserAdd("root"))
    assert refusal_of(state, AuthEnable()) == refusals.ROOT_ROLE_MISSING


def test_root_cannot_be_taken_away_while_access_control_is_on(guarded: StoreState) -> None:
    for body in (UserDelete("root"), UserRevokeRole("root", "root"), RoleDelete("root")):
        assert refusal_of(guarded, body, "root", 12) == refusals.INVALID_AUTH_MANAGEMENT


def test_permissions_are_kept_by_key_and_replaced_over_the_same_range(state: StoreState) -> None:
    do(state, grant("app", WRITE, b"/app/", b"/app0"))
    do(state, grant("app", READ, b"a", b"\0"))
    assert do(state, RoleGet("app")).answer == PermissionsAnswer(
        (
            Permission(WRITE, b"/app/", b"/app0"),
            Permission(READ, b"a", b"\0"),
            Permission(READ, b"m1", b"m3"),
        )
    )
    do(state, RoleRevokePermission("app", b"a", b"\0"))
    do(state, RoleDelete("app"))
    assert do(state, UserGet("alice")).answer == NamesAnswer(("more",))
    assert do(state, RoleList()).answer == NamesAnswer(("more",))
    do(state, RoleAdd("root"))
    assert do(state, RoleGet("root")).answer == PermissionsAnswer((Permission(BOTH, b"", b"\0"),))


def test_a_password_in_clear_text_is_not_kept_but_its_user_is_noted(state: StoreState) -> None:
    do(state, UserChangePassword("alice", "hunter2"))
    assert state.access.users["alice"].password == b""
    assert state.access.unhashed == ["alice"]


# Who may do what.

PUT_ELSEWHERE = Txn(failure=(Operation(txn=Txn(success=(Operation(put=Put(b"x")),))),))


@pytest.mark.parametrize(
    ("body", "allowed"),
    [
        (Put(b"/app/x"), True),
        (Put(b"w"), True),
        (Put(b"w", prev_kv=True), False),
        (Put(b"x"), False),
        (Put(b"/app/x", lease=5), False),  # the key `secret` is attached to it
        (Range(b"m1", b"m5"), True),  # two permissions that touch
        (Range(b"m1", b"m6"), False),
        (Range(b"m1", b"\0"), False),
        (Range(b"w"), False),
        (DeleteRange(b"/app/", b"/app0", True), True),
        (DeleteRange(b"/app"), False),
        (DeleteRange(b"/app/z", b"/app/a"), True),  # an empty range needs no more than its start
        (DeleteRange(b"/app0", b"/app/"), False),
        (Txn((Compare(key=b"m2", version=0),), (Operation(put=Put(b"/app/y")),)), True),
        (Txn((Compare(key=b"x", version=0),)), False),
        (PUT_ELSEWHERE, False),
        (Txn(), True),
        (LeaseRevoke(5), False),
        (LeaseGrant(60, 6), True),
        (Compaction(1), True),  # decided before it is proposed
        (UserGet("alice"), True),
        (UserGet("root"), False),
        (RoleGet("app"), True),
        (RoleGet("none"), False),
        (UserList(), False),
        (RoleAdd("x"), False),
        (AuthDisable(), False),
    ],
)
def test_what_a_user_may_do(guarded: StoreState, body: Message, allowed: bool) -> None:
    if allowed:
        do(guarded, body, "alice", 12)
    else:
        assert refusal_of(guarded, body, "alice", 12) == refusals.PERMISSION_DENIED


def test_identities_that_are_missing_old_or_deleted(guarded: StoreState) -> None:
    assert refusal_of(guarded, Put(b"w")) == refusals.USER_EMPTY
    assert refusal_of(guarded, RoleAdd("x")) == refusals.USER_EMPTY
    assert refusal_of(guarded, Put(b"w"), "alice", 11) == refusals.OLD_AUTH_REVISION
    assert refusal_of(guarded, Put(b"w"), "nobody", 12) == refusals.PERMISSION_DENIED
    assert refusal_of(guarded, RoleAdd("x"), "nobody", 12) == refusals.USER_NOT_FOUND


def test_root_may_do_everything_with_a_current_identity(guarded: StoreState) -> None:
    assert refusal_of(guarded, Put(b"x"), "root", 11) == refusals.OLD_AUTH_REVISION
    for body in (Put(b"x", lease=5), LeaseRevoke(5), RoleAdd("x")):
        do(guarded, body, "root", 12)
