"""The one kind of journal entry that is no request: a change of the raft configuration. The journal tells them apart by type."""

from __future__ import annotations


class MembershipEntry(bytes):
    """An encoded raftpb.ConfChange."""
