"""A clock for tests: time passes only by sleeping, so nothing waits and every pause can be looked at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class SteppingClock:
    """Begins on a Friday evening. `naps` are the pauses that were asked for, in seconds."""

    def __init__(self, start: datetime = datetime(2026, 11, 27, 18, 30, tzinfo=UTC)) -> None:
        self._start = start
        self.elapsed = 0.0
        self.naps: list[float] = []

    def now(self) -> datetime:
        """The start and all naps since."""
        return self._start + timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        """The seconds of all naps."""
        return self.elapsed

    def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        self.naps.append(seconds)
        self.elapsed += seconds
