"""What a restore lost: what the old data directory has that the snapshot has not.

Called at the end of a recovery, over the directory that was moved aside. The comparison goes by the newest state of each
key, so it is complete even where the old store was compacted after the snapshot.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backstay.errors import BackstayError
from backstay.snapshot import restore as restoring
from backstay.snapshot.opened import open_directory
from backstay.sources import Entry, Selection
from backstay.sources.stored import StoredSource

LISTED = 20
"""How many keys of each kind are listed; all are counted."""


@dataclass(frozen=True, slots=True)
class Keys:
    """How many keys, and the first `LISTED` of them."""

    count: int
    listed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Loss:
    """`why_unknown` is empty where both stores could be read; else it says why they could not, and the rest means nothing.

    `created` keys exist only in the old store, `changed` ones have an older value now, `deleted` ones are back.
    """

    why_unknown: str
    old_directory: str
    old_revision: int
    snapshot_revision: int
    created: Keys
    changed: Keys
    deleted: Keys

    @property
    def revisions(self) -> int:
        """How many revisions were written after the snapshot."""
        return max(0, self.old_revision - self.snapshot_revision)


def find_loss(snapshot: Path, old_directory: Path, old_log: Path | None, *, skip_hash_check: bool) -> Loss:
    """Compare. Never raises for what cannot be read: that is part of the answer."""
    try:
        with (
            StoredSource(restoring.open_source(snapshot, skip_hash_check=skip_hash_check)) as then,
            StoredSource(open_directory(old_directory, wal_directory=old_log, database_alone=True)) as now,
        ):
            if now.revision < then.revision:
                why = f"the old store ends at revision {now.revision}, before the snapshot's {then.revision}"
                return unknown(why, old_directory)
            return _compare(then, now, old_directory)
    except (BackstayError, OSError) as problem:
        return unknown(str(problem), old_directory)


def unknown(why: str, old_directory: Path) -> Loss:
    """The answer where there is none."""
    nothing = Keys(0, ())
    return Loss(why, str(old_directory), 0, 0, nothing, nothing, nothing)


def _compare(then: StoredSource, now: StoredSource, old_directory: Path) -> Loss:
    created, changed, deleted = _Collected(), _Collected(), _Collected()
    for before, after in _pairs(_keys(then), _keys(now)):
        if before is None and after is not None:
            created.add(after.key)
        elif after is None and before is not None:
            deleted.add(before.key)
        elif before is not None and after is not None and before.mod_revision != after.mod_revision:
            changed.add(after.key)
    return Loss("", str(old_directory), now.revision, then.revision, created.keys, changed.keys, deleted.keys)


def _keys(source: StoredSource) -> Iterator[Entry]:
    return (entry for entry in source.keys(Selection(), sizes=False) if entry.key)


def _pairs(first: Iterator[Entry], second: Iterator[Entry]) -> Iterator[tuple[Entry | None, Entry | None]]:
    """Two sequences in the order of their keys, side by side."""
    one, two = next(first, None), next(second, None)
    while one is not None or two is not None:
        if two is None or (one is not None and one.key < two.key):
            yield one, None
            one = next(first, None)
        elif one is None or two.key < one.key:
            yield None, two
            two = next(second, None)
        else:
            yield one, two
            one, two = next(first, None), next(second, None)


class _Collected:
    """Keys being counted; the first ones are remembered."""

    def __init__(self) -> None:
        self._count = 0
        self._listed: list[str] = []

    def add(self, key: bytes) -> None:
        self._count += 1
        if len(self._listed) < LISTED:
            self._listed.append(key.decode("utf-8", "backslashreplace"))

    @property
    def keys(self) -> Keys:
        return Keys(self._count, tuple(self._listed))
