"""What fills an etcd: by kind, namespace and object, what exists and what its history still holds.

One pass over the stored records. Values are never decoded: a record is its key and its size.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from backstay.sources.key_text import key_text
from backstay.sources.objects.cluster import Objects
from backstay.sources.selection import Selection
from backstay.sources.source import Source
from backstay.sources.stored import StoredSource
from backstay.values import NO_COMPACTION

_OUTSIDE = "(no object)"


class Share(NamedTuple):
    """How much is what exists, and how much superseded or deleted; bytes are those of keys and values."""

    live: int = 0
    live_bytes: int = 0
    history: int = 0
    history_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """What fills a store; lists are sorted by bytes, or by what their name says, and cut."""

    revision: int
    compact_revision: int | None
    """None where nothing was compacted yet."""
    total: Share
    kinds: tuple[tuple[str, Share], ...]
    namespaces: tuple[tuple[str, Share], ...]
    largest: tuple[tuple[str, int], ...]
    most_written: tuple[tuple[str, int, int], ...]
    """Name, how often it was written since it was created, and how many of its revisions are stored."""
    leases: int
    leased_keys: int
    events: Share

    @property
    def total_bytes(self) -> int:
        """All keys and values that are stored."""
        return self.total.live_bytes + self.total.history_bytes


def usage_of(objects: Objects, limit: int) -> Usage:
    """What fills the store of `objects`, with at most `limit` rows of each kind. Raises what reading the source raises."""
    stored: dict[bytes, list[int]] = {}
    newest = objects.revision
    for key, revision, size in _records(objects.source):
        if revision > newest:
            continue
        sums = stored.get(key)
        if sums is None:
            stored[key] = [1, size, size]
        else:
            sums[0] += 1
            sums[1] += size
            sums[2] = size
    kinds: dict[str, list[int]] = {}
    namespaces: dict[str, list[int]] = {}
    largest: list[tuple[int, bytes]] = []
    written: list[tuple[int, bytes]] = []
    leases: Counter[int] = Counter()
    times: dict[bytes, int] = {}
    _ = objects.resources
    identify = objects.layout.identify
    for entry in objects.source.keys(Selection(), objects.settings.at):
        revisions, all_bytes, size = stored.pop(entry.key, None) or [1, entry.size or 0, entry.size or 0]
        identity = identify(entry.key)
        kind, namespace = (identity.group_resource, identity.namespace) if identity is not None else (_OUTSIDE, "")
        for sums in (kinds.setdefault(kind, [0, 0, 0, 0]), namespaces.setdefault(namespace, [0, 0, 0, 0])):
            sums[0] += 1
            sums[1] += size
            sums[2] += revisions - 1
            sums[3] += all_bytes - size
        _keep(largest, (size, entry.key), limit)
        _keep(written, (entry.version, entry.key), limit)
        if entry.lease:
            leases[entry.lease] += 1
        times[entry.key] = revisions
    for key, (revisions, size, _) in stored.items():
        identity = identify(key)
        kind, namespace = (identity.group_resource, identity.namespace) if identity is not None else (_OUTSIDE, "")
        for sums in (kinds.setdefault(kind, [0, 0, 0, 0]), namespaces.setdefault(namespace, [0, 0, 0, 0])):
            sums[2] += revisions
            sums[3] += size
    total = Share(*map(sum, zip(*kinds.values(), strict=True))) if kinds else Share()
    return Usage(
        objects.revision,
        None if objects.source.compact_revision == NO_COMPACTION else objects.source.compact_revision,
        total,
        _largest_first(kinds, limit),
        _largest_first(namespaces, limit),
        tuple((key_text(key), size) for size, key in sorted(largest, reverse=True)),
        tuple((key_text(key), version, times[key]) for version, key in sorted(written, reverse=True)),
        len(leases),
        leases.total(),
        Share(*kinds.get("events", ())),
    )


def _records(source: Source) -> Iterator[tuple[bytes, int, int]]:
    """Key, revision and bytes of every stored record, in order."""
    if isinstance(source, StoredSource):
        yield from source.record_sizes()
        return
    for record in source.records(Selection()):
        yield record.item.key, record.revision.main, len(record.item.key) + len(record.item.value)


def _keep(heap: list[tuple[int, bytes]], item: tuple[int, bytes], limit: int) -> None:
    if len(heap) < limit:
        heapq.heappush(heap, item)
    elif item > heap[0]:
        heapq.heapreplace(heap, item)


def _largest_first(shares: dict[str, list[int]], limit: int) -> tuple[tuple[str, Share], ...]:
    ordered = sorted(shares.items(), key=lambda pair: (-pair[1][1] - pair[1][3], pair[0]))
    return tuple((name, Share(*sums)) for name, sums in ordered[:limit])
