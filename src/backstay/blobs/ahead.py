"""Many small objects read ahead of their turn: what costs is the way to a far storage, and that is gone several times at once.

    for fetched in ahead((partial(read, name) for name in names), at_once=16):
        use(fetched())      # in the order of the names; raises here what reading raised

How many calls pay off is the store's to say (`Features.reads_at_once`); with one nothing is read before its turn, and no thread
is made. Never are more than twice as many results in memory as are read at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(calls: Iterable[Callable[[], T]], at_once: int) -> Iterator[Callable[[], T]]:
    """Each of `calls` in its turn; whoever stops early leaves nothing running."""
    if at_once <= 1:
        yield from calls
        return
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(at_once, thread_name_prefix="reading-ahead") as pool:
        try:
            for call in calls:
                waiting.append(pool.submit(call))
                if len(waiting) == 2 * at_once:
                    yield waiting.popleft().result
            while waiting:
                yield waiting.popleft().result
        finally:
            for each in waiting:
                each.cancel()
