"""Saving a snapshot of a living member: choose it, stream its database, prove the file, give it its name.

`plan` decides what would be done, `save` does it: nothing gets its final name before it has been verified.

    target     where the file goes, and whether it fits there
    stream     chunks of the Snapshot call -> bytes on disk and their SHA-256
    members    HashKV of the file against the members' own answers
    verify     everything that must hold before a file may be kept
    living     the same ports over a real cluster
    save       the sequence
"""

from backstay.snapshot.save.members import Comparison, HashSource, Verdict
from backstay.snapshot.save.save import SaveReport, SnapshotSource, save
from backstay.snapshot.save.target import Target, check_target, resolve_target

__all__ = [
    "Comparison",
    "HashSource",
    "SaveReport",
    "SnapshotSource",
    "Target",
    "Verdict",
    "check_target",
    "resolve_target",
    "save",
]
