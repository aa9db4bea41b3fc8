"""Single pages of a bbolt file: bounds-checked decoding of headers, branches and leaves.

Called by `reader` and `check`. Every function raises `FormatError` with the absolute offset instead of reading outside
the page it was given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from backstay.errors import FormatError
from backstay.formats.bbolt import layout
from backstay.formats.bbolt.layout import Buffer


class Elements(NamedTuple):
    """The elements of one leaf, loaded.

    `data` holds key, value, key, value, ... in element order without gaps; `spans` has (flags, key start, value start,
    value end) of each element as positions in `data`; `has_buckets` tells whether any flag is set.
    """

    data: bytes
    spans: list[tuple[int, int, int, int]]
    has_buckets: bool


@dataclass(frozen=True, slots=True)
class Page:
    """A decoded page header; `offset` and `end` are the bytes of the logical page, overflow included."""

    buffer: Buffer
    number: int
    flags: int
    count: int
    overflow: int
    offset: int
    end: int

    @property
    def is_branch(self) -> bool:
        return self.flags == layout.FLAG_BRANCH

    @property
    def is_leaf(self) -> bool:
        return self.flags == layout.FLAG_LEAF

    def fail(self, what: str, offset: int | None = None) -> FormatError:
        """A complaint about this page."""
        at = self.offset if offset is None else offset
        where = f"page {self.number}, offset {at}" if self.number else f"inline bucket, offset {at}"
        return FormatError(what, offset=at, where=where)


class Child(NamedTuple):
    """One element of a branch page: everything in page `number` is at or above `key`."""

    key: bytes
    number: int


def decode_page(buffer: Buffer, number: int, page_size: int, high_water: int) -> Page:
    """The header of page `number`, checked against its own number, the high-water mark and the end of the file."""
    offset = number * page_size
    if number < 2 or number >= high_water:
        raise FormatError(
            f"page {number} is referenced but lies outside the file's pages 2 to {high_water - 1}",
            offset=min(offset, len(buffer)),
        )
    header = buffer[offset : offset + layout.HEADER_SIZE]
    if len(header) < layout.HEADER_SIZE:
        raise FormatError(f"page {number} lies behind the end of the file", offset=len(buffer))
    own_number, flags, count, overflow = layout.PAGE_HEADER.unpack(header)
    if own_number != number:
        raise FormatError(f"page {number} says it is page {own_number}", offset=offset)
    if flags not in (layout.FLAG_BRANCH, layout.FLAG_LEAF, layout.FLAG_META, layout.FLAG_FREELIST):
        raise FormatError(f"page {number} has flags 0x{flags:x}, which is no kind of page", offset=offset + 8)
    if number + overflow >= high_water:
        raise FormatError(f"page {number} with {overflow} overflow pages passes the last page", offset=offset + 12)
    end = offset + (overflow + 1) * page_size
    if end > len(buffer):
        raise FormatError(f"page {number} is cut off by the end of the file", offset=len(buffer))
    page = Page(buffer, number, flags, count, overflow, offset, end)
    if page.is_branch or page.is_leaf:
        _check_count(page)
    return page


def decode_inline_page(image: bytes) -> Page:
    """The header of the page image inside an inline bucket's value (`image` starts behind the bucket header)."""
    if len(image) < layout.HEADER_SIZE:
        raise FormatError("inline bucket is shorter than a page header", offset=0)
    number, flags, count, overflow = layout.PAGE_HEADER.unpack_from(image)
    if flags != layout.FLAG_LEAF or overflow:
        raise FormatError(f"inline bucket has page flags 0x{flags:x} and overflow {overflow}", offset=8)
    page = Page(image, 0, flags, count, 0, 0, len(image))
    if number:
        raise page.fail(f"inline bucket has page id {number}, not 0", 0)
    _check_count(page)
    return page


def _check_count(page: Page) -> None:
    if page.offset + layout.HEADER_SIZE + page.count * layout.ELEMENT_SIZE > page.end:
        raise page.fail(f"{page.count} elements do not fit into the page", page.offset + 10)


def decode_branch(page: Page) -> list[Child]:
    """The children of a branch page, in their stored order."""
    start = page.offset + layout.HEADER_SIZE
    table = page.buffer[start : start + page.count * layout.ELEMENT_SIZE]
    children = []
    room = page.end - start - len(table)
    for position, key_size, number in layout.BRANCH_ELEMENT.iter_unpack(table):
        key_start = start + position
        if key_start + key_size > page.end:
            raise page.fail("branch key lies outside its page", start)
        room -= key_size
        if room < 0:
            # Keys that share their bytes could otherwise make 65,535 copies of one that fills the page.
            raise page.fail("branch keys overlap each other", start)
        children.append(Child(page.buffer[key_start : key_start + key_size], number))
        start += layout.ELEMENT_SIZE
    return children


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf page, decoded on demand."""

    page: Page

    def load(self) -> Elements:
        """All keys and values. Costs one copy of the page; use `spans` where most values are not wanted."""
        page = self.page
        elements = load_packed_leaf(page.buffer, page.offset, page.end, page.count)
        return elements or self._load_scattered()

    def _load_scattered(self) -> Elements:
        """Pages whose data is not packed in element order: legal, but bbolt's own writer never makes them."""
        pieces = []
        spans = []
        at = any_flags = 0
        room = self.page.end - self.page.offset - layout.HEADER_SIZE - self.page.count * layout.ELEMENT_SIZE
        for flags, key_start, value_start, value_end in self.spans():
            any_flags |= flags
            room -= value_end - key_start
            if room < 0:
                # Elements that share bytes could otherwise make 65,534 copies of one large value, and inline buckets
                # inside one another 4^32 of a small one.
                raise self.page.fail("leaf elements overlap each other")
            pieces.append(self.page.buffer[key_start:value_end])
            spans.append((flags, at, at + value_start - key_start, at + value_end - key_start))
            at += value_end - key_start
        return Elements(b"".join(pieces), spans, any_flags != 0)

    def spans(self) -> list[tuple[int, int, int, int]]:
        """(flags, key start, value start, value end) of each element as positions in the page's buffer."""
        page = self.page
        start = page.offset + layout.HEADER_SIZE
        table = page.buffer[start : start + page.count * layout.ELEMENT_SIZE]
        spans = []
        for flags, position, key_size, value_size in layout.LEAF_ELEMENT.iter_unpack(table):
            key_start = start + position
            value_start = key_start + key_size
            value_end = value_start + value_size
            if value_end > page.end:
                raise page.fail("leaf element lies outside its page", start)
            spans.append((flags, key_start, value_start, value_end))
            start += layout.ELEMENT_SIZE
        return spans


def load_packed_leaf(buffer: Buffer, offset: int, end: int, count: int) -> Elements | None:
    """The elements of the leaf at buffer[offset:end], or None if its data is not packed in order or runs out of it.

    This is the hot path of every pass over a file: large values make nearly every record a leaf of its own.
    """
    expected = count << 4
    start = offset + 16 + expected
    spans = []
    element = at = any_flags = 0
    for flags, position, key_size, value_size in layout.LEAF_ELEMENT.iter_unpack(buffer[offset + 16 : start]):
        if element + position != expected + at:
            return None
        value = at + key_size
        any_flags |= flags
        spans.append((flags, at, value, value + value_size))
        at = value + value_size
        element += 16
    if start + at > end:
        return None
    return Elements(buffer[start : start + at], spans, any_flags != 0)
