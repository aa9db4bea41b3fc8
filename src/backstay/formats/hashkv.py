"""HashKV, the hash by which members of a cluster compare their keys, at any revision (etcd-files section 4).

    compact = max(finished, scheduled compact revision), -1 if neither exists
    keep    = for every user key its newest record with main <= at, if that record is a put
    hash    = CRC-32C of "key", then for each record in order, skipping
                main > at
                main <= compact, not in keep (unless keep is empty)
                tombstones with main == compact                   (releases from 3.4.34, 3.5.16, 3.6.0)
              of its key bytes and value bytes

    empty store                                                          1084519789
    {a,2,2,1,"1"} {b,3,3,1,"2"} {a,2,4,2,"3"} deleted b                  at 2..5: 2587454935 1827592406 2069675932 1125682900

The hash depends on the compact revision: two answers compare only at the same revision *and* compact revision. It covers
neither leases nor users, alarms or members. Because records that a compaction deletes are never fed (`hash_kv` sees
to that where `keep` is empty), a file can also answer for a *later* compact revision than its own, which is how a snapshot
is compared with a member that has compacted in the meantime.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from backstay import errors
from backstay.errors import FormatError
from backstay.formats import mvcc
from backstay.formats.bbolt import Buffer
from backstay.formats.crc32c import crc32c, extend
from backstay.values import NO_COMPACTION, Revision

Span = tuple[int, int, int, int]
"""(flags, key start, value start, value end) of one element."""


class RecordPage(NamedTuple):
    """Some consecutive records of bucket `key`: `spans` are positions in `data`."""

    data: Buffer
    spans: list[Span]


Pages = Callable[[], Iterable[RecordPage]]
"""Gives all records in key order, from the start, each time it is called."""

EMPTY_HASH = crc32c(b"key")


@dataclass(frozen=True, slots=True)
class HashRule:
    """How a release computes HashKV."""

    skips_tombstone_at_compaction: bool
    answers_at_compact_revision: bool


_NEWEST_PATCH = 1 << 30

CURRENT_RULE = HashRule(skips_tombstone_at_compaction=True, answers_at_compact_revision=True)


def rule_of(version: str) -> HashRule:
    """The rule of an etcd release such as `3.5.1`; `3.5` means the newest of that line."""
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    line, patch = numbers[:2], numbers[2] if len(numbers) > 2 else _NEWEST_PATCH
    if line <= (3, 4):
        return HashRule(patch >= 34, patch >= 27)
    if line == (3, 5):
        return HashRule(patch >= 16, patch >= 10)
    return CURRENT_RULE


@dataclass(frozen=True, slots=True)
class HashKV:
    """An answer: the hash, the revision it is of, and the compact revision it depends on."""

    hash: int
    revision: Revision
    compact_revision: Revision


def user_key(data: Buffer, start: int, end: int) -> bytes:
    """The user key in the KeyValue at data[start:end]; b"" for a value of zero bytes. Raises `FormatError`."""
    if start == end:
        return b""
    if data[start] == 0x0A:  # field 1, bytes: what every release writes first
        length = data[start + 1] if start + 1 < end else 0x80
        first = start + 2
        if length >= 0x80 and start + 2 < end and data[start + 2] < 0x80:
            length, first = length & 0x7F | data[start + 2] << 7, start + 3
        if length < 0x4000 and first + length <= end and (data[first - 1] < 0x80):
            return data[first : first + length]
    return mvcc.decode_key_value(data[start:end]).key


def check_revision(at: int, current: Revision, compact_revision: Revision, rule: HashRule = CURRENT_RULE) -> Revision:
    """The revision that `at` means (0 = current). Raises `REVISION_FUTURE` or `REVISION_COMPACTED`."""
    wanted = current if at == 0 else Revision(at)
    if wanted > current:
        raise errors.REVISION_FUTURE.error(
            "mvcc: required revision is a future revision", why=f"asked for {wanted}, the newest is {current}"
        )
    lowest = compact_revision if rule.answers_at_compact_revision else compact_revision + 1
    if wanted < lowest and at != 0:
        raise errors.REVISION_COMPACTED.error(
            "mvcc: required revision has been compacted", why=f"asked for {wanted}, the oldest is {lowest}"
        )
    return wanted


def hash_kv(
    pages: Pages,
    at: Revision,
    compact_revision: Revision,
    rule: HashRule = CURRENT_RULE,
) -> HashKV:
    """HashKV of the records in `pages` at revision `at`, which the caller has checked (`check_revision`).

    Two passes; memory is one entry per user key that has a record at or below both revisions.
    """
    kept, live = _kept_positions(pages, at, compact_revision)
    if not live:
        # `keep` is empty and the rule skips nothing: then it matters what the compaction has left, and only then.
        kept, _ = _kept_positions(pages, compact_revision, compact_revision)
    return feed_hash(pages, at, compact_revision, kept, rule)


def _kept_positions(pages: Pages, at: Revision, compact_revision: Revision) -> tuple[bytearray, int]:
    """For each record at or below the compact revision, in order: 1 if it is the newest of its key at `at`, and a put.

    Also the number of user keys that exist at `at`.
    """
    compacted = bytearray()
    newest: dict[bytes, int] = {}
    live = 0
    for data, spans in pages():
        for _, key_start, value_start, value_end in spans:
            main = int.from_bytes(data[key_start : key_start + 8], "big")
            if main > at:
                return compacted, live
            key = user_key(data, value_start, value_end)
            is_put = value_start - key_start != mvcc.TOMBSTONE_KEY_SIZE
            # Positions are signed by whether the record is a put: position + 1, or 0 for "newer than compaction".
            before = newest.get(key)
            if before is not None:
                live -= before & 1
                if before >> 1:
                    compacted[(before >> 1) - 1] = 0
            live += is_put
            if main <= compact_revision:
                compacted.append(is_put)
                newest[key] = len(compacted) << 1 | is_put
            else:
                newest[key] = int(is_put)
    return compacted, live


class HashFeed:
    """The hashing pass, fed page by page.

    `kept` says of each record at or below the compact revision, in order, whether it is in the set `keep` above; None
    means that the set is empty.
    """

    def __init__(
        self, at: Revision, compact_revision: Revision, kept: bytearray | None, rule: HashRule = CURRENT_RULE
    ) -> None:
        self._at = at
        self._compact = compact_revision
        self._kept = kept
        self._rule = rule
        self._position = 0
        self._checksum = EMPTY_HASH

    def feed(self, data: Buffer, spans: list[Span]) -> None:
        """The next records: `spans` are positions in `data`."""
        at, compact, kept, position = self._at, self._compact, self._kept, self._position
        checksum = self._checksum
        run_start = run_end = 0
        for _, key_start, value_start, value_end in spans:
            main = int.from_bytes(data[key_start : key_start + 8], "big")
            if main <= compact:
                if kept is not None and position == len(kept):
                    raise FormatError("records are not in the order of their revisions", offset=0)
                wanted = main <= at and (kept is None or bool(kept[position]))
                position += 1
                if (
                    wanted
                    and main == compact
                    and self._rule.skips_tombstone_at_compaction
                    and value_start - key_start == mvcc.TOMBSTONE_KEY_SIZE
                ):
                    wanted = False
            else:
                wanted = main <= at
            if not wanted:
                continue
            if key_start == run_end:
                run_end = value_end
            else:
                if run_end:
                    checksum = extend(checksum, data[run_start:run_end])
                run_start, run_end = key_start, value_end
        if run_end:
            checksum = extend(checksum, data[run_start:run_end])
        self._position = position
        self._checksum = checksum

    def result(self) -> HashKV:
        """The answer, after the last page."""
        return HashKV(self._checksum, self._at, self._compact)


def feed_hash(
    pages: Pages,
    at: Revision,
    compact_revision: Revision,
    kept: bytearray | None,
    rule: HashRule = CURRENT_RULE,
) -> HashKV:
    """The hashing pass over `pages`, for callers that have `kept` from a pass of their own (see `HashFeed`)."""
    feed = HashFeed(at, compact_revision, kept, rule)
    for data, spans in pages():
        feed.feed(data, spans)
    return feed.result()


def compact_revision_of(scheduled: Revision | None, finished: Revision | None) -> Revision:
    """The compact revision a server uses: the higher marker, -1 when there is none."""
    return max(scheduled or NO_COMPACTION, finished or NO_COMPACTION)
