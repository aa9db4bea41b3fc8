"""What an engine is told at its start, and what it hands back for every request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from backstay.store.answers import Answer
from backstay.values import ClusterId, MemberId, Revision

DEFAULT_MAX_REQUEST_BYTES = 1_572_864
DEFAULT_MAX_OPERATIONS = 128


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Limits and identity. Sizes are bytes, times seconds."""

    member_id: MemberId
    cluster_id: ClusterId
    max_request_bytes: int = DEFAULT_MAX_REQUEST_BYTES
    max_operations: int = DEFAULT_MAX_OPERATIONS
    quota_bytes: int = 0
    """0 is etcd's default of 2 GiB, negative is none."""
    election_timeout: float = 1.0
    lease_scan_interval: float = 0.5
    progress_interval: float = 600.0
    """Between two rounds of progress notes on one watch stream, which waits up to a tenth longer."""
    compaction_step_keys: int = 2_000
    """Keys that are looked at in one go while history is dropped from memory: a few milliseconds."""
    read_only: bool = False
    """A view of a backup: whatever would change it is refused, and no lease ends."""


class Outcome(NamedTuple):
    """What came of a request: the revision for the header, its answer, and the entry to journal (None: nothing to)."""

    revision: Revision
    answer: Answer | None = None
    entry: bytes | None = None
