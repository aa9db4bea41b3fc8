"""Values are spelled as Go spells them, byte for byte, because scripts read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.cli.render.etcdctl import go
from backstay.cli.render.etcdctl.keys import transaction_answer
from backstay.etcd.pb import rpc_pb2 as rpc


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"plain", '"plain"'),
        (b'a "quoted" \\ back', r'"a \"quoted\" \\ back"'),
        (b"\a\b\f\n\r\t\v", r'"\a\b\f\n\r\t\v"'),
        (b"\x00\x1b\x7f", r'"\x00\x1b\x7f"'),
        (b"\x80\xff", r'"\x80\xff"'),
        ("wörld ✓".encode(), '"wörld ✓"'),
        ("\u2028\u00a0\u00ad".encode(), r'"\u2028\u00a0\u00ad"'),
        ("\U000e0001".encode(), r'"\U000e0001"'),
    ],
)
def test_quoted_text_is_gos(data: bytes, text: str) -> None:
    assert go.quoted(data) == text
    assert go.unquoted(text) == data


@given(st.binary())
def test_what_is_quoted_can_be_read_again(data: bytes) -> None:
    assert go.unquoted(go.quoted(data)) == data
    assert go.bytes_of(go.text_of(data)) == data


@pytest.mark.parametrize(
    "text", ['"', '""extra"', '"a', 'a"', '"\\q"', '"\\x4"', '"\\400"', '"\n"', '"\\ud800"', "'a'", "``x`"]
)
def test_broken_quotes_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid syntax"):
        go.unquoted(text)


def test_backquotes_keep_what_stands_between_them() -> None:
    assert go.unquoted(r"`a\n`") == rb"a\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"), (1e-9, "1ns"), (3.5e-6, "3.5µs"), (2.951026e-3, "2.951026ms"), (1.5, "1.5s"), (59.0, "59s"),
        (63.25, "1m3.25s"), (3600, "1h0m0s"), (7384.5, "2h3m4.5s"),
    ],
)  # fmt: skip
def test_durations_are_gos(seconds: float, text: str) -> None:
    assert go.duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "base", "number"),
    [
        ("7", 10, 7),
        ("-7", 10, -7),
        ("+7", 0, 7),
        ("0x1F", 0, 31),
        ("017", 0, 15),
        ("0b11", 0, 3),
        ("ff", 16, 255),
        ("0", 0, 0),
    ],
)
def test_numbers_are_read_as_go_reads_them(text: str, base: int, number: int) -> None:
    assert go.integer(text, base) == number


@pytest.mark.parametrize(
    ("text", "base", "why"),
    [
        ("", 10, 'strconv.ParseInt: parsing "": invalid syntax'),
        ("seven", 10, 'strconv.ParseInt: parsing "seven": invalid syntax'),
        (" 7", 10, 'strconv.ParseInt: parsing " 7": invalid syntax'),
        ("1_000", 10, 'strconv.ParseInt: parsing "1_000": invalid syntax'),
        ("٣", 10, 'strconv.ParseInt: parsing "٣": invalid syntax'),
        ("09", 0, 'strconv.ParseInt: parsing "09": invalid syntax'),
        ("9223372036854775808", 10, 'strconv.ParseInt: parsing "9223372036854775808": value out of range'),
    ],
)
def test_numbers_are_refused_in_gos_words(text: str, base: int, why: str) -> None:
    with pytest.raises(ValueError) as refused:
        go.integer(text, base)
    assert str(refused.value) == why


def test_unsigned_numbers_take_no_sign() -> None:
    assert go.unsigned("ffffffffffffffff", 16) == (1 << 64) - 1
    with pytest.raises(ValueError, match="ParseUint"):
        go.unsigned("-1", 16)


def test_json_leaves_out_what_is_zero_and_keeps_empty_messages() -> None:
    response = rpc.StatusResponse(version="3.7.3")
    response.downgradeInfo.SetInParent()
    assert go.json_of(response) == {"version": "3.7.3", "downgradeInfo": {}}


def test_a_transaction_in_a_transaction_is_shown_in_json() -> None:
    inner = rpc.TxnResponse(succeeded=True, responses=[rpc.ResponseOp(response_put=rpc.PutResponse())])
    outer = rpc.TxnResponse(responses=[rpc.ResponseOp(response_txn=inner), rpc.ResponseOp()])
    assert transaction_answer(outer, is_hex=False).data() == {
        "responses": [
            {"Response": {"response_txn": {"succeeded": True, "responses": [{"Response": {"response_put": {}}}]}}},
            {"Response": {}},
        ]
    }
