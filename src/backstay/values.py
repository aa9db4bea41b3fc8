"""The small values every layer speaks in: identifiers, sizes, and how etcd writes them.

Everybody imports this module; it imports nothing of backstay. It holds no behaviour that could fail for reasons outside
its arguments.
"""

from __future__ import annotations

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
