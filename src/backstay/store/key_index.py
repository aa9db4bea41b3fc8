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
from collections.abc import Iterator

from backstay.formats.mvcc import RevisionKey
from backstay.values import Revision

_MAIN_SHIFT = 64
_INSERT_AT_MOST = 8
"""More new keys than this are cheaper to sort in than to insert one by one."""

_History = int | list[int]


class KeyIndex:
    """All keys in order, each with its history. Revisions are added in ascending order."""

    def __init__(self) -> None:
        self._keys: list[bytes] = []
        self._fresh: list[bytes] = []  # not yet in `_keys`: loading adds them by the million, and sorts once
        self._histories: dict[bytes, _History] = {}

    def __len__(self) -> int:
        return len(self._histories)

    def __contains__(self, key: bytes) -> bool:
        return key in self._histories

    def add(self, key: bytes, revision: RevisionKey) -> None:
        """`key` has a record at `revision`, newer than all before."""
        packed = revision.main << _MAIN_SHIFT | revision.sub << 1 | revision.tombstone
        before = self._histories.get(key)
        if before is None:
            self._fresh.append(key)
            self._histories[key] = packed
        elif isinstance(before, int):
            self._histories[key] = [before, packed]
        else:
            before.append(packed)

    def newest(self, key: bytes, at: Revision | None = None) -> RevisionKey | None:
        """The newest record of `key` (with main at or below `at`), a tombstone too; None when there is none."""
        history = self._histories.get(key)
        if history is None:
            return None
        if isinstance(history, int):
            chosen = history
            if at is not None and chosen >> _MAIN_SHIFT > at:
                return None
        elif at is None:
            chosen = history[-1]
        else:
            position = bisect_left(history, (at + 1) << _MAIN_SHIFT)
            if position == 0:
                return None
            chosen = history[position - 1]
        return _unpack(chosen)

    def keys(self, start: bytes, end: bytes | None) -> Iterator[bytes]:
        """Keys in [start, end) in order, dead ones too; `end` None means all from `start` on."""
        self._settle()
        first = bisect_left(self._keys, start)
        last = len(self._keys) if end is None else bisect_left(self._keys, end)
        return iter(self._keys[first:last])

    def _settle(self) -> None:
        if len(self._fresh) > _INSERT_AT_MOST:
            self._keys += self._fresh
            self._keys.sort()
        else:
            for key in self._fresh:
                insort(self._keys, key)
        self._fresh.clear()

    def between(self, within: tuple[bytes, bytes | None], first: int, last: int) -> list[tuple[RevisionKey, bytes]]:
        """Every record of the keys in a range with `first` <= main <= `last`, in the order of revisions."""
        low, high = first << _MAIN_SHIFT, (last + 1) << _MAIN_SHIFT
        found: list[tuple[int, bytes]] = []
        for key in self.keys(*within):
            history = self._histories[key]
            if isinstance(history, int):
                if low <= history < high:
                    found.append((history, key))
            elif history[-1] >= low:
                found += [(each, key) for each in history[bisect_left(history, low) : bisect_left(history, high)]]
        found.sort()
        return [(_unpack(packed), key) for packed, key in found]

    def compact(self, at: Revision) -> None:
        """Forget what a compaction at `at` removes."""
        for _ in self.compact_in_steps(at, len(self._histories) + 1):
            pass

    def compact_in_steps(self, at: Revision, keys_per_step: int) -> Iterator[list[RevisionKey]]:
        """Forget what a compaction at `at` removes, some keys at a time; yields the records forgotten in each step.

        Keys may be added and written between the steps. A key with nothing left goes in the last step, so that one
        written again meanwhile is never listed twice.
        """
        bound = (at + 1) << _MAIN_SHIFT
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
                if not newest & 1 or newest >> _MAIN_SHIFT == at:
                    position -= 1
                if position == len(listed):
                    dead.append(key)
                elif position:
                    forgotten += listed[:position]
                    self._histories[key] = listed[-1] if position == len(listed) - 1 else listed[position:]
            yield [_unpack(each) for each in forgotten]
        yield [_unpack(each) for each in self._bury(dead, bound)]

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
                gone = True
            else:  # written again since
                self._histories[key] = listed[-1] if position == len(listed) - 1 else listed[position:]
        if gone:
            self._settle()
            self._keys = [key for key in self._keys if key in self._histories]
        return forgotten


def _unpack(packed: int) -> RevisionKey:
    return RevisionKey(packed >> _MAIN_SHIFT, packed >> 1 & ((1 << 63) - 1), bool(packed & 1))
