"""Work at several places, so that one which fails or hangs costs only itself.

`InTurn` does one after the other, for a simulation. `AtOnce` gives each a thread and waits no longer than it is told: a place
that is not done by then has failed for this run. Its thread may go on, but nobody waits for it any more, not even the end
of the process; everything it writes is atomic.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from backstay import errors

Result = TypeVar("Result")


class Crew(Protocol):
    """How the work at several places is done."""

    def work(
        self, jobs: Mapping[str, Callable[[], Result]], seconds: float
    ) -> Mapping[str, Result | errors.BackstayError]:
        """The result of each job, or the error with which it ended; nothing is raised. In the order of `jobs`."""
        ...


class InTurn:
    """One after the other, however long that takes."""

    def work(
        self, jobs: Mapping[str, Callable[[], Result]], seconds: float
    ) -> Mapping[str, Result | errors.BackstayError]:
        return {name: _outcome(job) for name, job in jobs.items()}


class AtOnce:
    """All at once, each on a thread."""

    def work(
        self, jobs: Mapping[str, Callable[[], Result]], seconds: float
    ) -> Mapping[str, Result | errors.BackstayError]:
        done: queue.SimpleQueue[tuple[str, Result | errors.BackstayError]] = queue.SimpleQueue()

        def run(name: str, job: Callable[[], Result]) -> None:
            done.put((name, _outcome(job)))

        for name, job in jobs.items():
            threading.Thread(target=run, args=(name, job), name=f"backstay-copy-{name}", daemon=True).start()
        end = time.monotonic() + seconds
        found: dict[str, Result | errors.BackstayError] = {}
        while len(found) < len(jobs):
            try:
                name, outcome = done.get(timeout=max(end - time.monotonic(), 0))
            except queue.Empty:
                break
            found[name] = outcome
        return {name: found[name] if name in found else _late(name, seconds) for name in jobs}


def unexpected(defect: Exception) -> errors.BackstayError:
    """A defect as an error that can be reported: it must not cost other copies their point, nor the run its memory."""
    problem = errors.UNEXPECTED.error(f"{type(defect).__name__}: {defect}")
    problem.__cause__ = defect
    return problem


def _outcome(job: Callable[[], Result]) -> Result | errors.BackstayError:
    try:
        return job()
    except errors.BackstayError as problem:
        return problem
    except Exception as defect:
        return unexpected(defect)


def _late(name: str, seconds: float) -> errors.BackstayError:
    return errors.COPY_LATE.error(f"{name} was not done after {seconds:.0f} s", where=name)
