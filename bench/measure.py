"""Run one program and measure it: wall-clock time and the peak of its memory, private and file-mapped apart.

Linux only: memory is sampled from /proc/PID/status (RssAnon is private, RssFile is mapped from files; clean file pages
cost nothing when memory is short), of the program and of the processes that it started, added up at each moment. The
exit is seen at once through a pidfd; sampling every few milliseconds can miss a short spike.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

SAMPLE_MILLISECONDS = 4


class BenchFailed(Exception):
    """A measured program ended with an error; the message holds what it said."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Seconds and peak bytes, those of child processes included."""

    seconds: float
    processor_seconds: float
    private_bytes: int
    mapped_bytes: int


def run(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> Measurement:
    """Run `command` to its end. Raises `BenchFailed` when it ends with anything but 0 or 3 (warnings)."""
    environment = {**_clean_environment(), **(environment or {})}
    begun = time.perf_counter()
    with subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
    ) as process:
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        output = b""
        private = mapped = 0
        descriptor = os.pidfd_open(process.pid)
        try:
            ended = select.poll()
            ended.register(descriptor, select.POLLIN)
            while not ended.poll(SAMPLE_MILLISECONDS):
                now_private, now_mapped = _memory_of_all(process.pid)
                private, mapped = max(private, now_private), max(mapped, now_mapped)
                output += process.stdout.read() or b""
            seconds = time.perf_counter() - begun
        finally:
            os.close(descriptor)
        output += process.stdout.read() or b""
        _, wait_status, usage = os.wait4(process.pid, 0)
        status = process.returncode = os.waitstatus_to_exitcode(wait_status)
    if status not in (0, 3):
        raise BenchFailed(f"{' '.join(map(str, command))}: status {status}\n{output.decode(errors='replace')[-2000:]}")
    return Measurement(seconds, usage.ru_utime + usage.ru_stime, private, mapped)


def of_several(measurements: Sequence[Measurement]) -> Measurement:
    """The median time and the worst memory."""
    return Measurement(
        median(each.seconds for each in measurements),
        median(each.processor_seconds for each in measurements),
        max(each.private_bytes for each in measurements),
        max(each.mapped_bytes for each in measurements),
    )


def _memory_of_all(process_id: int) -> tuple[int, int]:
    """Of a process and those that it started, and so on."""
    private, mapped = _memory(process_id)
    for child in _children(process_id):
        more_private, more_mapped = _memory_of_all(child)
        private, mapped = private + more_private, mapped + more_mapped
    return private, mapped


def _children(process_id: int) -> list[int]:
    found: list[int] = []
    # A child is listed with the thread that started it.
    for path in Path(f"/proc/{process_id}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, path.read_text(encoding="ascii").split())
    return found


def _memory(process_id: int) -> tuple[int, int]:
    try:
        text = Path(f"/proc/{process_id}/status").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return 0, 0
    fields = dict(line.split(":", 1) for line in text.splitlines() if line.startswith("Rss"))
    sizes = {name: int(value.split()[0]) * 1024 for name, value in fields.items()}
    return sizes.get("RssAnon", 0) + sizes.get("RssShmem", 0), sizes.get("RssFile", 0)


def _clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("ETCD", "BACKSTAY"))}
