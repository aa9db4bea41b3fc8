"""Which plain backups may be removed: a pure function of what lies there, the time, and what was asked for.

Called by `jobs.rotate` for each target on its own. A file is removed only if all of these hold:

* it is older than `keep` by the given time;
* a good backup that is newer, and not from the future, stays;
* it is not one of the `keep_last` newest good ones;
* it is not the good one with the highest revision. Revisions grow whatever clocks do, so the backup that really is the
  newest stays even when a clock that went back gave it an old date.

A file from the future is kept and makes nothing else old. Whether a backup is good is for the caller to find out; files
that are not backups at all are never handed in here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

DEFAULT_KEEP_LAST = 3


class Reason(Enum):
    """Why a file is kept or removed."""

    FUTURE = "from the future"
    YOUNG = "younger than --keep"
    LAST = "one of the newest good ones"
    HIGHEST_REVISION = "the highest revision"
    NOTHING_NEWER = "no newer good one"
    EXPIRED = "older than --keep, a newer good one stays"
    EXPIRED_BAD = "not a good backup and older than --keep, a newer good one stays"


@dataclass(frozen=True, slots=True)
class Retention:
    """What is wanted: everything younger than `keep`, and the `keep_last` newest good ones whatever their age."""

    keep: timedelta
    keep_last: int = DEFAULT_KEEP_LAST

    def __post_init__(self) -> None:
        if self.keep < timedelta(0) or self.keep_last < 1:
            raise ValueError("retention keeps no negative time and at least one backup")


@dataclass(frozen=True, slots=True)
class BackupFile:
    """One file of ours: when it was saved (UTC), whether it is good, and the revision where it is known."""

    name: str
    saved: datetime
    good: bool
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Names in the order of their age, newest first. `why` has a reason for every file.

    `relied_on` are the good files whose being good the removals rest upon; if one of them turns out to be bad, decide again.
    """

    keep: tuple[str, ...]
    remove: tuple[str, ...]
    why: dict[str, Reason]
    relied_on: tuple[str, ...]


def decide(files: Iterable[BackupFile], now: datetime, retention: Retention) -> Decision:
    """What is to be kept and removed at `now`."""
    ordered = sorted(files, key=lambda file: (file.saved, file.name), reverse=True)
    good = [file for file in ordered if file.good and file.saved <= now]
    last = good[: retention.keep_last]
    highest = max(good, key=lambda file: (file.revision or 0, file.saved), default=None)
    why: dict[str, Reason] = {}
    for file in ordered:
        if file.saved > now:
            why[file.name] = Reason.FUTURE
        elif now - file.saved <= retention.keep:
            why[file.name] = Reason.YOUNG
        elif file in last:
            why[file.name] = Reason.LAST
        elif file is highest:
            why[file.name] = Reason.HIGHEST_REVISION
        elif not good or good[0].saved <= file.saved:
            why[file.name] = Reason.NOTHING_NEWER
        else:
            why[file.name] = Reason.EXPIRED if file.good else Reason.EXPIRED_BAD
    removals = (Reason.EXPIRED, Reason.EXPIRED_BAD)
    relied_on = dict.fromkeys(file.name for file in (*last, highest) if file is not None)
    return Decision(
        keep=tuple(file.name for file in ordered if why[file.name] not in removals),
        remove=tuple(file.name for file in ordered if why[file.name] in removals),
        why=why,
        relied_on=tuple(relied_on),
    )
