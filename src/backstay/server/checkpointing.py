"""When a checkpoint is made, and the thread that makes it.

    due        snapshot_count entries since the last, but no oftener than a twentieth of the time is spent on it, for what
               it writes is the whole store; or as much log as half of the base (32 to 256 MiB, or a tenth of the
               quota), for that is memory too
    start      on the store's thread: the plan; then on the checkpoint's thread: the child, the swap, the log cut
    finish     on the store's thread: the new base is adopted

A checkpoint that failed has left everything as it was: it is tried again later, and logged each time.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import BinaryIO

from backstay import errors
from backstay.clock import Clock
from backstay.errors import BackstayError
from backstay.store.durable import DurableStore, adopt, plan_checkpoint, run_checkpoint, snapshot_file
from backstay.store.durable.checkpoint import BuiltBase, CheckpointPlan, ChildBuilder

_LOG_BYTES = 256 << 20
"""Log, and about as much memory, that may lie above the base before a checkpoint is due whatever the count."""
_SMALL_BASE_LOG_BYTES = 32 << 20
"""The same while the base is small: up to there, half of the base."""
_QUOTA_SHARE = 10
_LEAST_LOG_BYTES = 1 << 20
_SHARE_OF_TIME = 20
_RETRY_SECONDS = 60.0

Told = Callable[[BackstayError | None], None]

_log = logging.getLogger(__name__)


class Checkpointing:
    """The checkpoints of one store."""

    def __init__(self, store: DurableStore, clock: Clock, snapshot_count: int, quota: int) -> None:
        self._store = store
        self._clock = clock
        self._snapshot_count = snapshot_count
        # What a compaction has freed is space again after the next checkpoint only: a tight quota asks for more of them.
        self._quota_bytes = max(_LEAST_LOG_BYTES, quota // _QUOTA_SHARE) if quota else _LOG_BYTES
        self._entries = max(0, store.state.consistent_index - store.base_index)
        self._bytes = sum(len(item.key) + len(item.value) for _, item in store.state.records())
        self._plan: CheckpointPlan | None = None
        self._covered = (0, 0)
        """Entries and bytes that the plan covers."""
        self._built: BuiltBase | None = None
        self._failure: BackstayError | None = None
        self._told: list[Told] = []
        self._asked: list[Told] = []
        self._leisure_until = clock.monotonic()
        self._retry_at = clock.monotonic()
        self._started_at = 0.0
        self._builder = ChildBuilder()
        self._thread: threading.Thread | None = None
        self._is_closing = False

    @property
    def bytes_above_base(self) -> int:
        """About how much of the store is not in the base yet."""
        return self._bytes

    @property
    def _most_bytes(self) -> int:
        base = len(self._store.database.buffer)
        return min(self._quota_bytes, _LOG_BYTES, max(_SMALL_BASE_LOG_BYTES, base // 2))

    @property
    def is_due(self) -> bool:
        """Whether `start` should be called."""
        if self._plan is not None:
            return False
        if self._asked:
            return True
        now = self._clock.monotonic()
        counted = self._entries >= self._snapshot_count and now >= self._leisure_until
        return (counted or self._bytes >= self._most_bytes) and now >= self._retry_at

    def wrote(self, entries: int, size: int) -> None:
        """So much was submitted to the journal."""
        self._entries += entries
        self._bytes += size

    def ask(self, told: Told) -> None:
        """Make a checkpoint that covers everything up to now, whether one is due or not, and say what came of it."""
        self._asked.append(told)

    def start(self, finished: Callable[[], None]) -> None:
        """Begin, unless one is running; `finished` is called on another thread, and must lead to `finish`."""
        if not self.is_due or self._is_closing:
            return
        self._told, self._asked = self._asked, []
        plan = self._plan = plan_checkpoint(self._store.state)
        self._covered = self._entries, self._bytes
        self._failure = None
        self._started_at = self._clock.monotonic()

        def work() -> None:
            try:
                self._built = run_checkpoint(self._store, plan, build=self._builder)
            except BackstayError as problem:
                self._failure = problem
            except Exception as problem:  # whatever it is: unsaid, everybody would wait and no other would be made
                _log.exception("a checkpoint failed")
                self._failure = errors.CHECKPOINT_FAILED.error(
                    "no checkpoint was made", why=f"{type(problem).__name__}: {problem}"
                )
            finished()

        self._thread = threading.Thread(target=work, name="checkpoint", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Adopt what was built."""
        plan, told = self._plan, self._told
        if plan is None or self._is_closing:
            return
        self._plan, self._told = None, []
        now = self._clock.monotonic()
        if self._built is not None:
            adopt(self._store, plan, self._built)
            self._built = None
            entries, size = self._covered
            self._entries -= entries
            self._bytes -= size
            self._leisure_until = now + _SHARE_OF_TIME * (now - self._started_at)
        else:
            _log.error("no checkpoint was made: %s", self._failure)
            self._retry_at = now + _RETRY_SECONDS
        for each in told:
            each(self._failure)

    def make_snapshot(self) -> BinaryIO:
        """A file that holds the store as it is now or a little later. Takes long; call it on any other thread.

        Raises `CHECKPOINT_FAILED`.
        """
        with snapshot_file(self._store, build=self._builder) as path:
            return path.open("rb")  # its name goes, the open file stays

    def close(self) -> None:
        """Stop a checkpoint that is running; the directory opens whatever state it is in."""
        self._is_closing = True
        self._builder.stop()
        if self._thread is not None:
            self._thread.join()
