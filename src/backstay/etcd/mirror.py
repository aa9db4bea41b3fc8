"""Keep the keys below a prefix of one etcd in another: copy them as they are at one revision, then follow every change.

Used by `ctl make-mirror`. What one revision changed arrives as one transaction, split only where it has more operations
than the destination takes. Leases are not carried over: the destination knows nothing of them. Keys of the destination that the
source does not have are left alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backstay.etcd.client import Client
from backstay.etcd.operations import FROM_KEY, Operation, prefix_end
from backstay.etcd.watch import Event, EventType
from backstay.values import Revision

DEFAULT_OPERATIONS = 128
"""etcd's own limit on the operations of a transaction."""


@dataclass(frozen=True, slots=True)
class Mirror:
    """What is copied where. `destination_prefix` takes the place of `prefix` in every key."""

    source: Client
    destination: Client
    prefix: bytes = b""
    destination_prefix: bytes = b""
    max_operations: int = DEFAULT_OPERATIONS

    def copy(self) -> Iterator[Revision]:
        """Copy every key, yielding after each the revision of the copy, which `follow` continues; once for no keys at all."""
        for page in self.source.kv.range_pages(self.prefix):
            for item in page.items:
                self.destination.kv.put(self.renamed(item.key), item.value)
                yield page.header.revision
            if not page.items:
                yield page.header.revision

    def follow(self, since: Revision | int) -> Iterator[int]:
        """Write every change from revision `since` on, until the iteration is closed; yields how many each time.

        Raises `REVISION_COMPACTED` when a compaction overtakes it; then only a new copy helps.
        """
        key, range_end = self.prefix or b"\x00", prefix_end(self.prefix) if self.prefix else FROM_KEY
        with self.source.watch(key, range_end=range_end, start_revision=since) as watcher:
            for batch in watcher:
                yield from map(self._write, _by_revision(batch.events, self.max_operations))

    def renamed(self, key: bytes) -> bytes:
        """The key as the destination has it."""
        return self.destination_prefix + key.removeprefix(self.prefix)

    def _write(self, events: list[Event]) -> int:
        operations = tuple(
            Operation.delete_range(self.renamed(event.item.key))
            if event.type is EventType.DELETE
            else Operation.put(self.renamed(event.item.key), event.item.value)
            for event in events
        )
        self.destination.kv.txn((), operations)
        return len(operations)


def _by_revision(events: tuple[Event, ...], at_most: int) -> Iterator[list[Event]]:
    """The events of each revision together, in pieces of `at_most`."""
    piece: list[Event] = []
    for event in events:
        if piece and (piece[-1].item.mod_revision != event.item.mod_revision or len(piece) == at_most):
            yield piece
            piece = []
        piece.append(event)
    if piece:
        yield piece
