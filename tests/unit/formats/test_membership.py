"""Members, the raft configuration and ids: known bytes, round trips, and JSON that somebody else wrote."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import FormatError
from backstay.formats import membership, schema
from backstay.formats.bbolt import open_database
from backstay.formats.membership import ConfState, Member
from backstay.values import MemberId
from tests import golden

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
IDS = st.integers(0, (1 << 64) - 1).map(MemberId)
ID_LISTS = st.lists(IDS, max_size=4).map(tuple)
MEMBERS = st.builds(
    Member, IDS, st.lists(TEXT, max_size=3).map(tuple), TEXT, st.lists(TEXT, max_size=3).map(tuple), st.booleans()
)
CONF_STATES = st.builds(ConfState, ID_LISTS, ID_LISTS, ID_LISTS, ID_LISTS, st.booleans())


@pytest.mark.parametrize(
    ("url", "token", "expected"),
    [
        ("http://127.0.0.1:20031", "tokR", 0xCA8DE613ED44E63E),
        ("http://127.0.0.1:20041", "tokR", 0x4E84DE1C5A6B1777),
        ("http://127.0.0.1:20051", "tokR", 0x379C88F6D6DAA438),
        ("http://127.0.0.1:20061", "tok1", 0x2BB9AF43886C3B4C),
        ("http://localhost:2380", "etcd-cluster", 0x8E9E05C52164694D),
    ],
)
def test_member_ids_are_those_that_etcd_computes(url: str, token: str, expected: int) -> None:
    assert membership.member_id([url], token) == expected


def test_cluster_ids_are_those_that_etcd_computes() -> None:
    three = [MemberId(0xCA8DE613ED44E63E), MemberId(0x4E84DE1C5A6B1777), MemberId(0x379C88F6D6DAA438)]
    assert membership.cluster_id(three) == membership.cluster_id(reversed(three)) == 0x6ECCE588D5ADFBFB
    assert membership.cluster_id([MemberId(0x2BB9AF43886C3B4C)]) == 0x23D933A15B9B171C


def test_the_order_of_peer_urls_does_not_matter_and_the_time_of_joining_does() -> None:
    urls = ["http://b:2380", "http://a:2380"]
    assert membership.member_id(urls, "t") == membership.member_id(urls[::-1], "t")
    assert membership.member_id(urls, "t", 1700000000) == membership.member_id(urls, "t1700000000")
    assert membership.member_id(urls, "t", 1700000000) != membership.member_id(urls, "t")


def test_the_json_of_a_member_is_what_go_writes() -> None:
    plain = Member(MemberId(0x8E9E05C52164694D), ("http://localhost:2380",), "default")
    key, value = membership.encode_member(plain)
    assert key == b"8e9e05c52164694d"
    assert value == b'{"id":10276657743932975437,"peerURLs":["http://localhost:2380"],"name":"default"}'
    full = Member(MemberId(1), ("p",), "a<b>&\u2028\u00e9", ("c", "d"), is_learner=True)
    assert membership.encode_member(full)[1].decode() == (
        '{"id":1,"peerURLs":["p"],"isLearner":true,"name":"a\\u003cb\\u003e\\u0026\\u2028\u00e9","clientURLs":["c","d"]}'
    )


def test_the_json_of_the_configuration_is_what_go_writes() -> None:
    one = membership.encode_conf_state(ConfState(voters=(MemberId(1913758298992017581),)))
    assert one == b'{"voters":[1913758298992017581],"auto_leave":false}'
    ids = (MemberId(1),)
    assert membership.encode_conf_state(ConfState(ids, ids, ids, ids, True)) == (
        b'{"voters":[1],"learners":[1],"voters_outgoing":[1],"learners_next":[1],"auto_leave":true}'
    )


@given(MEMBERS)
def test_members_come_back_as_they_were(member: Member) -> None:
    key, value = membership.encode_member(member)
    assert membership.decode_member(value) == member
    assert membership.decode_member_key(key) == member.id


@given(CONF_STATES)
def test_configurations_come_back_as_they_were(state: ConfState) -> None:
    assert membership.decode_conf_state(membership.encode_conf_state(state)) == state


@pytest.mark.parametrize("version", golden.VERSIONS)
def test_members_of_every_release_decode_and_encode_to_the_same_bytes(version: str) -> None:
    database = open_database(golden.snapshot(version))
    bucket = database.bucket(schema.MEMBERS)
    assert bucket is not None
    expected = golden.expectation(f"{version}/snapshot")["members"]
    rows = list(bucket.items())
    assert len(rows) == len(expected)
    for key, value in rows:
        member = membership.decode_member(value)
        assert membership.encode_member(member) == (key, value)
        said = next(each for each in expected if int(each["id"], 16) == member.id)
        assert (member.name, list(member.peer_urls), member.is_learner) == (
            said["name"],
            said["peerURLs"],
            said["isLearner"],
        )
    meta = database.bucket(schema.META)
    assert meta is not None
    state = meta.get(schema.CONF_STATE)
    if state is not None:
        assert membership.encode_conf_state(membership.decode_conf_state(state)) == state


def test_unknown_fields_nulls_and_absent_fields_are_tolerated() -> None:
    assert membership.decode_member(b'{"id":18446744073709551615,"peerURLs":null,"zone":{"a":[1]}}') == Member(
        MemberId((1 << 64) - 1), ()
    )
    assert membership.decode_conf_state(b"{}") == ConfState()
    assert membership.decode_member(b'{"id":1,"name":"\\ud800"}').name == "\ufffd"
    assert membership.decode_member(b'{"id":1,"name":"\xff"}').name == "\ufffd"


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"null",
        b"[1]",
        b'{"id":1',
        b'{"id":1.5}',
        b'{"id":1e300}',
        b'{"id":-1}',
        b'{"id":18446744073709551616}',
        b'{"id":true}',
        b'{"id":"1"}',
        b'{"id":NaN}',
        b'{"id":1,"peerURLs":"http://a"}',
        b'{"id":1,"peerURLs":[1]}',
        b'{"id":1,"isLearner":1}',
        b'{"id":' + b"9" * 10_000 + b"}",
        b'{"id":1,"x":' + b"[" * 100_000,
    ],
)
def test_what_is_no_member_is_a_format_error(value: bytes) -> None:
    with pytest.raises(FormatError):
        membership.decode_member(value)


@pytest.mark.parametrize("key", [b"", b"0x1", b"01", b"G", b"1" * 17, b"AB", "\u0661".encode()])
def test_what_is_no_member_key_is_a_format_error(key: bytes) -> None:
    with pytest.raises(FormatError):
        membership.decode_member_key(key)


@given(st.binary(max_size=80))
def test_random_bytes_never_crash_the_readers(data: bytes) -> None:
    for decode in (membership.decode_member, membership.decode_conf_state, membership.decode_member_key):
        with contextlib.suppress(FormatError):
            decode(data)
