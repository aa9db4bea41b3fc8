"""HashKV at the revisions of physical compactions, from before they took anything: etcd answers these from memory.

A hash at a compact revision could not be computed again, for the compaction has removed what it was of. etcd computes it
with every compaction; here only whoever waits for one pays for it. Forgotten when the process ends, as in etcd.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from backstay.errors import FormatError
from backstay.formats import hashkv
from backstay.formats.hashkv import HashKV
from backstay.server.handler.context import HandlerContext
from backstay.values import Revision

KEPT = 10
"""How many etcd remembers: those of the newest revisions."""


class CompactionHashes:
    """The hashes of one store."""

    def __init__(self) -> None:
        self._by_revision: dict[int, HashKV] = {}

    def at(self, revision: int) -> HashKV | None:
        """The hash at exactly this revision, if a compaction left one."""
        return self._by_revision.get(revision)

    def compute(self, context: HandlerContext, revision: int, compacted: Revision, done: Callable[[], None]) -> None:
        """Compute the hash elsewhere, of the store as it is now; `compacted` is where it was compacted before this time.
        `done` is called on the store's thread, damaged or not: whoever asks for a hash is told.
        """
        plan = partial(hashkv.hash_kv, context.engine.state.frozen_pages(), Revision(revision), compacted)

        def work() -> None:
            try:
                hashed = plan()
            except FormatError:
                context.post(done)
                return
            context.post(lambda: self._note(hashed, done))

        context.hosting.elsewhere(work)

    def _note(self, hashed: HashKV, done: Callable[[], None]) -> None:
        self._by_revision[hashed.revision] = hashed
        while len(self._by_revision) > KEPT:
            del self._by_revision[min(self._by_revision)]
        done()
