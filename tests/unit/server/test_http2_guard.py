"""The guard before grpcio: what it lets through, and what not, however it is cut and coded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.server.http2_guard import Http2Guard, is_clean
from tests.http2_bytes import PREFACE, coded, frame, headers, literal, named

GOOD_PATH = b"/etcdserverpb.KV/Range"
BAD = b"/\xff\xfe"

CODED_PATH = coded(b":path")


def admits(data: bytes) -> bool:
    guard = Http2Guard()
    return guard.admits(PREFACE) and guard.admits(data)


@pytest.mark.parametrize(
    "block",
    [
        literal(4, GOOD_PATH),
        literal(4, coded(GOOD_PATH), is_coded=True),
        literal(5, "/größe".encode()),
        literal(4, coded("/größe".encode()), is_coded=True),
        named(b":path", GOOD_PATH),
        named(b"trace-bin", b"\x00\xff"),
        b"\x83\x86\xbf\xff\x80\x01",
        b"\x3f\xe1\x1f" + literal(4, GOOD_PATH),
        b"",
    ],
)
def test_what_is_text_is_let_through(block: bytes) -> None:
    assert is_clean(block)
    assert admits(headers(1, block))


@pytest.mark.parametrize(
    "block",
    [
        literal(4, BAD),
        literal(5, BAD),
        literal(4, BAD, remembered=False),
        literal(4, coded(BAD), is_coded=True),
        literal(62, BAD),
        literal(200, BAD),
        named(b":path", BAD),
        named(CODED_PATH, BAD, is_coded=True),
        b"\x83" + literal(4, GOOD_PATH) + literal(4, BAD),
    ],
)
def test_a_path_that_is_no_text_is_stopped_however_it_is_written(block: bytes) -> None:
    assert not is_clean(block)
    assert not admits(headers(1, block))
    assert not admits(frame(1, 0, 1, block[:1]) + frame(9, 4, 1, block[1:])), "in two frames"
    assert not admits(frame(1, 0x4 | 0x8, 1, b"\x03" + block + b"\0\0\0")), "padded"
    assert not admits(frame(1, 0x4 | 0x20, 1, bytes(5) + block)), "with a priority"


def test_where_the_bytes_are_cut_makes_no_difference() -> None:
    good = headers(1, literal(4, GOOD_PATH)) + frame(0, 1, 1, bytes(300)) + headers(3, literal(4, GOOD_PATH))
    whole = PREFACE + frame(4, 0, 0, b"") + good
    for data, expected in ((whole, True), (whole + headers(5, literal(4, BAD)), False)):
        for size in (1, 2, 3, 7, 23, 24, 25, 100, len(data)):
            guard = Http2Guard()
            pieces = (data[at : at + size] for at in range(0, len(data), size))
            assert all(guard.admits(piece) for piece in pieces) is expected, size


@pytest.mark.parametrize("block", [b"\x44", b"\x44\x05ab", b"\x40\x7f\xff\xff\xff\xff\xff\xff", b"\x7f" + b"\xff" * 8])
def test_a_block_that_ends_too_early_is_stopped(block: bytes) -> None:
    assert not is_clean(block)


def test_a_block_without_end_is_stopped() -> None:
    guard = Http2Guard()
    assert guard.admits(PREFACE + frame(1, 0, 1, b"\x83"))
    verdicts = [guard.admits(frame(9, 0, 1, b"\x83" * 16_000)) for _ in range(40)]
    assert not all(verdicts)


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_no_bytes_break_it(pieces: list[bytes]) -> None:
    guard = Http2Guard()
    guard.admits(PREFACE)
    for piece in pieces:
        guard.admits(piece)


@given(st.binary(max_size=40), st.booleans())
def test_a_coded_value_is_judged_as_the_plain_one(value: bytes, indexed: bool) -> None:
    plain = is_clean(literal(4, value, remembered=indexed))
    assert is_clean(literal(4, coded(value), is_coded=True, remembered=indexed)) is plain
    try:
        value.decode()
    except UnicodeDecodeError:
        assert not plain
    else:
        assert plain


@pytest.mark.parametrize("is_coded", [False, True])
def test_who_debugs_hears_by_which_name_a_client_called(is_coded: bool) -> None:
    heard: list[str] = []
    name = b"localhost:2379"
    block = b"\x83" + literal(1, coded(name) if is_coded else name, is_coded=is_coded) + literal(4, GOOD_PATH)
    guard = Http2Guard(heard.append)
    assert guard.admits(PREFACE + headers(1, block))
    assert heard == ["localhost:2379"]


def test_empty_pieces_of_a_header_block_do_not_pile_up_without_end() -> None:
    guard = Http2Guard()
    assert guard.admits(PREFACE) and guard.admits(frame(1, 0, 1, b""))
    pieces = frame(9, 0, 1, b"") * 1_000
    assert not all(guard.admits(pieces) for _ in range(100))
