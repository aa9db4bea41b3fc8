"""What a backup is made from: the elements of bucket `key` in order, those of the other buckets, and two revisions.

Whoever opens snapshots gives one; the repository does not know where it comes from. `classify` is the first of two passes
over it: which records are the newest of their key, and which a compaction that was at work is about to remove.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from backstay.formats import hashkv, mvcc
from backstay.repository.records import Element

NEWEST, PUT, DOOMED = 1, 2, 4
_NOT_NEWEST = ~NEWEST & 0xFF


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

    def elements(self) -> Iterable[Element]:
        """Bucket `key`, in order."""
        ...

    def entries(self) -> Iterable[tuple[bytes, bytes, bytes]]:
        """(bucket, key, value) of all other buckets, in order; each begins with one without key."""
        ...


@dataclass(frozen=True, slots=True)
class Classification:
    """Of each record in order its flags; and what follows from all of them."""

    flags: bytearray
    keeps_tombstones: bool
    keys: int

    @property
    def records(self) -> int:
        """How many are kept."""
        return len(self.flags) - self.normalised

    @property
    def normalised(self) -> int:
        """How many are left out."""
        return sum(flag >= DOOMED for flag in self.flags)

    def kept(self, source: RecordSource) -> Iterator[Element]:
        """The elements that a point holds."""
        for flag, element in zip(self.flags, source.elements(), strict=True):
            if not flag & DOOMED:
                yield element


def classify(source: RecordSource) -> Classification:
    """The first pass. Memory is one entry per key."""
    compact = source.compact_revision
    flags = bytearray()
    newest: dict[bytes, int] = {}
    keeps_tombstones = False
    for position, (element, value) in enumerate(source.elements()):
        main = int.from_bytes(element[:8], "big")
        key = hashkv.user_key(value, 0, len(value))
        before = newest.get(key)
        if before is not None:
            flags[before] &= _NOT_NEWEST
            if main <= compact:
                flags[before] |= DOOMED
        newest[key] = position
        flag = NEWEST
        if len(element) != mvcc.TOMBSTONE_KEY_SIZE:
            flag |= PUT
        elif main == compact:
            keeps_tombstones = True
        elif main < compact:
            flag |= DOOMED
        flags.append(flag)
    return Classification(flags, keeps_tombstones, flags.count(NEWEST | PUT))
