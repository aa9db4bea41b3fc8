"""The port to one place where copies of a cluster go: a repository, plain files, or a simulated one.

with copy.open() as place:      raises what the storage raises; nothing has been read from the cluster yet
    place.newest(now)           the time of the newest point that is not from the future
    place.store(source, taken)  one more point, whole when it returns
    place.care(now, last)       points verified, old ones marked
    place.look(now)             what is there, for `status`
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from backstay.findings import Finding
from backstay.policy.copies import CopyPlace

Source = TypeVar("Source", contravariant=True)


@dataclass(frozen=True, slots=True)
class Stored:
    """A point that was made. `bytes` are those that were sent for it; `findings` is what is worth knowing about it."""

    point: str
    bytes: int
    note: str = ""
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Verified:
    """A dated fact: which point reached which level, when, and by which programs. `seconds` is how long that took."""

    point: str
    level: str
    time: datetime
    engine: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Care:
    """What was done for the points of one copy. `waiting_since`: since when the least verified one has waited."""

    verified: int = 0
    removed: int = 0
    findings: tuple[Finding, ...] = ()
    levels: Mapping[str, datetime] = field(default_factory=dict)
    """Of each level the time at which a point of this copy last reached it."""
    waiting_since: datetime | None = None
    rebuilt_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What is at a place. `newest` is the time of the newest point, `point` its id or name.

    `verified` is the best that is known of the newest point about which anything is known, `rebuilt` the newest proof that a
    whole restore works; `failed` is a point that did not reach the level that was tried last.
    """

    point: str
    newest: datetime | None
    verified: Verified | None
    rebuilt: Verified | None
    failed: Verified | None = None


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What a maintainer did at one copy, step by step in words."""

    care: Care
    merged: int
    swept: int
    freed_bytes: int
    findings: tuple[Finding, ...] = ()


class OpenCopy(Protocol[Source]):
    """A place that answers."""

    def newest(self, now: datetime) -> datetime | None:
        """The time of the newest point of the cluster, the newest that is not from the future if there is one."""
        ...

    def store(self, source: Source, taken: datetime) -> Stored:
        """Make a point of what was read at `taken`."""
        ...

    def care(self, now: datetime, last: datetime | None) -> Care:
        """Verify as deep as this host can, and mark what may go. `last` is when that was done before."""
        ...

    def look(self, now: datetime) -> Look:
        """What is there."""
        ...


class Copy(Protocol[Source]):
    """A place by its name in the configuration."""

    @property
    def name(self) -> str:
        """What the configuration calls it."""
        ...

    @property
    def place(self) -> CopyPlace:
        """As the 3-2-1 rule sees it."""
        ...

    def open(self) -> AbstractContextManager[OpenCopy[Source]]:
        """Reach it."""
        ...


class Kept(Protocol):
    """A place that is open to a maintainer."""

    def maintain(self, now: datetime, *, rebuild: bool, within: timedelta) -> Upkeep:
        """Verify deeper, merge, sweep. With `rebuild` the newest point is rebuilt whole."""
        ...
