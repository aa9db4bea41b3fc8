"""Until when an object may be locked against deletion, by its class and the policy: as long as any rule can need it.

A lock that is too long costs storage, one that is too short protects nothing; one for all classes would do both. Most of the
histories go with the points of the window in which every one is kept; all else the longest rule may rest upon. A lock only
forbids: nothing is removed because it ended.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from backstay.policy.retention.policy import Policy

MARGIN = timedelta(days=2)
LOG_LOCK = timedelta(days=2)


def lock_until(kind: str, committed: datetime, policy: Policy) -> datetime:
    """The date for an object of the class `kind` (its name in the repository format) of a point committed then."""
    if kind == "log":
        return committed + LOG_LOCK
    if kind == "history":
        return committed + policy.all_within + MARGIN
    return committed + policy.window
