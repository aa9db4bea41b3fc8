"""JSON of the gateway: what is a value, where it stands, and messages there and back."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.server.http.gateway import mapping
from backstay.server.http.gateway.json_scan import DEPTH_LIMIT, EndOfInput, JsonError, Kind, Node, scan
from backstay.server.http.gateway.mapping import MappingError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def _plain(node: Node) -> Any:
    if node.kind is Kind.OBJECT:
        return {name.text: _plain(value) for name, value in node.members}
    if node.kind is Kind.ARRAY:
        return [_plain(item) for item in node.items]
    return node.text if node.kind is Kind.STRING else json.loads(node.raw)


@given(VALUES, st.sampled_from([None, 1]), st.booleans())
def test_a_value_is_read_as_every_other_reader_reads_it(value: Any, indent: int | None, ascii_only: bool) -> None:
    data = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "replace")
    node, end = scan(data)
    assert _plain(node) == json.loads(data)
    assert end == len(data)


@given(st.binary(max_size=50))
def test_what_is_no_json_is_refused_and_nothing_else_happens(data: bytes) -> None:
    try:
        node, end = scan(data)
    except JsonError:
        return
    assert data[node.at : end].strip() == data[node.at : end]
    json.loads(data[node.at : end].decode("utf-8", "replace"), strict=True)


def test_a_value_nested_too_deep_is_refused_and_harms_nothing() -> None:
    assert scan(b"[" * DEPTH_LIMIT + b"]" * DEPTH_LIMIT)
    for size in (DEPTH_LIMIT + 2, 100_000):
        with pytest.raises(JsonError, match="exceeded max depth"):
            scan(b"[" * size)


def test_nothing_but_space_is_no_value() -> None:
    with pytest.raises(EndOfInput):
        scan(b" \n\t")


RANGES = st.builds(
    rpc.RangeRequest,
    key=st.binary(max_size=20),
    range_end=st.binary(max_size=20),
    limit=st.integers(-(2**63), 2**63 - 1),
    revision=st.integers(-(2**63), 2**63 - 1),
    sort_order=st.sampled_from([0, 1, 2, 7]),
    sort_target=st.integers(0, 4),
    serializable=st.booleans(),
)
USERS = st.builds(rpc.AuthUserAddRequest, name=st.text(max_size=20), password=st.text(max_size=20))
ALARMS = st.builds(
    rpc.AlarmResponse,
    header=st.builds(rpc.ResponseHeader, cluster_id=st.integers(0, 2**64 - 1), revision=st.integers(0, 2**63 - 1)),
    alarms=st.lists(
        st.builds(rpc.AlarmMember, memberID=st.integers(0, 2**64 - 1), alarm=st.integers(0, 2)), max_size=3
    ),
)


@given(st.one_of(RANGES, USERS, ALARMS), st.booleans())
def test_a_message_comes_back_from_its_json(message: Any, compact: bool) -> None:
    written = mapping.encode_compact(message) if compact else mapping.encode(message)
    read = type(message)()
    mapping.decode(written.encode(), read)
    assert read == message
    theirs = json_format.MessageToDict(message, preserving_proto_field_name=True)
    assert json.loads(written) == theirs


@given(st.binary(max_size=30), st.booleans(), st.booleans())
def test_bytes_are_read_from_every_base64(data: bytes, for_urls: bool, padded: bool) -> None:
    text = (base64.urlsafe_b64encode if for_urls else base64.b64encode)(data).decode()
    assert mapping.from_base64(text if padded else text.rstrip("=")) == data


@pytest.mark.parametrize("text", ["A", "!!!!", "A===", "AAAA=", "-+AA", "AA=A", "é"])
def test_what_is_no_base64_is_none(text: str) -> None:
    assert mapping.from_base64(text) is None


@pytest.mark.parametrize(
    ("written", "limit"),
    [
        ("7", 7),
        ('"7"', 7),
        ("7.0", 7),
        ("70e-1", 7),
        ("0.7e1", 7),
        ("-0", 0),
        ('"-9223372036854775808"', -(2**63)),
        ("9223372036854775807", 2**63 - 1),
        ("0e999999999", 0),
    ],
)
def test_an_integer_is_taken_however_it_is_written(written: str, limit: int) -> None:
    request = rpc.RangeRequest()
    mapping.decode(f'{{"limit":{written}}}'.encode(), request)
    assert request.limit == limit


@pytest.mark.parametrize(
    "written", ["7.5", '"7x"', '""', "9223372036854775808", "1e400", "1e999999999", "1e-999999999", "true", "[]"]
)
def test_what_is_no_such_integer_is_refused_with_its_place(written: str) -> None:
    with pytest.raises(MappingError, match=r"\(line 1:10\): invalid value for int64 field limit: "):
        mapping.decode(f'{{"limit":{written}}}'.encode(), rpc.RangeRequest())


def test_a_number_of_a_million_digits_takes_no_time() -> None:
    digits = "9" * 1_000_000
    for written in (digits, f"0.{digits}", f"1e{digits[:100]}"):
        with pytest.raises(MappingError):
            mapping.decode(f'{{"limit":{written}}}'.encode(), rpc.RangeRequest())
