"""The small values every layer speaks in: identifiers, sizes, and how etcd writes them.

Everybody imports this module; it imports nothing of backstay. It holds no behaviour that could fail for reasons outside
its arguments.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import NewType

Revision = NewType("Revision", int)
"""An MVCC main revision. 1 is the empty store, the first write gets 2."""

LeaseId = NewType("LeaseId", int)
"""A lease id, signed 64 bits; etcdctl prints it in lower-case hex."""

MemberId = NewType("MemberId", int)
"""A raft member id, unsigned 64 bits; printed in lower-case hex without leading zeros."""

ClusterId = NewType("ClusterId", int)
"""A cluster id, unsigned 64 bits; printed in lower-case hex without leading zeros."""

NO_COMPACTION = Revision(-1)
"""What etcd reports as the compact revision of a store that was never compacted."""

_UNIT_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_SI_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


def hex_id(identifier: int) -> str:
    """A member or cluster id as etcd prints it."""
    return f"{identifier & 0xFFFFFFFFFFFFFFFF:x}"


def compaction_text(compact_revision: Revision) -> str:
    """What people read about a compact revision."""
    return "never compacted" if compact_revision == NO_COMPACTION else f"compacted at {compact_revision}"


def size_text(size_bytes: int) -> str:
    """`size_bytes` as etcd's tools humanise it: powers of 1000, one decimal below ten (`3.2 MB`, `20 kB`)."""
    if size_bytes < 10:
        return f"{size_bytes} B"
    exponent, scaled = 0, float(size_bytes)
    while scaled >= 1000 and exponent < len(_SI_UNITS) - 1:
        scaled /= 1000
        exponent += 1
    # etcd's humanize library rounds half up at the shown precision before it chooses the number of decimals.
    rounded = int(scaled * 10 + 0.5) / 10
    return f"{rounded:.1f} {_SI_UNITS[exponent]}" if rounded < 10 else f"{rounded:.0f} {_SI_UNITS[exponent]}"


def duration_seconds(text: str) -> float:
    """The seconds of a duration as Go writes it (`5s`, `1m30s`, `500ms`, `0`); raises ValueError with the reason."""
    if text.startswith("-"):
        raise ValueError(f"{text!r} is negative")
    body = text.removeprefix("+")
    if body == "0":
        return 0.0
    position, seconds = 0, 0.0
    while part := _DURATION_PART.match(body, position):
        seconds += float(part[1]) * _UNIT_SECONDS[part[2]]
        position = part.end()
    if position < len(body) or not body:
        missing = body[position:].replace(".", "").isdigit()
        raise ValueError(f"{text!r} has no unit" if missing else f"{text!r} is not a duration")
    return seconds


def span_text(length: timedelta) -> str:
    """A length of time for people: `12m30s`, `23h49m`, `0.4s`; whole seconds from one on, largest unit first."""
    seconds = length.total_seconds()
    if 0 < abs(seconds) < 1:
        return f"{seconds:.1g}s"
    sign = "-" if seconds < 0 else ""
    hours, rest = divmod(int(abs(seconds)), 3600)
    parts = ((hours, "h"), (rest // 60, "m"), (rest % 60, "s"))
    return sign + ("".join(f"{count}{unit}" for count, unit in parts if count) or "0s")
