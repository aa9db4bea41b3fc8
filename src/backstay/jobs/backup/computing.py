"""What a point will hold, the costly part of a backup: which records, their digests, the file that every restore must give.

    computing = Computing()
    saved = save(..., beside=computing.begin)      a process of its own reads the snapshot while this one proves it
    computing.of(store)                            ... and here is the result; for every repository the same

It follows from the source alone, so it is computed once however many repositories get the point. The other process is worth
its start for large snapshots on two processors; whatever goes wrong with it, the result is computed here.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from backstay.repository.source import Classification, Classifier
from backstay.snapshot.canonical import CanonicalFile, StoreContents, build_canonical
from backstay.snapshot.opened import OpenedStore

WORTH_A_PROCESS_BYTES = 64 << 20


class Computed(NamedTuple):
    """Of one source."""

    classification: Classification
    file: CanonicalFile


class Computing:
    """The result for one source, as soon as somebody asks. Use as a context manager: it ends the other process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._computed: Computed | None = None
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Computing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the other process if it is still at work; idempotent."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.communicate()

    def begin(self, path: Path) -> None:
        """Have a process of its own begin with the snapshot at `path`, which is whole but need not be proven yet."""
        if _processors() < 2 or path.stat().st_size < WORTH_A_PROCESS_BYTES:
            return
        command = [sys.executable, "-m", "backstay.jobs.backup.computing_child", str(path)]
        # It ends with this process, however that ends: it holds the other end of its standard input.
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def of(self, store: OpenedStore) -> Computed:
        """The result for `store`, which is the source that was begun with. Raises `FormatError` for damage."""
        with self._lock:
            if self._computed is None:
                self._computed = self._from_child() or compute(store)
            return self._computed

    def _from_child(self) -> Computed | None:
        child, self._child = self._child, None
        if child is None:
            return None
        with child:
            assert child.stdout is not None
            answer = child.stdout.read()
        # Our own child, over a pipe that nobody else has: nothing of the snapshot is unpickled but numbers and digests.
        return pickle.loads(answer) if child.returncode == 0 else None


def compute(store: OpenedStore) -> Computed:
    """In one reading of the store.

    Where a compaction was at work the records that it had yet to remove are known only at the end; then a second one.
    """
    contents, page_size = StoreContents(store), store.database.page_size
    classifier = Classifier(contents.compact_revision)
    built = build_canonical(contents.entries(), classifier.watch(contents.elements()), page_size=page_size)
    classification = classifier.result()
    if classification.normalised:
        kept = (element for _, element in classification.kept(contents))
        built = build_canonical(contents.entries(), kept, page_size=page_size)
    return Computed(classification, built)


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
