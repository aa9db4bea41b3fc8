"""Who hears of a change of one key, found without asking every watcher.

one key     by the key
a prefix    by the prefix: a key is looked up once for each length of prefix that somebody watches, some dozens
else        asked one by one: ranges that are no prefix are rare
"""

from __future__ import annotations

from collections.abc import Iterator

from backstay.store.ranges import KeyRange
from backstay.store.watching.streams import Watcher


class Audience:
    """Watchers by what they watch."""

    def __init__(self) -> None:
        self._points: dict[bytes, dict[Watcher, None]] = {}
        self._prefixes: dict[bytes, dict[Watcher, None]] = {}
        self._lengths: dict[int, int] = {}
        """How many watched prefixes have this length."""
        self._ranges: dict[Watcher, None] = {}

    def __bool__(self) -> bool:
        return bool(self._points or self._prefixes or self._ranges)

    def add(self, watcher: Watcher) -> None:
        """The watcher hears of changes from now on."""
        start = watcher.within.start
        if not watcher.spec.range_end:
            self._points.setdefault(start, {})[watcher] = None
        elif is_prefix(watcher.within):
            if start not in self._prefixes:
                self._prefixes[start] = {}
                self._lengths[len(start)] = self._lengths.get(len(start), 0) + 1
            self._prefixes[start][watcher] = None
        else:
            self._ranges[watcher] = None

    def remove(self, watcher: Watcher) -> None:
        """The watcher hears of nothing; also one that was not added."""
        start = watcher.within.start
        self._ranges.pop(watcher, None)
        if not watcher.spec.range_end:
            _drop(self._points, start, watcher)
        elif _drop(self._prefixes, start, watcher):
            self._lengths[len(start)] -= 1
            if not self._lengths[len(start)]:
                del self._lengths[len(start)]

    def of(self, key: bytes) -> Iterator[Watcher]:
        """Those who may want to know about `key`."""
        if self._points:
            yield from self._points.get(key, ())
        prefixes, size = self._prefixes, len(key)
        for length in self._lengths:
            if length <= size and (found := prefixes.get(key[:length])) is not None:
                yield from found
        yield from self._ranges


def is_prefix(within: KeyRange) -> bool:
    """Whether exactly the keys that begin with `start` are meant."""
    start, end = within
    return bool(start) and end is not None and start[-1] < 0xFF and end == start[:-1] + bytes((start[-1] + 1,))


def _drop(places: dict[bytes, dict[Watcher, None]], start: bytes, watcher: Watcher) -> bool:
    """Whether that was the last one at this place."""
    there = places.get(start, {})
    if watcher not in there:
        return False
    del there[watcher]
    if not there:
        del places[start]
    return not there
