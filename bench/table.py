"""The rows as a Markdown table, with what they were measured on: docs/performance.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

from bench.cells import Row
from bench.stores import Store

MIB = 1 << 20
INTRODUCTION = """# Performance

Made by `python -m bench --write`; do not edit by hand. Times are medians; memory is the worst run. *Private* is what the
process needs for itself, *mapped* are pages of the store's file, which the kernel takes back when memory is short.
*Ratio* is ours / theirs: below 1 we are faster. *CPU* is the processor time of both, which a busy machine changes less.
Both sides run in turns and read from a warm page cache. The stores are made by `bench/stores.py` from a seed.
"""


def render(rows: Iterable[Row], stores: Sequence[Store], peer: str, runs: int) -> str:
    """The whole document."""
    return "\n".join([INTRODUCTION, *_circumstances(stores, peer, runs), "", *_table(list(rows)), ""])


def _circumstances(stores: Sequence[Store], peer: str, runs: int) -> list[str]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    load = os.getloadavg()[1]
    lines = [
        f"* backstay {version('backstay')}, {platform.python_implementation()} {platform.python_version()}, {peer};"
        f" {runs} runs of each command",
        f"* {_processor()}, {os.cpu_count()} processors, {memory:.0f} GiB of memory, Linux {platform.release()}; load"
        f" average of the last five minutes {load:.1f}",
    ]
    for store in stores:
        lines.append(
            f"* store of {store.label}: {store.size:,} bytes, {store.record_count:,} records, {store.live_keys:,} live keys"
        )
    return lines


def _table(rows: list[Row]) -> list[str]:
    lines = [
        "| command | store | ours | theirs | ratio | goal | CPU s | private MiB | mapped MiB | against |",
        "|---|---|---:|---:|---:|---|---:|---:|---:|---|",
    ]
    for row in rows:
        sides = [row.ours] if row.theirs is None else [row.ours, row.theirs]
        cells = [
            row.what,
            row.store,
            f"{row.ours.seconds:.2f} s",
            f"{row.theirs.seconds:.2f} s" if row.theirs else "",
            f"{row.ours.seconds / row.theirs.seconds:.2f}" if row.theirs else "",
            _goal(row),
            ", ".join(f"{side.processor_seconds:.2f}" for side in sides),
            ", ".join(f"{side.private_bytes / MIB:.0f}" for side in sides),
            ", ".join(f"{side.mapped_bytes / MIB:.0f}" for side in sides),
            row.against or "nothing compares",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    notes = [f"* {row.what}, {row.store}: {note}" for row in rows for note in row.notes]
    return [*lines, "", *notes] if notes else lines


def _goal(row: Row) -> str:
    goals = []
    if row.goal_ratio is not None and row.theirs is not None:
        reached = row.ours.seconds <= row.goal_ratio * row.theirs.seconds
        goals.append(f"{row.goal_ratio:g}x {_mark(reached)}")
    if row.goal_seconds is not None:
        goals.append(f"{row.goal_seconds:g} s {_mark(row.ours.seconds <= row.goal_seconds)}")
    if row.limit_private_bytes is not None and row.ours.private_bytes > row.limit_private_bytes:
        goals.append(f"{row.limit_private_bytes // MIB} MiB private {_mark(False)}")
    return ", ".join(goals)


def _mark(reached: bool) -> str:
    return "reached" if reached else "**missed**"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
