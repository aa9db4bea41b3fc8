"""Leases, alarms, users and roles: known bytes, round trips, and what real servers wrote and said."""

from __future__ import annotations

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import FormatError
from backstay.formats import schema
from backstay.formats.bbolt import open_database
from backstay.values import LeaseId, MemberId
from tests import golden
from tests.unit.formats import databases

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
SIGNED = st.integers(-(1 << 63), (1 << 63) - 1)
PERMISSIONS = st.builds(
    schema.Permission, st.sampled_from(schema.PermissionType), st.binary(max_size=20), st.binary(max_size=20)
)
DECODERS = [
    lambda data: schema.decode_lease(data[:8], data[8:]),
    schema.decode_alarm,
    schema.decode_permission,
    schema.decode_role,
    schema.decode_user,
]


def test_the_bytes_of_the_reference() -> None:
    key, value = schema.encode_lease(schema.Lease(LeaseId(0x00ADA204AD60FE0C), 3600))
    assert key == bytes.fromhex("00ada204ad60fe0c")
    assert value == bytes.fromhex("088cfc83ebcac0e856 10901c")
    alarm = schema.decode_alarm(bytes.fromhex("08ccf6b0c3b8e8ebdc2b 1001"))
    assert alarm.kind == schema.AlarmType.NOSPACE
    assert schema.encode_alarm(alarm) == (bytes.fromhex("08ccf6b0c3b8e8ebdc2b1001"), b"")


def test_the_options_of_a_user_are_written_even_when_empty() -> None:
    assert schema.encode_user(schema.User("u"))[1] == b"\x0a\x01u\x22\x00"
    assert schema.encode_user(schema.User("u", no_password=True))[1] == b"\x0a\x01u\x22\x02\x08\x01"


@given(SIGNED.filter(bool), st.integers(0, 1 << 40), st.integers(0, 1 << 40))
def test_a_lease_survives(lease_id: int, ttl: int, remaining: int) -> None:
    lease = schema.Lease(LeaseId(lease_id), ttl, remaining)
    assert schema.decode_lease(*schema.encode_lease(lease)) == lease


@given(st.integers(1, (1 << 64) - 1), st.integers(0, 5))
def test_an_alarm_survives(member: int, kind: int) -> None:
    alarm = schema.Alarm(MemberId(member), kind)
    assert schema.decode_alarm(schema.encode_alarm(alarm)[0]) == alarm


@given(NAMES, st.lists(PERMISSIONS, max_size=4))
def test_a_role_survives(name: str, permissions: list[schema.Permission]) -> None:
    role = schema.Role(name, tuple(permissions))
    key, value = schema.encode_role(role)
    assert (key, schema.decode_role(value)) == (name.encode(), role)


@given(NAMES, st.binary(max_size=60), st.lists(NAMES, max_size=4), st.booleans())
def test_a_user_survives(name: str, password: bytes, roles: list[str], no_password: bool) -> None:
    user = schema.User(name, password, tuple(roles), no_password)
    key, value = schema.encode_user(user)
    assert (key, schema.decode_user(value)) == (name.encode(), user)


def test_a_lease_under_a_foreign_key_is_refused() -> None:
    _, value = schema.encode_lease(schema.Lease(LeaseId(1), 10))
    with pytest.raises(FormatError):
        schema.decode_lease(schema.encode_u64(2), value)
    with pytest.raises(FormatError):
        schema.decode_lease(b"short", value)


def test_a_permission_of_an_unknown_kind_is_kept() -> None:
    """etcd stores whatever number an administrator sends; its directory must still open."""
    assert schema.encode_permission(schema.decode_permission(b"\x08\x09")) == b"\x08\x09"


def test_names_that_are_no_text_are_refused() -> None:
    for decode in (schema.decode_role, schema.decode_user):
        with pytest.raises(FormatError):
            decode(b"\x0a\x01\xff")


@pytest.mark.parametrize("decode", DECODERS)
@given(data=st.binary(max_size=80))
def test_random_bytes_decode_or_raise_a_format_error(decode, data: bytes) -> None:  # type: ignore[no-untyped-def]
    with contextlib.suppress(FormatError):
        decode(data)


@pytest.mark.parametrize("release", golden.VERSIONS)
def test_a_snapshot_of_every_release_says_what_its_server_said(release: str) -> None:
    buckets = databases.all_items(open_database(golden.snapshot(release)))
    expected = golden.expectation(f"{release}/snapshot")
    assert tuple(buckets) == schema.BUCKETS
    leases = [schema.decode_lease(key, value) for key, value in buckets[schema.LEASE]]
    assert [(lease.id, lease.ttl) for lease in leases] == [
        (lease["id"], lease["granted_ttl"]) for lease in sorted(expected["leases"], key=lambda lease: lease["id"])
    ]
    users = [schema.decode_user(value) for _, value in buckets[schema.AUTH_USERS]]
    assert {user.name: list(user.roles) for user in users} == expected["users"]
    roles = [schema.decode_role(value) for _, value in buckets[schema.AUTH_ROLES]]
    shown = {
        role.name: [
            [each.kind.name, base64.b64encode(each.key).decode(), base64.b64encode(each.range_end).decode()]
            for each in role.permissions
        ]
        for role in roles
    }
    for name, permissions in expected["roles"].items():
        if name != "root":  # what servers list for root is not always what they store
            assert shown[name] == permissions
    alarms = [schema.decode_alarm(key) for key, _ in buckets[schema.ALARM]]
    assert [[f"{alarm.member_id:x}", schema.AlarmType(alarm.kind).name] for alarm in alarms] == expected["alarms"]
    meta = dict(buckets[schema.META])
    assert schema.decode_u64(meta[schema.CONSISTENT_INDEX], "consistent_index") == expected["consistent_index"]


@pytest.mark.parametrize("release", golden.VERSIONS)
def test_leases_users_roles_and_alarms_are_written_as_etcd_writes_them(release: str) -> None:
    buckets = databases.all_items(open_database(golden.snapshot(release)))
    for key, value in buckets[schema.LEASE]:
        assert schema.encode_lease(schema.decode_lease(key, value)) == (key, value)
    for key, value in buckets[schema.AUTH_USERS]:
        assert schema.encode_user(schema.decode_user(value)) == (key, value)
    for key, value in buckets[schema.AUTH_ROLES]:
        assert schema.encode_role(schema.decode_role(value)) == (key, value)
    for key, value in buckets[schema.ALARM]:
        assert schema.encode_alarm(schema.decode_alarm(key)) == (key, value)
