"""Meta pages: checksum, validity, page-size detection."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import FormatError
from backstay.formats.bbolt import Meta, layout, open_database
from tests.unit.formats import databases

PAGE_SIZES = (1024, 4096, 16384, 65536)


def test_the_published_fnv_value() -> None:
    assert layout.fnv1a64(b"a") == 0xAF63DC4C8601EC8C


def test_the_bytes_of_the_reference() -> None:
    meta = Meta(4096, root=3, sequence=0, freelist=layout.NO_FREELIST, high_water=4, transaction=2)
    page = layout.encode_meta_page(0, meta)
    assert len(page) == 4096
    assert page[:80] == bytes.fromhex(
        "00000000000000000400000000000000 edda0ced020000000010000000000000"
        "03000000000000000000000000000000 ffffffffffffffff0400000000000000"
        "0200000000000000e67d871f1d8059c7"
    )
    assert layout.decode_meta(page, 0) == meta


@given(
    st.sampled_from(PAGE_SIZES),
    st.tuples(*[st.integers(0, (1 << 64) - 1)] * 5),
    st.integers(0, 1),
)
def test_a_meta_survives(page_size: int, numbers: tuple[int, int, int, int, int], number: int) -> None:
    meta = Meta(page_size, *numbers)
    assert layout.decode_meta(layout.encode_meta_page(number, meta), 0) == meta


@given(st.integers(16, 79), st.integers(0, 7))
def test_every_flipped_bit_makes_a_meta_invalid(byte: int, bit: int) -> None:
    page = bytearray(layout.encode_meta_page(0, Meta(4096, 3, 0, layout.NO_FREELIST, 4, 2)))
    page[byte] ^= 1 << bit
    assert isinstance(layout.decode_meta(bytes(page), 0), str)


@pytest.mark.parametrize("page_size", [0, 512, 4095, 12288, 1 << 25])
def test_a_page_size_that_bbolt_cannot_have_is_refused(page_size: int) -> None:
    meta = layout.encode_meta_page(0, Meta(page_size, 3, 0, layout.NO_FREELIST, 4, 2)).ljust(4096, b"\0")
    assert "page size" in str(layout.decode_meta(meta, 0))


def test_a_big_endian_file_is_named_as_such() -> None:
    page = bytearray(layout.encode_meta_page(0, Meta(4096, 3, 0, layout.NO_FREELIST, 4, 2)))
    page[16:20] = page[16:20][::-1]
    with pytest.raises(FormatError, match="neither meta page") as caught:
        open_database(bytes(page) * 2)
    assert "big-endian" in caught.value.why


@pytest.mark.parametrize("page_size", PAGE_SIZES)
def test_either_meta_is_enough_whatever_the_page_size(page_size: int) -> None:
    whole = databases.build_records(databases.SMALL_RECORDS, page_size=page_size)
    content = databases.all_items(open_database(whole))
    for number in (0, 1):
        broken = bytearray(whole)
        broken[number * page_size + 20] ^= 0xFF
        database = open_database(bytes(broken))
        assert (database.page_size, database.meta.transaction) == (page_size, 1 + number)
        assert isinstance(database.metas[number], str)
        assert databases.all_items(database) == content


def test_the_higher_transaction_counts_whichever_page_holds_it() -> None:
    whole = databases.build_records(databases.SMALL_RECORDS)
    first = open_database(whole).meta
    newer = Meta(first.page_size, first.root, 0, first.freelist, first.high_water, first.transaction + 1)
    swapped = whole[:4096] + layout.encode_meta_page(1, newer) + whole[8192:]
    assert open_database(swapped).meta == newer


@pytest.mark.parametrize("data", [b"", b"x", bytes(4096), bytes(1 << 16), b"\xff" * 70000])
def test_what_is_no_database_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        open_database(data)
