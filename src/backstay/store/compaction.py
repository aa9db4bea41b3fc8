"""What a compaction leaves (etcd-files section 2.5), physically and for ever.

Reading never needs it: a store is read by its compact revision, whether the records are gone already or not. Tests
compare real servers' files with it, and the embedded store's checkpoints leave out what it leaves out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from backstay.formats.hashkv import HashRule
from backstay.formats.mvcc import Record
from backstay.values import Revision


def surviving_records(records: Iterable[Record], at: Revision, rule: HashRule) -> Iterator[Record]:
    """Those of `records` (all of them, in order) that are still there when the compaction at `at` has finished.

    Everything above `at` stays; at or below it only the newest record of each key, and that only if it is a put. A
    tombstone exactly at `at` stays in releases whose HashKV skips it (`rule`), for watchers that begin there.
    """
    everything = list(records)
    newest = {record.item.key: position for position, record in enumerate(everything) if record.revision.main <= at}
    for position, record in enumerate(everything):
        main, _, tombstone = record.revision
        if main > at or (
            newest[record.item.key] == position
            and (not tombstone or (main == at and rule.skips_tombstone_at_compaction))
        ):
            yield record
