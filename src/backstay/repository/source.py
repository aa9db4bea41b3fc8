"""What a backup is made from: the elements of bucket `key` in order, those of the other buckets, and two revisions.

Whoever opens snapshots gives one; the repository does not know where it comes from. `classify` is the one pass over all
of it: which records are the newest of their key, which a compaction that was at work is about to remove, and the digest of
each, of the state and of the whole.
"""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from backstay.formats import hashkv, mvcc
from backstay.repository.records import DigestSum, Element

NEWEST, PUT, DOOMED = 1, 2, 4
_NOT_NEWEST = ~NEWEST & 0xFF
_DIGEST_SIZE = 32


class RecordSource(Protocol):
    """A snapshot, sound and complete. `elements` may be called more than once."""

    @property
    def revision(self) -> int:
        """The revision that a server would be at."""
        ...

    @property
    def compact_revision(self) -> int:
        """The higher of the two markers, -1 without."""
        ...

    def elements(self, start: int = 0) -> Iterable[Element]:
        """Bucket `key` from revision `start` on, in order."""
        ...

    def entries(self) -> Iterable[tuple[bytes, bytes, bytes]]:
        """(bucket, key, value) of all other buckets, in order; each begins with one without key."""
        ...


def _numbers() -> array[int]:
    return array("Q")


@dataclass(slots=True)
class RecordIndex:
    """Records by identity, in the order of revisions; four arrays instead of objects because there are millions.

    `marks` hold sub revision and tombstone in one number that sorts like them; `digests` and `keys` 64 bits of SHA-256 of
    the element and of the key.
    """

    mains: array[int] = field(default_factory=_numbers)
    marks: array[int] = field(default_factory=_numbers)
    digests: array[int] = field(default_factory=_numbers)
    keys: array[int] = field(default_factory=_numbers)


@dataclass(frozen=True, slots=True)
class Classification:
    """Of each record in order flags and main revision; and what follows from all. `index` is of the kept records only."""

    flags: bytearray
    mains: array[int]
    index: RecordIndex
    keeps_tombstones: bool
    keys: int
    state_digest: str
    records_digest: str

    @property
    def records(self) -> int:
        """How many are kept."""
        return len(self.index.mains)

    @property
    def normalised(self) -> int:
        """How many are left out."""
        return len(self.flags) - self.records

    def kept(self, source: RecordSource, start: int = 0) -> Iterator[tuple[int, Element]]:
        """(flags, element) of what a point holds, from revision `start` on."""
        first = bisect_left(self.mains, start) if start else 0
        for flag, element in zip(memoryview(self.flags)[first:], source.elements(start), strict=True):
            if flag < DOOMED:
                yield flag, element


class Classifier:
    """The pass, for one caller. Memory is one entry per key, and 65 bytes per record."""

    def __init__(self, compact_revision: int) -> None:
        self._compact = compact_revision
        self._flags, self._digests, self._index = bytearray(), bytearray(), RecordIndex()
        self._keeps_tombstones = False

    def watch(self, elements: Iterable[Element]) -> Iterator[Element]:
        """All of `elements`, which somebody else has a use for too: one reading of a store serves both."""
        compact, flags, digests, index = self._compact, self._flags, self._digests, self._index
        add_main, add_mark, add_key = index.mains.append, index.marks.append, index.keys.append
        newest: dict[bytes, int] = {}
        sha256, user_key, from_bytes = hashlib.sha256, hashkv.user_key, int.from_bytes
        for position, pair in enumerate(elements):
            element, value = pair
            main = from_bytes(element[:8], "big")
            tombstone = len(element) == mvcc.TOMBSTONE_KEY_SIZE
            key = user_key(value, 0, len(value))
            before = newest.get(key)
            if before is None:
                add_key(from_bytes(sha256(key).digest()[:8], "big"))
            else:
                add_key(index.keys[before])
                flags[before] &= _NOT_NEWEST
                if main <= compact:
                    flags[before] |= DOOMED
            newest[key] = position
            flag = NEWEST
            if not tombstone:
                flag |= PUT
            elif main == compact:
                self._keeps_tombstones = True
            elif main < compact:
                flag |= DOOMED
            flags.append(flag)
            add_main(main)
            add_mark(from_bytes(element[9:17], "big") << 1 | tombstone)
            digests += sha256(element + value).digest()
            yield pair

    def result(self) -> Classification:
        """What follows, once all elements have been watched."""
        flags, digests, index, from_bytes = self._flags, self._digests, self._index, int.from_bytes
        keys = flags.count(NEWEST | PUT)
        state, everything = DigestSum(), DigestSum()
        for position, flag in enumerate(flags):
            digest = bytes(digests[_DIGEST_SIZE * position : _DIGEST_SIZE * (position + 1)])
            index.digests.append(from_bytes(digest[:8], "big"))
            if flag < DOOMED:
                everything.add(digest)
                if flag == NEWEST | PUT:
                    state.add(digest)
        mains = index.mains
        if max(flags, default=0) >= DOOMED:
            index = _without_doomed(index, flags)
        return Classification(flags, mains, index, self._keeps_tombstones, keys, state.text, everything.text)


def classify(source: RecordSource) -> Classification:
    """The pass over a source that nobody else reads meanwhile."""
    classifier = Classifier(source.compact_revision)
    for _ in classifier.watch(source.elements()):
        pass
    return classifier.result()


def _without_doomed(index: RecordIndex, flags: bytearray) -> RecordIndex:
    def kept(numbers: array[int]) -> array[int]:
        return array("Q", (number for number, flag in zip(numbers, flags, strict=True) if flag < DOOMED))

    return RecordIndex(kept(index.mains), kept(index.marks), kept(index.digests), kept(index.keys))
