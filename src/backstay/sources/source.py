"""What every source of keys can do, and the values it answers with.

Implemented by `stored.py` (files and directories) and `live.py`; `tests/contract/test_sources.py` holds all of them to
the same promises.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from backstay.findings import Finding
from backstay.formats.mvcc import KeyValue, Record
from backstay.sources.selection import Selection
from backstay.values import LeaseId, Revision

NEWEST = Revision(0)
"""As a wanted revision: the newest one."""


class Entry(NamedTuple):
    """A key at some revision, without its value. `size` is the bytes of the value, None where it was not asked for."""

    key: bytes
    create_revision: Revision
    mod_revision: Revision
    version: int
    lease: LeaseId
    size: int | None


class Counts(NamedTuple):
    """How many keys there are, and the bytes of their values where those were asked for."""

    keys: int
    value_bytes: int | None


class Source(Protocol):
    """Something that holds keys. Use it in a `with` block.

    Wherever a revision can be given, `NEWEST` stands for the newest; `REVISION_COMPACTED` and `REVISION_FUTURE` are raised
    for what the source does not hold. Damaged files raise `FormatError` where the damage is met.
    """

    def describe(self) -> str:
        """What this is, as one line for people."""
        ...

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What opening noticed, such as a damaged log; the content itself is not checked."""
        ...

    @property
    def revision(self) -> Revision:
        """The newest revision."""
        ...

    @property
    def compact_revision(self) -> Revision:
        """The oldest revision that can be read, `NO_COMPACTION` when that is the first."""
        ...

    def keys(self, selection: Selection, revision: Revision = NEWEST, *, sizes: bool = True) -> Iterator[Entry]:
        """The keys that exist at `revision`, in the order of their bytes."""
        ...

    def count(self, selection: Selection, revision: Revision = NEWEST, *, sizes: bool = True) -> Counts:
        """How many `keys` would give."""
        ...

    def get(self, key: bytes, revision: Revision = NEWEST) -> KeyValue | None:
        """One key with its value, None when it does not exist at `revision`."""
        ...

    def items(self, selection: Selection, revision: Revision = NEWEST) -> Iterator[KeyValue]:
        """The keys that exist at `revision` with their values, in the order of their bytes: for reading many."""
        ...

    def history(self, key: bytes) -> Iterator[Record]:
        """Every revision of one key that is still stored, oldest first, tombstones included; nothing for an unknown key."""
        ...

    def records(self, selection: Selection) -> Iterator[Record]:
        """Every stored revision of the chosen keys in the order of revisions, tombstones included."""
        ...

    def close(self) -> None:
        """Give up what the source holds open."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
