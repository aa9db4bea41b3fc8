"""The two hashes of a file: SHA-256 of its content, computed beside other work, and HashKV at any revision.

`inspect` uses the first, `backstay hashkv` the second. The third number that etcd calls a hash, the HASH of `snapshot
status`, needs every element and so belongs to the pass of `inspect`.
"""

from __future__ import annotations

import hashlib
import threading
from types import TracebackType

from backstay.formats import hashkv
from backstay.formats.bbolt import Buffer
from backstay.formats.hashkv import CURRENT_RULE, EMPTY_HASH, HashKV, HashRule
from backstay.snapshot.opened import OpenedStore
from backstay.values import Revision

_CHUNK_BYTES = 32 << 20
"""Large, because after each chunk the thread must wait for the interpreter, which the walk holds for milliseconds."""

_WORTH_A_THREAD_BYTES = 1 << 20


class BackgroundDigest:
    """SHA-256 of buffer[:size] on a thread of its own: hashing needs no interpreter and takes longer than the walk.

    Use as a context manager; the buffer must stay open until it ends. Leaving it early abandons the digest.
    """

    def __init__(self, buffer: Buffer, size: int) -> None:
        self._buffer = buffer
        self._size = min(size, len(buffer))
        self._digest = hashlib.sha256()
        self._abandoned = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="sha256", daemon=True)
        self._started = self._size >= _WORTH_A_THREAD_BYTES

    def __enter__(self) -> BackgroundDigest:
        if self._started:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._abandoned.set()
        if self._started:
            self._thread.join()

    def result(self) -> bytes:
        """The 32 bytes; waits for them."""
        if self._started:
            self._thread.join()
        else:
            self._run()
        if self._failure is not None:
            raise self._failure
        return self._digest.digest()

    def _run(self) -> None:
        try:
            with memoryview(self._buffer) as view:
                for start in range(0, self._size, _CHUNK_BYTES):
                    if self._abandoned.is_set():
                        return
                    with view[start : min(start + _CHUNK_BYTES, self._size)] as chunk:
                        self._digest.update(chunk)
        except BaseException as problem:
            # Carried to whoever asks for the result; a thread has nobody above it to catch anything.
            self._failure = problem


def hash_kv_of(store: OpenedStore, at: Revision, rule: HashRule = CURRENT_RULE) -> HashKV:
    """HashKV of `store` at revision `at` (0 = current), by `rule`.

    Raises `REVISION_FUTURE`, `REVISION_COMPACTED`, and `FormatError` at the first damage.
    """
    compact_revision = store.compact_revision
    if at < 0:
        # etcd lets a negative revision pass its checks, and no record is that old.
        return HashKV(EMPTY_HASH, at, compact_revision)
    wanted = hashkv.check_revision(at, store.revision, compact_revision, rule)
    return hashkv.hash_kv(store.pages, wanted, compact_revision, rule)
