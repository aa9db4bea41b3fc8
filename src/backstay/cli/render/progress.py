"""How far a long command is: a bar on a terminal, one JSON line per finished phase with `-o json`, else nothing.

Implements `telemetry.Progress` on stderr; `Reporting.watch` chooses. Rich is imported only for the bar.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from backstay.cli.reporting import LogFormat, ProgressMode, Reporting
from backstay.clock import Clock, SystemClock
from backstay.telemetry.progress import Progress, SilentProgress

if TYPE_CHECKING:
    from rich.console import Console


def progress_for(reporting: Reporting, *, clock: Clock | None = None) -> Progress:
    """The progress that `reporting` asks for on this stderr."""
    if reporting.quiet or reporting.progress is ProgressMode.NEVER:
        return SilentProgress()
    if reporting.json_phases or reporting.log_format is LogFormat.JSON:
        return JsonProgress(clock or SystemClock())
    if reporting.progress is ProgressMode.ALWAYS or sys.stderr.isatty():
        return BarProgress(always=reporting.progress is ProgressMode.ALWAYS)
    return SilentProgress()


class JsonProgress:
    """One line per phase, when it has ended."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._phase = ""
        self._total_bytes: int | None = None
        self._done_bytes = 0
        self._begun = 0.0

    def begin(self, phase: str, total_bytes: int | None) -> None:
        self.finish()
        self._phase, self._total_bytes, self._done_bytes = phase, total_bytes, 0
        self._begun = self._clock.monotonic()

    def advance(self, done_bytes: int) -> None:
        self._done_bytes += done_bytes

    def finish(self) -> None:
        if not self._phase:
            return
        fields = {
            "level": "info",
            "event": "phase",
            "phase": self._phase,
            "bytes": self._done_bytes,
            "total_bytes": self._total_bytes,
            "seconds": round(self._clock.monotonic() - self._begun, 3),
        }
        self._phase = ""
        click.echo(json.dumps(fields, ensure_ascii=False), err=True)


class BarProgress:
    """A bar with the rate and the time left; the bars of finished phases stay on the screen until the end."""

    def __init__(self, *, always: bool = False, console: Console | None = None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
        from rich.progress import Progress as RichProgress

        self._bars = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console or Console(stderr=True, force_terminal=always or None),
            transient=True,
        )
        self._task = self._bars.add_task("", visible=False)
        self._open = False

    def begin(self, phase: str, total_bytes: int | None) -> None:
        if not self._open:
            self._bars.start()
            self._open = True
        # A phase without a known size pulses while it runs, and ends as full.
        self._end_phase()
        self._task = self._bars.add_task(phase, total=total_bytes)

    def advance(self, done_bytes: int) -> None:
        self._bars.advance(self._task, done_bytes)

    def finish(self) -> None:
        if self._open:
            self._end_phase()
            self._bars.stop()
            self._open = False

    def _end_phase(self) -> None:
        task = self._bars.tasks[self._task]
        if task.total is None:
            self._bars.update(self._task, total=task.completed)
