"""The values of watching: what is asked for, and what is delivered."""

from __future__ import annotations

from typing import NamedTuple

from backstay.formats.mvcc import KeyValue
from backstay.store.ranges import KeyRange, key_range
from backstay.values import Revision


class WatchSpec(NamedTuple):
    """What a client wants to see. `start_revision` 0 means from now on; `watch_id` 0 lets the stream number it."""

    key: bytes = b""
    range_end: bytes = b""
    start_revision: int = 0
    watch_id: int = 0
    progress_notify: bool = False
    wants_puts: bool = True
    wants_deletes: bool = True
    previous: bool = False
    fragment: bool = False

    @property
    def within(self) -> KeyRange:
        """The keys meant; an empty key is the key 00."""
        return key_range(self.key or b"\0", self.range_end)


class WatchEvent(NamedTuple):
    """One change. Of a deletion `item` holds the key and the revision; `previous` only where asked for and known."""

    is_deletion: bool
    item: KeyValue
    previous: KeyValue | None = None


class WatchBatch(NamedTuple):
    """One response: `revision` is its header's. Without events it is a note of progress, or, with `compact_revision`,
    the end of a watcher that was overtaken by a compaction."""

    revision: Revision
    events: tuple[WatchEvent, ...] = ()
    compact_revision: Revision | None = None


class Created(NamedTuple):
    """The answer to a creation. Where `refusal` is set nothing was created and `watch_id` is -1."""

    watch_id: int
    revision: Revision
    refusal: str = ""
