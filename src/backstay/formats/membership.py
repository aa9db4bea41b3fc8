"""Who belongs to a cluster: members, the raft configuration, and how their ids are computed (etcd-files 2.1, 5.2).

    bucket members, key    member id in lower-case hex without leading zeros
                    value  JSON, Go's field order, no spaces; isLearner only when true, name and clientURLs only when set
    bucket meta, confState JSON; voters, learners, voters_outgoing, learners_next only when not empty, auto_leave always

    38 65 39 65 30 35 63 35 32 31 36 34 36 39 34 64                                     key 8e9e05c52164694d
    {"id":10276657743932975437,"peerURLs":["http://localhost:2380"],"name":"default"}   its value
    {"voters":[10276657743932975437],"auto_leave":false}                                confState

Ids exceed 2^53: they are read as integers, never as floating point. The same JSON of a member is the context of a
configuration change in the log (formats.raft). Fields that a release yet to come may add are ignored.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from backstay.errors import FormatError
from backstay.values import ClusterId, MemberId, hex_id

_MAX_ID = (1 << 64) - 1
_MEMBER_KEY = re.compile(rb"(?:0|[1-9a-f][0-9a-f]{0,15})", re.ASCII)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

# Go's JSON encoder escapes these so that the text may stand inside HTML.
_GO_ESCAPES = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"})

JsonObject = dict[str, object]


@dataclass(frozen=True, slots=True)
class Member:
    """One member. `name` and `client_urls` are empty until the member has started once."""

    id: MemberId
    peer_urls: tuple[str, ...]
    name: str = ""
    client_urls: tuple[str, ...] = ()
    is_learner: bool = False


@dataclass(frozen=True, slots=True)
class ConfState:
    """The raft configuration. The last two and `auto_leave` are in use only while the configuration changes."""

    voters: tuple[MemberId, ...] = ()
    learners: tuple[MemberId, ...] = ()
    voters_outgoing: tuple[MemberId, ...] = ()
    learners_next: tuple[MemberId, ...] = ()
    auto_leave: bool = False


def member_id(peer_urls: Iterable[str], token: str, added_unix_seconds: int | None = None) -> MemberId:
    """The id of a member with these peer URLs in the cluster of this token; the name plays no role.

    `added_unix_seconds` is given for members that join a running cluster. Two members with equal ids, or an id of 0, are
    for the caller to refuse.
    """
    text = "".join(sorted(peer_urls)) + token
    if added_unix_seconds is not None:
        text += str(added_unix_seconds)
    return MemberId(_first_64_bits(text.encode()))


def cluster_id(member_ids: Iterable[MemberId]) -> ClusterId:
    """The id of the cluster that was founded by these members."""
    return ClusterId(_first_64_bits(b"".join(identifier.to_bytes(8, "big") for identifier in sorted(member_ids))))


def encode_member_key(identifier: MemberId) -> bytes:
    """The key of a member in `members` and `members_removed`."""
    return hex_id(identifier).encode()


def decode_member_key(key: bytes) -> MemberId:
    """The member id in a key of `members` or `members_removed`. Raises `FormatError`."""
    if not _MEMBER_KEY.fullmatch(key):
        raise FormatError(f"{key[:40]!r} is not a member id", offset=0)
    return MemberId(int(key, 16))


def encode_member(member: Member) -> tuple[bytes, bytes]:
    """The element of bucket `members`."""
    return encode_member_key(member.id), go_json(member_fields(member))


def decode_member(value: bytes) -> Member:
    """The member in a value of bucket `members`. Raises `FormatError`."""
    return member_from_fields(parse_object(value, "member"))


def encode_conf_state(state: ConfState) -> bytes:
    """The value of `meta/confState`."""
    fields: JsonObject = {}
    for name in ("voters", "learners", "voters_outgoing", "learners_next"):
        if identifiers := getattr(state, name):
            fields[name] = list(identifiers)
    fields["auto_leave"] = state.auto_leave
    return go_json(fields)


def decode_conf_state(value: bytes) -> ConfState:
    """The raft configuration in `meta/confState`. Raises `FormatError`."""
    fields = parse_object(value, "confState")
    return ConfState(
        voters=_ids(fields, "voters"),
        learners=_ids(fields, "learners"),
        voters_outgoing=_ids(fields, "voters_outgoing"),
        learners_next=_ids(fields, "learners_next"),
        auto_leave=read_flag(fields, "auto_leave"),
    )


def member_fields(member: Member) -> JsonObject:
    """The JSON fields of a member, in Go's order; the log adds a field of its own to them."""
    fields: JsonObject = {"id": member.id, "peerURLs": list(member.peer_urls)}
    if member.is_learner:
        fields["isLearner"] = True
    if member.name:
        fields["name"] = member.name
    if member.client_urls:
        fields["clientURLs"] = list(member.client_urls)
    return fields


def member_from_fields(fields: JsonObject) -> Member:
    """The member that JSON fields describe. Raises `FormatError`."""
    return Member(
        id=MemberId(_id(fields.get("id", 0), "id")),
        peer_urls=read_texts(fields, "peerURLs"),
        name=read_text(fields.get("name"), "name"),
        client_urls=read_texts(fields, "clientURLs"),
        is_learner=read_flag(fields, "isLearner"),
    )


def go_json(fields: JsonObject) -> bytes:
    """Fields as Go's encoder writes them: in the given order, no spaces, `<`, `>` and `&` escaped."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).translate(_GO_ESCAPES).encode()


def parse_object(data: bytes, subject: str) -> JsonObject:
    """The JSON object in `data`. Raises `FormatError` naming `subject`."""
    try:
        parsed = json.loads(data.decode("utf-8", errors="replace"), parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise FormatError(f"{subject} is not JSON", offset=error.pos, why=error.msg) from None
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, NaN, brackets nested without end
        raise FormatError(f"{subject} is not JSON that etcd writes", offset=0, why=str(error)) from None
    if not isinstance(parsed, dict):
        raise FormatError(f"{subject} is not a JSON object", offset=0)
    return parsed


def read_text(value: object, name: str) -> str:
    """A JSON string; null and absent are empty. Raises `FormatError` naming the field."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _not_a(name, "text")
    # Half a surrogate pair cannot be written as UTF-8 again; Go reads it as the replacement character too.
    return _LONE_SURROGATE.sub("\ufffd", value)


def read_texts(fields: JsonObject, name: str) -> tuple[str, ...]:
    """A JSON list of strings; null and absent are empty. Raises `FormatError`."""
    return tuple(read_text(each, name) for each in _list(fields, name))


def read_flag(fields: JsonObject, name: str) -> bool:
    """A JSON boolean; null and absent are false. Raises `FormatError`."""
    value = fields.get(name)
    if value is not None and not isinstance(value, bool):
        raise _not_a(name, "true or false")
    return bool(value)


def _ids(fields: JsonObject, name: str) -> tuple[MemberId, ...]:
    return tuple(MemberId(_id(each, name)) for each in _list(fields, name))


def _id(value: object, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAX_ID:
        raise _not_a(name, "a 64-bit id")
    return value


def _list(fields: JsonObject, name: str) -> Sequence[object]:
    value = fields.get(name)
    if value is None:
        return ()
    if not isinstance(value, list):
        raise _not_a(name, "a list")
    return value


def _not_a(name: str, wanted: str) -> FormatError:
    return FormatError(f"field {name} is not {wanted}", offset=0)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _first_64_bits(data: bytes) -> int:
    return int.from_bytes(hashlib.sha1(data, usedforsecurity=False).digest()[:8], "big")
