"""When a backup was made, as its file's name says it, in the spellings that scripts use.

    etcd-backup-20241210-143022.db        date and time, with or without separators, also without seconds
    snapshot_2024-12-10T14:30:22Z.db.gz   with `Z`, `UTC` or +02:00 it is not the zone that else is assumed
    etcd-snapshot-node1-1733840000        seconds since 1970, as k3s and RKE2 write them
    etcd-2024-12-10.db                    a date alone: that of the file's own time, if it is of that day

Pure. A name that says nothing leaves the time at which the file was last changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from enum import Enum
from typing import NamedTuple


class TimeSource(Enum):
    """How a time is known."""

    NAME = "name"
    DATE = "date in the name"
    FILE = "time of the file"


class DatedName(NamedTuple):
    """The time, and how it is known."""

    time: datetime
    source: TimeSource


_DATE = r"(?<!\d)((?:19|20)\d\d)[-_.]?(\d\d)[-_.]?(\d\d)"
_FULL = re.compile(
    _DATE + r"[-_T. ]*(?:at[-_ ]?)?(\d\d)[-_:.h]?(\d\d)(?:[-_:.m]?(\d\d))?(?:\.\d{1,9})?(?!\d)"
    r"(?:[-_ ]?(Z(?![A-Za-z])|UTC)|(\+\d\d:?\d\d|-\d\d:\d\d)(?!\d))?"
)
"""A number behind the time, as in `-143022-0001`, is no offset: those have a plus or a colon."""

_DAY = re.compile(_DATE + r"(?!\d)")
_EPOCH = re.compile(r"(?<!\d)(1\d{9})(?:\d{3})?(?!\d)")


def dated(name: str, changed: datetime, zone: tzinfo = UTC) -> DatedName:
    """The time of the backup in a file of this name that was last changed at `changed`; names are of `zone`."""
    for found in _FULL.finditer(name):
        for time in _time(found, zone):
            return DatedName(time, TimeSource.NAME)
    for found in _EPOCH.finditer(name):
        return DatedName(datetime.fromtimestamp(int(found[1]), UTC), TimeSource.NAME)
    for found in _DAY.finditer(name):
        try:
            day = datetime(int(found[1]), int(found[2]), int(found[3]), tzinfo=zone)
        except ValueError:
            continue
        own = changed.astimezone(zone)
        return DatedName((changed if own.date() == day.date() else day).astimezone(UTC), TimeSource.DATE)
    return DatedName(changed.astimezone(UTC), TimeSource.FILE)


def _time(found: re.Match[str], zone: tzinfo) -> Iterator[datetime]:
    year, month, day, hour, minute, second, utc, offset = found.groups()
    try:
        naive = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0))
        said = _zone(offset) if offset else UTC if utc else zone
        yield naive.replace(tzinfo=said).astimezone(UTC)
    except (ValueError, OverflowError):
        return


def _zone(offset: str) -> tzinfo:
    digits = offset[1:].replace(":", "")
    distance = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-distance if offset[0] == "-" else distance)
