"""Finding one record of a base by its revision, fast: which leaf page begins where, and a search inside the page.

The general way through a bbolt file decodes every branch page on the way. Records are looked up for nearly every read of a
store, so the first revision of each leaf is kept in memory, in two arrays: 16 bytes for a page of 4 KiB or more.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_right

from backstay.errors import FormatError
from backstay.formats.bbolt import Database, layout
from backstay.formats.bbolt.reader import Bucket
from backstay.formats.mvcc import KEY_SIZE, REVISION_STRUCT, SEPARATOR, TOMBSTONE_KEY_SIZE

_HEADER = layout.PAGE_HEADER.unpack_from
_ELEMENT = layout.LEAF_ELEMENT.unpack_from


class RecordLookup:
    """The records of bucket `key`. Building it reads the branch pages once; raises `FormatError`."""

    def __init__(self, database: Database, records: Bucket) -> None:
        self._database = database
        self._records = records
        self._buffer = database.buffer
        self._page_size = database.page_size
        self._starts = array("Q")
        self.pages = array("Q")
        """The leaves, in order; none for a bucket that stands inside its parent's page."""
        for least, number in records.leaf_pages():
            if self.pages and (len(least) < KEY_SIZE or int.from_bytes(least[:8]) < self._starts[-1]):
                raise FormatError("the pages of bucket `key` are not in order", offset=number * self._page_size)
            self._starts.append(int.from_bytes(least[:8]) if self.pages else 0)
            self.pages.append(number)

    def value(self, main: int, sub: int) -> bytes | None:
        """The value of a put; None when there is no such record. Raises `FormatError`."""
        wanted = REVISION_STRUCT.pack(main, SEPARATOR, sub)
        if not self.pages:
            return self._records.get(wanted)
        position = bisect_right(self._starts, main) - 1
        while position >= 0:
            value = self._in_leaf(self.pages[position], wanted)
            if value is not None or self._starts[position] < main:
                return value
            position -= 1  # a transaction whose records fill more than one page
        return None

    def _in_leaf(self, number: int, wanted: bytes) -> bytes | None:
        buffer, offset = self._buffer, number * self._page_size
        try:
            own_number, flags, count, overflow = _HEADER(buffer, offset)
            if own_number != number or flags != layout.FLAG_LEAF:
                raise FormatError(f"page {number} is not the leaf it was", offset=offset)
            low, high = 0, count
            first = offset + layout.HEADER_SIZE
            while low < high:
                middle = (low + high) >> 1
                element = first + middle * layout.ELEMENT_SIZE
                _, position, key_size, value_size = _ELEMENT(buffer, element)
                key_start = element + position
                found = buffer[key_start : key_start + min(key_size, TOMBSTONE_KEY_SIZE)]
                if found < wanted:
                    low = middle + 1
                elif found == wanted:
                    value_start = key_start + key_size
                    value_end = value_start + value_size
                    if value_end > min(offset + (overflow + 1) * self._page_size, len(buffer)):
                        raise FormatError(f"an element of page {number} lies outside it", offset=offset)
                    return buffer[value_start:value_end]
                else:
                    high = middle
        except struct.error:
            raise FormatError(f"page {number} is cut off by the end of the file", offset=offset) from None
        return None
