"""Requests in the log: every golden entry decodes and encodes back to the same bytes; damage is a FormatError."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import FormatError
from backstay.formats import protowire, requests
from backstay.formats.raft import EntryType
from backstay.formats.requests import decode_request, encode_request
from backstay.formats.wal import Segment, read_log
from tests import golden

EXAMPLE = bytes.fromhex("22060a0161120131a2060308d209")


def test_the_example_of_the_module_is_what_it_says() -> None:
    request = decode_request(EXAMPLE)
    assert request == requests.Request(requests.Put(b"a", b"1"), id=1234)
    assert encode_request(request) == EXAMPLE


@pytest.mark.parametrize("name", golden.KILLED + golden.COMPACTING)
def test_every_request_in_a_golden_log_is_written_back_byte_for_byte(name: str, tmp_path: Path) -> None:
    seen = set()
    for data in entry_data(golden.unpack(name, tmp_path / "data")):
        request = decode_request(data)
        assert request.body is not None
        seen.add(type(request.body))
        if isinstance(request.body, requests.V2Request):
            assert request.body.method == "PUT" and request.body.path.startswith("/0/")
        else:
            assert encode_request(request) == data
    assert {requests.Put, requests.DeleteRange, requests.Txn, requests.LeaseGrant} <= seen
    assert (requests.V2Request in seen) == name.startswith(("3.4", "3.5"))


@pytest.mark.parametrize(
    "body",
    [
        requests.Txn(
            (requests.Compare(key=b"k", version=0), requests.Compare(3, 3, b"k", value=b"", range_end=b"\0")),
            (requests.Operation(txn=requests.Txn()), requests.Operation(range=requests.Range(b"a", limit=-1))),
            (requests.Operation(delete_range=requests.DeleteRange(b"x", b"y", True)),),
        ),
        requests.LeaseGrant(60, -7),
        requests.LeaseCheckpoint((requests.RemainingTime(1, 2), requests.RemainingTime())),
        requests.Alarm(1, (1 << 64) - 1, 2),
        requests.AuthEnable(),
        requests.UserAdd("u", options=requests.UserOptions(), hashed_password="eA=="),
        requests.RoleGrantPermission("r", requests.GrantedPermission(2, b"a", b"\0")),
        requests.MemberAttributesSet(5, requests.MemberAttributes("n", ("http://a", "http://b"))),
        requests.DowngradeInfoSet(True, "3.5.0"),
    ],
    ids=lambda body: type(body).__name__,
)
def test_a_request_survives_writing_and_reading(body: requests.Message) -> None:
    request = requests.Request(body, 9, "alice", 3)
    assert decode_request(encode_request(request)) == request


def test_a_member_of_a_oneof_is_written_even_when_it_is_zero() -> None:
    body = requests.Txn((requests.Compare(key=b"k", create_revision=0),))
    assert bytes.fromhex("32 07 0a05 1a016b 2800".replace(" ", "")) in encode_request(requests.Request(body))


def test_a_bare_v2_request_is_told_apart_by_its_wire_types() -> None:
    bare = b"".join(
        (
            protowire.int_field(1, 7),
            protowire.bytes_field(2, b"PUT"),
            protowire.bytes_field(3, b"/0/version"),
            protowire.bytes_field(4, b"3.5.0"),
            protowire.int_field(5, 0),
        )
    )
    assert decode_request(bare) == requests.Request(requests.V2Request(7, "PUT", "/0/version", "3.5.0"), 7)


def test_a_request_of_a_later_release_has_no_body() -> None:
    data = protowire.bytes_field(5000, b"") + protowire.bytes_field(100, b"\x08\x01")
    assert decode_request(data) == requests.Request(None, 1)
    with pytest.raises(ValueError, match="cannot be written"):
        encode_request(requests.Request(None))


def test_passwords_are_not_part_of_what_is_printed() -> None:
    secret = requests.UserAdd("u", "hunter2", hashed_password="aHVudGVyMg==")
    assert "hunter2" not in repr(secret) and "aHVu" not in repr(secret)


@pytest.mark.parametrize("broken", ["22 05 0a01", "22 02 08 01", "0a 01 41 22 00 2a 00", "22 00 2a 00"])
def test_a_damaged_request_is_a_format_error(broken: str) -> None:
    with pytest.raises(FormatError):
        decode_request(bytes.fromhex(broken.replace(" ", "")))


def test_transactions_nested_without_end_are_refused() -> None:
    nested = b""
    for _ in range(5000):
        nested = protowire.bytes_field(2, protowire.bytes_field(4, nested))
    with pytest.raises(FormatError, match="nested"):
        decode_request(protowire.bytes_field(6, nested))


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_a_format_error(data: bytes) -> None:
    with contextlib.suppress(FormatError):
        decode_request(data)


def entry_data(directory: Path) -> list[bytes]:
    """The data of every normal entry in the directory's log that holds any."""
    segments = [Segment(path.name, path.read_bytes()) for path in sorted((directory / "member/wal").glob("*.wal"))]
    entries = read_log(segments).entries
    return [entry.data for entry in entries if entry.kind is EntryType.NORMAL and entry.data]
