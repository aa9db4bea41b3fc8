"""bbolt pages made by hand, right or wrong, for tests of the reader and the check. Independent of the builder."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from backstay.formats.bbolt import Meta, layout

Items = Sequence[tuple[bytes, bytes]]


def leaf_page(number: int, items: Items, *, nested: Items = (), page_size: int = 4096) -> bytes:
    """A leaf; `nested` are elements that are buckets. Sorted, packed, padded, with overflow as needed."""
    elements = sorted([(key, value, 0) for key, value in items] + [(key, value, 1) for key, value in nested])
    table, data = b"", b""
    for index, (key, value, flags) in enumerate(elements):
        position = 16 * (len(elements) - index) + len(data)
        table += struct.pack("<IIII", flags, position, len(key), len(value))
        data += key + value
    pages = -(-(16 + len(table) + len(data)) // page_size)
    image = struct.pack("<QHHI", number, layout.FLAG_LEAF, len(elements), pages - 1) + table + data
    return image.ljust(pages * page_size, b"\0")


def branch_page(number: int, children: Sequence[tuple[bytes, int]], *, page_size: int = 4096) -> bytes:
    """A branch, in the given order."""
    table, data = b"", b""
    for index, (key, child) in enumerate(children):
        table += struct.pack("<IIQ", 16 * (len(children) - index) + len(data), len(key), child)
        data += key
    image = struct.pack("<QHHI", number, layout.FLAG_BRANCH, len(children), 0) + table + data
    return image.ljust(page_size, b"\0")


def freelist_page(number: int, ids: Sequence[int], *, page_size: int = 4096, wide: bool = False) -> bytes:
    """A free list; `wide` writes the count into the first word (0xFFFF in the header), as bbolt does from 65,535 on."""
    words = [len(ids), *ids] if wide else list(ids)
    pages = -(-(16 + 8 * len(words)) // page_size)
    count = layout.FREELIST_COUNT_OVERFLOW if wide else len(ids)
    image = struct.pack("<QHHI", number, layout.FLAG_FREELIST, count, pages - 1) + struct.pack(
        f"<{len(words)}Q", *words
    )
    return image.ljust(pages * page_size, b"\0")


def bucket_header(root: int) -> bytes:
    """The value of a bucket with pages of its own."""
    return struct.pack("<QQ", root, 0)


def inline_bucket(items: Items, *, nested: Items = ()) -> bytes:
    """The value of an inline bucket."""
    image = leaf_page(0, items, nested=nested)
    size = 16 + sum(16 + len(key) + len(value) for key, value in [*items, *nested])
    return bytes(16) + image[:size]


def file_of(
    pages: Mapping[int, bytes],
    *,
    root: int,
    freelist: int = layout.NO_FREELIST,
    page_size: int = 4096,
    high_water: int | None = None,
) -> bytes:
    """A file with `pages` from page 2 on; gaps are zeros."""
    end = max(number + len(page) // page_size for number, page in pages.items())
    meta = [
        layout.encode_meta_page(number, Meta(page_size, root, 0, freelist, high_water or end, 2 - number))
        for number in (0, 1)
    ]
    body = bytearray((end - 2) * page_size)
    for number, page in pages.items():
        body[(number - 2) * page_size :][: len(page)] = b""
        body[(number - 2) * page_size : (number - 2) * page_size + len(page)] = page
    return b"".join(meta) + bytes(body)
