"""Entries, hard state and configuration changes: known bytes, both dialects, round trips, hostile bytes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import FormatError
from backstay.formats import protowire, raft
from backstay.formats.membership import ConfState, Member
from backstay.formats.raft import (
    ConfChange,
    ConfChangeStep,
    ConfChangeType,
    ConfChangeV2,
    Entry,
    EntryType,
    HardState,
)
from backstay.values import MemberId
from tests.unit.formats.test_membership import CONF_STATES, IDS, MEMBERS

U64 = st.integers(0, (1 << 64) - 1)
ENTRIES = st.builds(Entry, U64, U64, st.sampled_from(EntryType), st.binary(max_size=40))
HARD_STATES = st.builds(HardState, U64, U64, U64)
CHANGES = st.builds(
    ConfChange, st.sampled_from(ConfChangeType), IDS, MEMBERS, st.sampled_from([None, True, False]), U64
)
STEPS = st.builds(ConfChangeStep, st.sampled_from(ConfChangeType), IDS)
CHANGES_V2 = st.builds(ConfChangeV2, st.lists(STEPS, max_size=3).map(tuple), st.integers(0, 2), st.binary(max_size=20))

DECODERS: list[Callable[[bytes], object]] = [
    raft.decode_entry,
    raft.decode_hard_state,
    raft.decode_conf_change,
    raft.decode_conf_change_v2,
    raft.decode_conf_state,
]
NODE = MemberId(0x8E9E05C52164694D)


def test_the_bytes_of_the_reference() -> None:
    assert raft.encode_hard_state(HardState(1, NODE, 1)) == bytes.fromhex("0801 10cdd2918bd2b881cf8e01 1801")
    assert raft.encode_entry(Entry(1, 1, EntryType.CONF_CHANGE, b"ab")) == bytes.fromhex("0801 1001 1801 22026162")
    member = Member(NODE, ("http://localhost:2380",), "default")
    change = raft.encode_conf_change(ConfChange(ConfChangeType.ADD_NODE, NODE, member))
    assert change[:17] == bytes.fromhex("0800 1000 18cdd2918bd2b881cf8e01 2251")
    assert raft.encode_conf_state(ConfState(voters=(MemberId(3),))) == bytes.fromhex("0803 2800")


def test_zeros_are_written_and_an_empty_entry_has_no_data() -> None:
    assert raft.encode_hard_state(HardState(0, 0, 0)) == bytes.fromhex("0800 1000 1800")
    assert raft.encode_entry(Entry(2, 3, EntryType.NORMAL, b"")) == bytes.fromhex("0800 1002 1803")


def test_what_37_leaves_out_is_zero() -> None:
    assert raft.decode_entry(bytes.fromhex("1002 1803 220161")) == Entry(2, 3, EntryType.NORMAL, b"a")
    assert raft.decode_conf_change(bytes.fromhex("1000 1805")) == ConfChange(ConfChangeType.ADD_NODE, MemberId(5))
    assert raft.decode_conf_state(bytes.fromhex("0803")) == ConfState(voters=(MemberId(3),))
    assert raft.decode_hard_state(b"") == HardState(0, 0, 0)


def test_packed_lists_of_ids_are_read_too() -> None:
    assert raft.decode_conf_state(bytes.fromhex("0a03018001 1201 05")).voters == (MemberId(1), MemberId(128))


@pytest.mark.parametrize("is_promote", [None, False, True])
def test_the_context_says_whether_a_learner_is_promoted(is_promote: bool | None) -> None:
    change = ConfChange(ConfChangeType.ADD_NODE, MemberId(1), Member(MemberId(1), ("p",)), is_promote)
    encoded = raft.encode_conf_change(change)
    assert encoded.endswith(
        {None: b'["p"]}', False: b'["p"],"isPromote":false}', True: b'["p"],"isPromote":true}'}[is_promote]
    )
    assert raft.decode_conf_change(encoded) == change


@given(ENTRIES)
def test_entries_come_back_as_they_were(entry: Entry) -> None:
    assert raft.decode_entry(raft.encode_entry(entry)) == entry


@given(HARD_STATES)
def test_hard_states_come_back_as_they_were(state: HardState) -> None:
    assert raft.decode_hard_state(raft.encode_hard_state(state)) == state


@given(CHANGES)
def test_configuration_changes_come_back_as_they_were(change: ConfChange) -> None:
    assert raft.decode_conf_change(raft.encode_conf_change(change)) == change


@given(CHANGES_V2)
def test_configuration_changes_of_several_nodes_come_back_as_they_were(change: ConfChangeV2) -> None:
    assert raft.decode_conf_change_v2(raft.encode_conf_change_v2(change)) == change


@given(CONF_STATES)
def test_configurations_come_back_as_they_were(state: ConfState) -> None:
    assert raft.decode_conf_state(raft.encode_conf_state(state)) == state


@pytest.mark.parametrize(
    ("decode", "data"),
    [
        (raft.decode_entry, "0803"),  # type 3
        (raft.decode_entry, "0a00"),  # the type as bytes
        (raft.decode_entry, "2001"),  # the data as a number
        (raft.decode_entry, "0d00000000"),  # the type as four fixed bytes
        (raft.decode_hard_state, "0a00"),
        (raft.decode_conf_change, "1004"),  # change type 4
        (raft.decode_conf_change, "22017b"),  # the context is {
        (raft.decode_conf_change_v2, "12020809"),
        (raft.decode_conf_state, "0900000000000000ff"),
        (raft.decode_conf_state, "0a0180"),  # a packed varint that does not end
    ],
)
def test_what_etcd_would_refuse_is_a_format_error(decode: Callable[[bytes], object], data: str) -> None:
    with pytest.raises(FormatError):
        decode(bytes.fromhex(data))


@given(st.binary(max_size=60))
def test_random_bytes_never_crash_the_readers(data: bytes) -> None:
    for decode in DECODERS:
        with contextlib.suppress(FormatError):
            decode(data)


FIELDS = st.one_of(
    st.tuples(st.sampled_from([1, 2, 3, 4, 20]), st.just(0), U64.map(protowire.varint)),
    st.tuples(
        st.sampled_from([1, 4, 20]), st.just(2), st.binary(max_size=200).map(lambda v: protowire.varint(len(v)) + v)
    ),
    st.tuples(st.sampled_from([1, 9]), st.just(5), st.binary(min_size=4, max_size=4)),
)


@given(st.lists(FIELDS, max_size=6), st.integers(0, 30))
def test_the_quick_way_to_read_fields_says_what_the_general_one_says(
    chosen: list[tuple[int, int, bytes]], missing: int
) -> None:
    data = b"".join(protowire.varint(number << 3 | kind) + value for number, kind, value in chosen)
    data = data[: len(data) - missing] if missing < len(data) else data
    known = {1: protowire.VARINT, 2: protowire.VARINT, 4: protowire.BYTES}

    def general() -> list[tuple[int, int | bytes]]:
        found = [each for each in protowire.read_fields(data) if each[0] in known]
        if any(known[number] != kind for number, kind, _ in found):
            raise FormatError("a wrong wire type", offset=0)
        return [(number, value) for number, _, value in found]

    try:
        expected = general()
    except FormatError:
        with pytest.raises(FormatError):
            raft.fields(data, known, "test")
    else:
        assert raft.fields(data, known, "test") == expected
