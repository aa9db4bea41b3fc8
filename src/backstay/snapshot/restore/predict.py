"""The HashKV that a server started on a restored database must answer, before any server has started.

    at = 0 (current)       revision  = the restored revision, bump included
                           compact   = scheduledCompactRev, where the server resumes the compaction at once

`write` computes it from the new file, not from the source: it is then also a proof of what was written. The answer holds
until the first write, or until the first lease ends: then the revision moves on and the hash with it.
"""

from __future__ import annotations

from collections.abc import Iterator

from backstay.errors import FormatError
from backstay.formats import hashkv, schema
from backstay.formats.bbolt import Database
from backstay.formats.hashkv import HashKV, RecordPage
from backstay.values import Revision


def predicted_hash_kv(database: Database, revision: Revision, compact_revision: Revision) -> HashKV:
    """HashKV of `database` at its newest revision, by the rule of today's releases.

    Older releases (before 3.4.34 and 3.5.16) answer the same: what their rule would add, their compaction has deleted.
    """
    return hashkv.hash_kv(lambda: _pages(database), revision, compact_revision)


def _pages(database: Database) -> Iterator[RecordPage]:
    bucket = database.bucket(schema.KEY)
    if bucket is None:
        raise FormatError("there is no bucket `key`", offset=0)
    for leaf in bucket.leaves():
        data, spans, _ = leaf.load()
        yield RecordPage(data, spans)
