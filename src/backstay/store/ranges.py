"""Ranges of keys as requests name them, and sets of such ranges.

range_end empty      the key alone               [key, key 00)
range_end 00         everything from the key on  [key, none)
any other            [key, range_end), empty when range_end <= key
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

FROM_KEY_ON = b"\0"


class KeyRange(NamedTuple):
    """[start, end); `end` None has no upper bound."""

    start: bytes
    end: bytes | None

    @property
    def is_empty(self) -> bool:
        """Whether no key can be inside."""
        return self.end is not None and self.end <= self.start


def key_range(key: bytes, range_end: bytes) -> KeyRange:
    """The range that a request means."""
    if not range_end:
        return KeyRange(key, key + b"\0")
    return KeyRange(key, None if range_end == FROM_KEY_ON else range_end)


class RangeSet:
    """A union of ranges; ranges that touch count as one."""

    def __init__(self, ranges: Iterable[KeyRange]) -> None:
        merged: list[KeyRange] = []
        for each in sorted((each for each in ranges if not each.is_empty), key=lambda each: each.start):
            last = merged[-1] if merged else None
            if last is None or (last.end is not None and last.end < each.start):
                merged.append(each)
            elif last.end is not None and (each.end is None or each.end > last.end):
                merged[-1] = KeyRange(last.start, each.end)
        self._ranges = merged
        self._starts = [each.start for each in merged]

    def __iter__(self) -> Iterator[KeyRange]:
        return iter(self._ranges)

    def covers(self, wanted: KeyRange) -> bool:
        """Whether all of `wanted` is inside; of an empty range (end <= start) that is its start, as in etcd."""
        if wanted.is_empty:
            return self.holds(wanted.start)
        position = bisect_right(self._starts, wanted.start)
        if position == 0:
            return False
        end = self._ranges[position - 1].end
        return end is None or (wanted.end is not None and wanted.end <= end)

    def holds(self, key: bytes) -> bool:
        """Whether `key` is inside."""
        position = bisect_right(self._starts, key)
        if position == 0:
            return False
        end = self._ranges[position - 1].end
        return end is None or key < end
