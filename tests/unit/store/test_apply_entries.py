"""Entries of the log: membership, versions, the two v2 requests, bookkeeping, and loading only what a tail touches."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backstay.errors import FormatError
from backstay.formats import membership, raft, requests, schema, wal
from backstay.formats.bbolt import open_database
from backstay.formats.membership import ConfState, Member
from backstay.formats.raft import ConfChange, ConfChangeStep, ConfChangeType, ConfChangeV2, Entry, EntryType
from backstay.formats.requests import Request, decode_request, encode_request
from backstay.store import refusals
from backstay.store.apply import apply_entry, apply_request
from backstay.store.interest import Interest
from backstay.store.refusals import Refusal
from backstay.store.state import StoreState, load_state
from backstay.values import MemberId
from tests import golden
from tests.unit.store.building import database, do, empty, observable, refusal_of

ONE, TWO, THREE = (Member(MemberId(number), (f"http://{number}:2380",)) for number in (1, 2, 3))


def change(
    state: StoreState, kind: ConfChangeType, member: Member, *, is_promote: bool | None = None, bare: bool = False
) -> Refusal | None:
    """Apply a configuration change as the next entry."""
    described = ConfChange(kind, member.id, None if bare else member, is_promote)
    index = state.consistent_index + 1
    applied = apply_entry(state, Entry(1, index, EntryType.CONF_CHANGE, raft.encode_conf_change(described)))
    assert state.consistent_index == index
    return applied.refused


@pytest.fixture
def state() -> StoreState:
    """A cluster of ONE and TWO, the second a learner."""
    state = empty()
    assert change(state, ConfChangeType.ADD_NODE, ONE) is None
    learner = Member(TWO.id, TWO.peer_urls, is_learner=True)
    assert change(state, ConfChangeType.ADD_LEARNER, learner, is_promote=False) is None
    return state


def conf_state(state: StoreState) -> tuple[tuple[int, ...], tuple[int, ...]]:
    decoded = membership.decode_conf_state(dict(state.bucket_items(schema.META))[schema.CONF_STATE])
    return decoded.voters, decoded.learners


def test_members_join_and_are_promoted(state: StoreState) -> None:
    assert conf_state(state) == ((1,), (2,))
    assert not state.cluster.is_single
    assert change(state, ConfChangeType.ADD_NODE, TWO, is_promote=True) is None
    assert conf_state(state) == ((1, 2), ())
    assert not state.cluster.members[TWO.id].is_learner
    assert change(state, ConfChangeType.ADD_NODE, TWO, is_promote=True) == refusals.MEMBER_NOT_LEARNER


def test_a_removed_member_never_returns(state: StoreState) -> None:
    assert change(state, ConfChangeType.REMOVE_NODE, TWO, bare=True) is None
    assert conf_state(state) == ((1,), ())
    assert state.cluster.is_single
    assert state.bucket_items(schema.MEMBERS_REMOVED) == [(b"2", b"removed")]
    for kind in ConfChangeType:
        assert change(state, kind, TWO) == refusals.MEMBER_NOT_FOUND


def test_members_are_unique_by_id_and_url(state: StoreState) -> None:
    assert change(state, ConfChangeType.ADD_NODE, ONE) == refusals.MEMBER_EXISTS
    assert change(state, ConfChangeType.ADD_NODE, Member(THREE.id, ONE.peer_urls)) == refusals.PEER_URL_EXISTS
    assert change(state, ConfChangeType.UPDATE_NODE, Member(TWO.id, ONE.peer_urls)) == refusals.PEER_URL_EXISTS
    assert change(state, ConfChangeType.UPDATE_NODE, THREE) == refusals.MEMBER_NOT_FOUND
    assert change(state, ConfChangeType.ADD_NODE, THREE, is_promote=True) == refusals.MEMBER_NOT_FOUND
    assert change(state, ConfChangeType.UPDATE_NODE, Member(TWO.id, ("http://new:2380",))) is None
    updated = state.cluster.members[TWO.id]
    assert updated.peer_urls == ("http://new:2380",) and updated.is_learner


def test_a_change_that_describes_another_member_is_damage(state: StoreState) -> None:
    data = raft.encode_conf_change(ConfChange(ConfChangeType.ADD_NODE, THREE.id, TWO))
    with pytest.raises(FormatError):
        apply_entry(state, Entry(1, 9, EntryType.CONF_CHANGE, data))


def test_the_new_form_of_a_change_removes_too(state: StoreState) -> None:
    changes = ConfChangeV2((ConfChangeStep(ConfChangeType.REMOVE_NODE, TWO.id),))
    applied = apply_entry(state, Entry(1, 3, EntryType.CONF_CHANGE_V2, raft.encode_conf_change_v2(changes)))
    assert applied.refused is None and list(state.cluster.members) == [ONE.id]


def test_a_stale_raft_configuration_does_not_hide_that_a_member_is_alone() -> None:
    stale = membership.encode_conf_state(ConfState((MemberId(7), MemberId(8), MemberId(9))))
    state = load_state(database(meta={schema.CONF_STATE: stale}, members=dict([membership.encode_member(ONE)])))
    assert state.cluster.is_single
    assert len(state.cluster.voters) == 3


def test_attributes_and_versions_come_in_both_forms(state: StoreState) -> None:
    do(state, requests.MemberAttributesSet(1, requests.MemberAttributes("one", ("http://c1",))))
    do(state, requests.ClusterVersionSet("3.6.0"))
    new = observable(state)
    do(state, requests.ClusterVersionSet("3.5.0"))
    do(state, requests.MemberAttributesSet(1, requests.MemberAttributes("other")))
    attributes = '{"name":"one","clientURLs":["http://c1"]}'
    do(state, requests.V2Request(1, "PUT", "/0/members/1/attributes", attributes))
    do(state, requests.V2Request(2, "PUT", "/0/version", "3.6.0"))
    do(state, requests.V2Request(3, "PUT", "/1/a/key", "x"))
    do(state, requests.V2Request(4, "DELETE", "/0/version"))
    assert observable(state) == new
    assert refusal_of(state, requests.MemberAttributesSet(5)) == refusals.MEMBER_NOT_FOUND


def test_a_downgrade_is_noted_and_closed(state: StoreState) -> None:
    do(state, requests.DowngradeInfoSet(True, "3.5.0"))
    noted = dict(state.bucket_items(schema.CLUSTER))[schema.DOWNGRADE]
    assert noted == b'{"target-version":"3.5.0","enabled":true}'
    do(state, requests.DowngradeInfoSet(False, "3.5.0"))
    closed = dict(state.bucket_items(schema.CLUSTER))[schema.DOWNGRADE]
    assert closed == b'{"target-version":"","enabled":false}'


def test_every_entry_moves_the_consistent_index_even_a_refused_or_empty_one(state: StoreState) -> None:
    refused = encode_request(Request(requests.LeaseRevoke(9), 1))
    for index, data in enumerate((b"", refused), start=3):
        applied = apply_entry(state, Entry(4, index, EntryType.NORMAL, data))
        assert applied.revision == 1 and applied.records == ()
    meta = dict(state.bucket_items(schema.META))
    assert meta[schema.CONSISTENT_INDEX] == schema.encode_u64(4)
    assert meta[schema.TERM] == schema.encode_u64(4)


def test_an_unknown_request_is_refused_and_damage_is_an_error(state: StoreState) -> None:
    applied = apply_entry(state, Entry(1, 3, EntryType.NORMAL, b"\x82\xf7\x02\x00"))
    assert applied.refused == refusals.UNKNOWN_REQUEST
    with pytest.raises(FormatError):
        apply_entry(state, Entry(1, 4, EntryType.NORMAL, b"\xff"))


def test_unknown_elements_of_the_base_are_kept() -> None:
    state = load_state(database(meta={b"confType": b"x", schema.STORAGE_VERSION: b"3.6.0"}, cluster={b"other": b"y"}))
    do(state, requests.ClusterVersionSet("3.6.0"))
    meta, cluster = dict(state.bucket_items(schema.META)), dict(state.bucket_items(schema.CLUSTER))
    assert meta[b"confType"] == b"x" and meta[schema.STORAGE_VERSION] == b"3.6.0"
    assert cluster == {b"other": b"y", b"clusterVersion": b"3.6.0"}


@pytest.mark.parametrize("name", golden.KILLED + golden.COMPACTING)
def test_loading_what_a_tail_touches_is_enough_to_apply_it(name: str, tmp_path: Path) -> None:
    directory = golden.unpack(name, tmp_path / "data")
    content = open_database((directory / "member/snap/db").read_bytes())
    segments = [wal.Segment(path.name, path.read_bytes()) for path in (directory / "member/wal").glob("*.wal")]
    whole = load_state(content)
    entries = wal.read_log(segments, from_index=whole.consistent_index).entries
    bodies = [decode_request(each.data).body for each in entries if each.kind is EntryType.NORMAL and each.data]
    partial = load_state(content, Interest(body for body in bodies if body is not None))
    answers = [[apply_entry(state, entry) for entry in entries] for state in (whole, partial)]
    assert answers[0] == answers[1]
    assert observable(whole) == observable(partial)
    assert len(partial.index) <= len(whole.index)


KEYS = st.sampled_from([b"a", b"b", b"c"])
LEASES = st.integers(1, 3)
TAIL = st.one_of(
    st.builds(requests.Put, KEYS, st.just(b"v"), st.integers(0, 3)),
    st.builds(requests.DeleteRange, KEYS),
    st.builds(requests.LeaseRevoke, LEASES),
)
HISTORY = st.lists(st.one_of(TAIL, st.builds(lambda lease: requests.LeaseGrant(100, lease), LEASES)), max_size=25)


@given(HISTORY, st.lists(TAIL, min_size=1, max_size=4))
@example(
    [requests.LeaseGrant(100, 1), requests.Put(b"a", b"v", 1), requests.Put(b"a", b"v")],
    [requests.LeaseRevoke(1)],
)
def test_a_part_of_a_base_is_enough_whatever_leases_its_keys_have_had(
    history: list[requests.Message], tail: list[requests.Message]
) -> None:
    before = empty()
    for number, body in enumerate(history, start=1):
        apply_request(before, Request(body, number))
    buckets = {name.decode(): dict(before.bucket_items(name)) for name in schema.BUCKETS if name != schema.KEY}
    base = database(before.records(), **buckets)
    whole, partial = load_state(base), load_state(base, Interest(tail))
    for number, body in enumerate(tail, start=100):
        answers = [apply_request(state, Request(body, number)) for state in (before, whole, partial)]
        assert answers[0] == answers[1] == answers[2]
    assert observable(whole) == observable(partial)
