"""Which revisions every user key has: the ordered index over all keys, as etcd keeps it in memory.

A key's history is its records in order, each a put or a tombstone. What etcd calls a generation is the stretch from a
put to the tombstone that ends it; since every record says whether it is a tombstone, the stretches need no storage:

    put 2, put 4, deleted 5, put 7        history 2 4 5t 7        alive at 2, 3, 4 and from 7 on
    compacted at 4                        history 4 5t 7
    compacted at 5                        history 5t 7            a tombstone stays exactly at the compact revision
    compacted at 6                        history 7

Most keys of a big store have one record, so a history of one is a plain number and no list: about 300 bytes per key.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator

from backstay.formats.mvcc import RevisionKey
from backstay.values import Revision

MAIN_SHIFT = 64
SUB_MASK = (1 << 63) - 1
_WINDOW = 4_096
_INSERT_AT_MOST = 8
"""More new keys than this are cheaper to sort in than to insert one by one."""

_History = int | list[int]


class KeyIndex:
    """All keys in order, each with its history. Revisions are added in ascending order."""

    def __init__(self) -> None:
        self._keys: list[bytes] = []
        self._fresh: list[bytes] = []  # not yet in `_keys`: loading adds them by the million, and sorts once
        self._histories: dict[bytes, _History] = {}
        self._deleted: set[bytes] = set()  # keys whose newest record is a tombstone

    def __len__(self) -> int:
        return len(self._histories)

    def __contains__(self, key: bytes) -> bool:
        return key in self._histories

    def add(self, key: bytes, revision: RevisionKey) -> None:
        """`key` has a record at `revision`, newer than all before."""
        self.add_packed(key, pack(revision))

    def add_packed(self, key: bytes, packed: int) -> None:
        """`add`, of a revision that is packed already."""
        before = self._histories.get(key)
        if before is None:
            self._fresh.append(key)
            self._histories[key] = packed
        elif isinstance(before, int):
            self._histories[key] = [before, packed]
        else:
            before.append(packed)
        if packed & 1:
            self._deleted.add(key)
        elif self._deleted:
            self._deleted.discard(key)

    def add_all(self, heads: Iterable[tuple[int, bytes, int]]) -> None:
        """`add_packed` for many: (packed revision, key, anything)."""
        histories, fresh, deleted = self._histories, self._fresh, self._deleted
        for packed, key, _ in heads:
            before = histories.get(key)
            if before is None:
                fresh.append(key)
                histories[key] = packed
            elif isinstance(before, int):
                histories[key] = [before, packed]
            else:
                before.append(packed)
            if packed & 1:
                deleted.add(key)
            elif deleted:
                deleted.discard(key)

    def newest(self, key: bytes, at: Revision | None = None) -> RevisionKey | None:
        """The newest record of `key` (with main at or below `at`), a tombstone too; None when there is none."""
        packed = self.find(key, at)
        return unpack(packed) if packed is not None else None

    def find(self, key: bytes, at: Revision | None = None) -> int | None:
        """`newest`, packed."""
        history = self._histories.get(key)
        if history is None:
            return None
        if isinstance(history, int):
            return history if at is None or history >> MAIN_SHIFT <= at else None
        if at is None:
            return history[-1]
        position = bisect_left(history, (at + 1) << MAIN_SHIFT)
        return history[position - 1] if position else None

    def living(self, start: bytes, end: bytes | None, at: Revision | None = None) -> Iterator[bytes]:
        """Keys in [start, end) that exist now or at revision `at`, in order."""
        if at is not None:
            return self._living_at(start, end, (at + 1) << MAIN_SHIFT)
        keys = self.keys(start, end)
        deleted = self._deleted
        return (key for key in keys if key not in deleted) if deleted else keys

    def count(self, start: bytes, end: bytes | None, at: Revision | None = None) -> int:
        """How many keys `living` gives."""
        if at is not None:
            return sum(1 for _ in self.living(start, end, at))
        first, last = self._bounds(start, end)
        size = last - first
        if size <= 0 or not self._deleted:
            return max(size, 0)
        if size < len(self._deleted):
            return sum(key not in self._deleted for key in self._keys[first:last])
        return size - sum(start <= key and (end is None or key < end) for key in self._deleted)

    def _living_at(self, start: bytes, end: bytes | None, bound: int) -> Iterator[bytes]:
        for key in self.keys(start, end):
            history = self._histories[key]
            if isinstance(history, int):
                if history < bound and not history & 1:
                    yield key
            elif history[-1] < bound:
                if not history[-1] & 1:
                    yield key
            else:
                position = bisect_left(history, bound)
                if position and not history[position - 1] & 1:
                    yield key

    def keys(self, start: bytes, end: bytes | None) -> Iterator[bytes]:
        """Keys in [start, end) in order, dead ones too; `end` None means all from `start` on."""
        first, last = self._bounds(start, end)
        if last - first <= _WINDOW:
            return iter(self._keys[first:last])
        return self._in_windows(first, last)

    def _in_windows(self, first: int, last: int) -> Iterator[bytes]:
        """For those who stop early. Must be read before the next key is added."""
        keys = self._keys
        for window in range(first, last, _WINDOW):
            yield from keys[window : min(window + _WINDOW, last)]

    def _bounds(self, start: bytes, end: bytes | None) -> tuple[int, int]:
        self._settle()
        return bisect_left(self._keys, start), len(self._keys) if end is None else bisect_left(self._keys, end)

    def _settle(self) -> None:
        if not self._fresh:
            return
        if len(self._fresh) > _INSERT_AT_MOST:
            self._keys += self._fresh
            self._keys.sort()
        else:
            for key in self._fresh:
                insort(self._keys, key)
        self._fresh.clear()

    def between(self, within: tuple[bytes, bytes | None], first: int, last: int) -> list[tuple[RevisionKey, bytes]]:
        """Every record of the keys in a range with `first` <= main <= `last`, in the order of revisions."""
        low, high = first << MAIN_SHIFT, (last + 1) << MAIN_SHIFT
        found: list[tuple[int, bytes]] = []
        for key in self.keys(*within):
            history = self._histories[key]
            if isinstance(history, int):
                if low <= history < high:
                    found.append((history, key))
            elif history[-1] >= low:
                found += [(each, key) for each in history[bisect_left(history, low) : bisect_left(history, high)]]
        found.sort()
        return [(unpack(packed), key) for packed, key in found]

    def compact(self, at: Revision) -> None:
        """Forget what a compaction at `at` removes."""
        for _ in self.compact_in_steps(at, len(self._histories) + 1):
            pass

    def compact_in_steps(self, at: Revision, keys_per_step: int) -> Iterator[list[int]]:
        """Forget what a compaction at `at` removes, some keys at a time; yields the records forgotten in each, packed.

        Keys may be added and written between the steps. A key with nothing left goes in the last step, so that one
        written again meanwhile is never listed twice.
        """
        bound = (at + 1) << MAIN_SHIFT
        dead = []
        pending = list(self._histories)
        for start in range(0, len(pending), keys_per_step):
            forgotten: list[int] = []
            for key in pending[start : start + keys_per_step]:
                history = self._histories[key]
                listed = [history] if isinstance(history, int) else history
                position = bisect_left(listed, bound)
                if position == 0:
                    continue
                newest = listed[position - 1]
                if not newest & 1 or newest >> MAIN_SHIFT == at:
                    position -= 1
                if position == len(listed):
                    dead.append(key)
                elif position:
                    forgotten += listed[:position]
                    self._histories[key] = listed[-1] if position == len(listed) - 1 else listed[position:]
            yield forgotten
        yield self._bury(dead, bound)

    def _bury(self, dead: list[bytes], bound: int) -> list[int]:
        forgotten: list[int] = []
        gone = False
        for key in dead:
            history = self._histories[key]
            listed = [history] if isinstance(history, int) else history
            position = bisect_left(listed, bound)
            forgotten += listed[:position]
            if position == len(listed):
                del self._histories[key]
                self._deleted.discard(key)
                gone = True
            else:  # written again since
                self._histories[key] = listed[-1] if position == len(listed) - 1 else listed[position:]
        if gone:
            self._settle()
            self._keys = [key for key in self._keys if key in self._histories]
        return forgotten


def pack(revision: RevisionKey) -> int:
    """A revision as one number, in the order of revisions; odd for a tombstone."""
    return revision.main << MAIN_SHIFT | revision.sub << 1 | revision.tombstone


def unpack(packed: int) -> RevisionKey:
    """The revision that `pack` made a number of."""
    return RevisionKey(packed >> MAIN_SHIFT, packed >> 1 & SUB_MASK, bool(packed & 1))
