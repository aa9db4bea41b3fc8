"""What signals do while `ctl` waits: a lock is given back on SIGTERM as on Ctrl-C, and a watch ends for sure."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from backstay.errors import ExitStatus

LEAVE_SECONDS = 2.0
"""How long a watch that was interrupted may take to end."""


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does."""
    with _handling(signal.SIGTERM, lambda: None):
        yield


@contextlib.contextmanager
def leaving_for_sure(seconds: float = LEAVE_SECONDS) -> Iterator[None]:
    """Ctrl-C ends the block, or the process where it does not.

    An exception that is raised while a destructor runs, as at the end of every program that a watch starts, is lost, and the watch
    would go on. Nothing that a watch holds has to be put in order.
    """
    timers: list[threading.Timer] = []

    def begin() -> None:
        timers.append(threading.Timer(seconds, os._exit, (ExitStatus.INTERRUPTED,)))
        timers[-1].daemon = True
        timers[-1].start()

    with _handling(signal.SIGINT, begin):
        try:
            yield
        finally:
            for timer in timers:
                timer.cancel()


@contextlib.contextmanager
def _handling(number: signal.Signals, act: Callable[[], None]) -> Iterator[None]:
    """In the block a signal calls `act` and raises KeyboardInterrupt. Only the main thread is told of signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        act()
        raise KeyboardInterrupt

    before = signal.signal(number, interrupt)
    try:
        yield
    finally:
        signal.signal(number, before)
