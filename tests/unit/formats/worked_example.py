"""The worked example of docs/formats/etcd-files.md, section 1.7: one complete file of 16 KiB, byte for byte.

Buckets `key` (4 records, a normal bucket) and `meta` (2 keys, inline). Accepted by bbolt and by etcd's own tools.
"""

from __future__ import annotations

_PAGE_0 = """
    00 00 00 00 00 00 00 00 04 00 00 00 00 00 00 00
    ed da 0c ed 02 00 00 00 00 10 00 00 00 00 00 00
    03 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
    ff ff ff ff ff ff ff ff 04 00 00 00 00 00 00 00
    02 00 00 00 00 00 00 00 e6 7d 87 1f 1d 80 59 c7
"""
_PAGE_2 = """
    02 00 00 00 00 00 00 00 02 00 04 00 00 00 00 00
    00 00 00 00 40 00 00 00 11 00 00 00 0c 00 00 00
    00 00 00 00 4d 00 00 00 11 00 00 00 0c 00 00 00
    00 00 00 00 5a 00 00 00 11 00 00 00 0c 00 00 00
    00 00 00 00 67 00 00 00 12 00 00 00 03 00 00 00
    00 00 00 00 00 00 00 02 5f 00 00 00 00 00 00 00
    00 0a 01 61 10 02 18 02 20 01 2a 01 31 00 00 00
    00 00 00 00 03 5f 00 00 00 00 00 00 00 00 0a 01
    62 10 03 18 03 20 01 2a 01 32 00 00 00 00 00 00
    00 04 5f 00 00 00 00 00 00 00 00 0a 01 61 10 02
    18 04 20 02 2a 01 33 00 00 00 00 00 00 00 05 5f
    00 00 00 00 00 00 00 00 74 0a 01 62
"""
_PAGE_3 = """
    03 00 00 00 00 00 00 00 02 00 02 00 00 00 00 00
    01 00 00 00 20 00 00 00 03 00 00 00 10 00 00 00
    01 00 00 00 23 00 00 00 04 00 00 00 64 00 00 00
    6b 65 79 02 00 00 00 00 00 00 00 00 00 00 00 00
    00 00 00 6d 65 74 61 00 00 00 00 00 00 00 00 00
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 02
    00 02 00 00 00 00 00 00 00 00 00 20 00 00 00 10
    00 00 00 08 00 00 00 00 00 00 00 28 00 00 00 04
    00 00 00 08 00 00 00 63 6f 6e 73 69 73 74 65 6e
    74 5f 69 6e 64 65 78 00 00 00 00 00 00 00 05 74
    65 72 6d 00 00 00 00 00 00 00 01
"""


def _page(text: str) -> bytearray:
    return bytearray(bytes.fromhex(text).ljust(4096, b"\0"))


def _page_1() -> bytearray:
    """As page 0, with id 1, transaction 1 and its own checksum."""
    page = _page(_PAGE_0)
    page[0], page[64] = 1, 1
    page[72:80] = bytes.fromhex("c5 33 98 14 14 b9 5e a8")
    return page


WORKED_EXAMPLE = bytes(_page(_PAGE_0) + _page_1() + _page(_PAGE_2) + _page(_PAGE_3))
