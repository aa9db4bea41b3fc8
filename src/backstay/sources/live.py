"""A living etcd as a source: ranges in pages, all at one revision.

Made by `opening.py` over a client that the caller has connected; closing the source closes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Self

from backstay import errors
from backstay.etcd import results
from backstay.etcd.client import Client
from backstay.etcd.operations import prefix_end
from backstay.findings import Finding
from backstay.formats.mvcc import KeyValue, Record
from backstay.sources import live_history
from backstay.sources.selection import Selection
from backstay.sources.source import NEWEST, Counts, Entry
from backstay.values import NO_COMPACTION, Revision

_ANY_KEY = b"\x00"
_PAGE_KEYS = 1000
_VALUE_PAGE_KEYS = 50
"""Values may have megabytes each, and a page must fit into one message."""


class LiveSource:
    """What a member answers now. Reads are linearizable, except those that only look for the compact revision."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def describe(self) -> str:
        endpoints = ", ".join(str(endpoint) for endpoint in self._client.options.endpoints)
        return f"living etcd at {endpoints}"

    @property
    def findings(self) -> tuple[Finding, ...]:
        return ()

    @property
    def revision(self) -> Revision:
        return self._client.kv.range(_ANY_KEY, count_only=True).header.revision

    @property
    def compact_revision(self) -> Revision:
        """Found by halving, since etcd tells it only at the price of a hash over everything: some thirty small reads."""
        lowest, highest = 1, int(self.revision)
        while lowest < highest:
            middle = (lowest + highest) // 2
            if self._can_read(middle):
                highest = middle
            else:
                lowest = middle + 1
        return Revision(lowest) if lowest > 1 else NO_COMPACTION

    def keys(self, selection: Selection, revision: Revision = NEWEST, *, sizes: bool = True) -> Iterator[Entry]:
        matches = selection.matches
        page_keys = _VALUE_PAGE_KEYS if sizes else _PAGE_KEYS
        pages = self._client.kv.range_pages(
            selection.prefix, revision=revision, page_keys=page_keys, keys_only=not sizes
        )
        for page in pages:
            for item in page.items:
                if matches(item.key):
                    size = len(item.value) if sizes else None
                    yield Entry(
                        item.key, item.create_revision, item.mod_revision, item.version, item.lease, size
                    )  # fmt: skip

    def count(self, selection: Selection, revision: Revision = NEWEST, *, sizes: bool = True) -> Counts:
        if selection.pattern is None and not sizes:
            key, range_end = selection.prefix or _ANY_KEY, prefix_end(selection.prefix)
            return Counts(
                self._client.kv.range(key, range_end=range_end, revision=revision, count_only=True).count, None
            )
        keys = value_bytes = 0
        for entry in self.keys(selection, revision, sizes=sizes):
            keys += 1
            value_bytes += entry.size or 0
        return Counts(keys, value_bytes if sizes else None)

    def get(self, key: bytes, revision: Revision = NEWEST) -> KeyValue | None:
        found = self._client.kv.get(key, revision=revision) if key else None
        if found is None:
            return None
        return _key_value(found)

    def items(self, selection: Selection, revision: Revision = NEWEST) -> Iterator[KeyValue]:
        matches = selection.matches
        pages = self._client.kv.range_pages(selection.prefix, revision=revision, page_keys=_VALUE_PAGE_KEYS)
        for page in pages:
            for item in page.items:
                if matches(item.key):
                    yield _key_value(item)

    def history(self, key: bytes) -> Iterator[Record]:
        if key:
            yield from live_history.records(self._client, key, b"", self.revision, self.compact_revision)

    def records(self, selection: Selection) -> Iterator[Record]:
        matches = selection.matches
        key, range_end = selection.prefix or _ANY_KEY, prefix_end(selection.prefix)
        for record in live_history.records(self._client, key, range_end, self.revision, self.compact_revision):
            if matches(record.item.key):
                yield record

    def follow(self, selection: Selection, after: Revision, *, seconds: float | None = None) -> Iterator[Record]:
        """Every change of the chosen keys behind `after` as it happens; until `seconds` are over, or for ever."""
        matches = selection.matches
        key, range_end = selection.prefix or _ANY_KEY, prefix_end(selection.prefix)
        for record in live_history.follow(self._client, key, range_end, after, seconds):
            if matches(record.item.key):
                yield record

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _can_read(self, revision: int) -> bool:
        try:
            self._client.kv.range(_ANY_KEY, revision=revision, count_only=True, serializable=True)
        except errors.BackstayError as problem:
            if problem.kind is not errors.REVISION_COMPACTED:
                raise
            return False
        return True


def _key_value(found: results.KeyValue) -> KeyValue:
    return KeyValue(found.key, found.create_revision, found.mod_revision, found.version, found.value, found.lease)
