"""What raft writes into the log: entries, the hard state, configuration changes (etcd-files sections 6.4, 6.5).

    Entry               1 type: 0 normal, 1 ConfChange, 2 ConfChangeV2    2 term    3 index    4 data (absent when empty)
    HardState           1 term    2 vote    3 commit
    ConfChange          1 id    2 type: 0 add, 1 remove, 2 update, 3 add learner    3 node id    4 context
    ConfChangeV2        1 transition    2 repeated { 1 type    2 node id }    3 context
    ConfState           1 voters    2 learners    3 voters_outgoing    4 learners_next (one tag per id)    5 auto_leave

The context of a ConfChange is the JSON of a member (formats.membership), plus `isPromote` when the API made the change.

    08 01 10 01 18 01 22 62 ..                             Entry {ConfChange, term 1, index 1, 0x62 bytes of data}
    08 00 10 00 18 cdd2918bd2b881cf8e01 22 51 7b 22 69 ..  ConfChange {0, add, node 8e9e05c52164694d, {"i...}
    08 01 10 cdd2918bd2b881cf8e01 18 01                    HardState {term 1, vote 8e9e05c52164694d, commit 1}

Up to 3.6 etcd writes every scalar, zero or not, and so do we: every release reads that. 3.7 leaves out what was never
set, so a reader takes absent as zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from backstay.errors import FormatError
from backstay.formats import membership, protowire
from backstay.formats.membership import ConfState, Member
from backstay.formats.protowire import BYTES, VARINT
from backstay.values import MemberId


class EntryType(IntEnum):
    """What the data of an entry is."""

    NORMAL = 0
    CONF_CHANGE = 1
    CONF_CHANGE_V2 = 2


class Entry(NamedTuple):
    """One entry of the log. `data` of a normal entry is a request (formats.requests), or empty: a new leader's no-op."""

    term: int
    index: int  # type: ignore[assignment]  # nobody searches an entry with tuple.index()
    kind: EntryType
    data: bytes


class HardState(NamedTuple):
    """What raft must not forget. `vote` is 0 when the member voted for nobody in this term."""

    term: int
    vote: int
    commit: int


class ConfChangeType(IntEnum):
    """What a configuration change does with its node."""

    ADD_NODE = 0
    REMOVE_NODE = 1
    UPDATE_NODE = 2
    ADD_LEARNER = 3


@dataclass(frozen=True, slots=True)
class ConfChange:
    """One configuration change. `member` is None when there is no context, as in removals.

    `is_promote` is None when the context does not say: a member of the first configuration, and of a restore.
    """

    kind: ConfChangeType
    node_id: MemberId
    member: Member | None = None
    is_promote: bool | None = None
    id: int = 0


class ConfChangeStep(NamedTuple):
    """One node of a `ConfChangeV2`."""

    kind: ConfChangeType
    node_id: MemberId


@dataclass(frozen=True, slots=True)
class ConfChangeV2:
    """A change of several nodes at once. etcd defines it and does not write it; its context is kept as it is."""

    steps: tuple[ConfChangeStep, ...]
    transition: int = 0
    context: bytes = b""


def encode_entry(entry: Entry) -> bytes:
    """raftpb.Entry."""
    return (
        protowire.int_field(1, entry.kind)
        + protowire.int_field(2, entry.term)
        + protowire.int_field(3, entry.index)
        + protowire.optional_bytes(4, entry.data)
    )


def decode_entry(data: bytes) -> Entry:
    """raftpb.Entry. Raises `FormatError`."""
    numbers, content = [0, 0, 0, 0], b""
    for number, value in fields(data, _ENTRY_FIELDS, "entry"):
        if isinstance(value, bytes):
            content = value
        else:
            numbers[number] = value
    kind = _KINDS_OF_ENTRY.get(numbers[1])
    if kind is None:
        raise FormatError(f"entry type {numbers[1]} is unknown", offset=0)
    return Entry(numbers[2], numbers[3], kind, content)


def encode_hard_state(state: HardState) -> bytes:
    """raftpb.HardState."""
    return (
        protowire.int_field(1, state.term) + protowire.int_field(2, state.vote) + protowire.int_field(3, state.commit)
    )


def decode_hard_state(data: bytes) -> HardState:
    """raftpb.HardState. Raises `FormatError`."""
    numbers = [0, 0, 0, 0]
    for number, value in fields(data, _HARD_STATE_FIELDS, "hard state"):
        assert isinstance(value, int)
        numbers[number] = value
    return HardState(numbers[1], numbers[2], numbers[3])


def encode_conf_change(change: ConfChange) -> bytes:
    """raftpb.ConfChange, the data of an entry."""
    context = b""
    if change.member is not None:
        json_fields = membership.member_fields(change.member)
        if change.is_promote is not None:
            json_fields["isPromote"] = change.is_promote
        context = membership.go_json(json_fields)
    return (
        protowire.int_field(1, change.id)
        + protowire.int_field(2, change.kind)
        + protowire.int_field(3, change.node_id)
        + protowire.optional_bytes(4, context)
    )


def decode_conf_change(data: bytes) -> ConfChange:
    """raftpb.ConfChange and the member in its context. Raises `FormatError`."""
    numbers, context = [0, 0, 0, 0], b""
    for number, value in fields(data, _CONF_CHANGE_FIELDS, "configuration change"):
        if isinstance(value, bytes):
            context = value
        else:
            numbers[number] = value
    member, is_promote = None, None
    if context:
        json_fields = membership.parse_object(context, "context of a configuration change")
        member = membership.member_from_fields(json_fields)
        if "isPromote" in json_fields:
            is_promote = membership.read_flag(json_fields, "isPromote")
    return ConfChange(_change_kind(numbers[2]), MemberId(numbers[3]), member, is_promote, numbers[1])


def encode_conf_change_v2(change: ConfChangeV2) -> bytes:
    """raftpb.ConfChangeV2, the data of an entry."""
    steps = (
        protowire.bytes_field(2, protowire.int_field(1, step.kind) + protowire.int_field(2, step.node_id))
        for step in change.steps
    )
    return protowire.int_field(1, change.transition) + b"".join(steps) + protowire.optional_bytes(3, change.context)


def decode_conf_change_v2(data: bytes) -> ConfChangeV2:
    """raftpb.ConfChangeV2. Raises `FormatError`."""
    transition, context, steps = 0, b"", []
    for number, value in fields(data, {1: VARINT, 2: BYTES, 3: BYTES}, "configuration change"):
        if isinstance(value, int):
            transition = value
        elif number == 2:
            step = [0, 0, 0]
            for inner, inner_value in fields(value, {1: VARINT, 2: VARINT}, "step of a configuration change"):
                assert isinstance(inner_value, int)
                step[inner] = inner_value
            steps.append(ConfChangeStep(_change_kind(step[1]), MemberId(step[2])))
        else:
            context = value
    return ConfChangeV2(tuple(steps), transition, context)


def encode_conf_state(state: ConfState) -> bytes:
    """raftpb.ConfState, inside snapshot records and .snap files."""
    groups = (state.voters, state.learners, state.voters_outgoing, state.learners_next)
    return b"".join(
        protowire.int_field(number, identifier) for number, group in enumerate(groups, start=1) for identifier in group
    ) + protowire.int_field(5, int(state.auto_leave))


def decode_conf_state(data: bytes) -> ConfState:
    """raftpb.ConfState; packed lists are read too. Raises `FormatError`."""
    groups: dict[int, list[MemberId]] = {1: [], 2: [], 3: [], 4: []}
    auto_leave = False
    for number, wire_type, value in protowire.read_fields(data):
        if number == 5 and wire_type == VARINT:
            auto_leave = bool(value)
        elif number in groups and wire_type == VARINT and isinstance(value, int):
            groups[number].append(MemberId(value))
        elif number in groups and isinstance(value, bytes):
            position = 0
            while position < len(value):
                identifier, position = protowire.read_varint(value, position, len(value))
                groups[number].append(MemberId(identifier))
        elif number <= 5:
            raise FormatError(f"field {number} of a raft configuration has wire type {wire_type}", offset=0)
    return ConfState(tuple(groups[1]), tuple(groups[2]), tuple(groups[3]), tuple(groups[4]), auto_leave)


def fields(data: bytes, known: dict[int, int], subject: str) -> list[tuple[int, int | bytes]]:
    """(number, value) of the fields in `known` (number -> wire type); others are skipped.

    Raises `FormatError` naming `subject`, also when a known field comes with another wire type: etcd's own decoders
    refuse that too, and it tells messages apart.
    """
    found: list[tuple[int, int | bytes]] = []
    position, end = 0, len(data)
    # A log holds millions of these messages, and nearly all consist of known fields with short tags: this loop reads
    # those, and leaves whatever it does not know to `_unusual_fields`.
    try:
        while position < end:
            tag = data[position]
            number, wire_type = tag >> 3, tag & 7
            if known.get(number) != wire_type or tag > 0x7F:
                return _unusual_fields(data, known, subject)
            position += 1
            value = data[position]
            if value > 0x7F:
                value, position = protowire.read_varint(data, position, end)
            else:
                position += 1
            if wire_type == VARINT:
                found.append((number, value))
            elif wire_type == BYTES and value <= end - position:
                found.append((number, data[position : position + value]))
                position += value
            else:
                return _unusual_fields(data, known, subject)
    except IndexError:
        raise FormatError("varint does not end", offset=position) from None
    return found


def _unusual_fields(data: bytes, known: dict[int, int], subject: str) -> list[tuple[int, int | bytes]]:
    """What `fields` promises, for any message."""
    found = []
    for number, wire_type, value in protowire.read_fields(data):
        wanted = known.get(number)
        if wanted is None:
            continue
        if wanted != wire_type:
            raise FormatError(f"field {number} of the {subject} has wire type {wire_type}, not {wanted}", offset=0)
        found.append((number, value))
    return found


_ENTRY_FIELDS = {1: VARINT, 2: VARINT, 3: VARINT, 4: BYTES}
_HARD_STATE_FIELDS = {1: VARINT, 2: VARINT, 3: VARINT}
_CONF_CHANGE_FIELDS = {1: VARINT, 2: VARINT, 3: VARINT, 4: BYTES}
_KINDS_OF_ENTRY = {int(kind): kind for kind in EntryType}


def _change_kind(value: int) -> ConfChangeType:
    if value not in ConfChangeType.__members__.values():
        raise FormatError(f"configuration change type {value} is unknown", offset=0)
    return ConfChangeType(value)
