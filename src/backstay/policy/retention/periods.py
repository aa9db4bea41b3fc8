"""Periods of the calendar: `15m`, `1h`, `1d`, `1w`, `1mo`, `1y`, and the bucket of them that a time falls into.

Minutes, hours, days and weeks are counted without a break in the zone's civil time, weeks from Monday; months and years are
those of the calendar. Two times are in one bucket of a period exactly if `bucket` gives the same number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

_PERIOD = re.compile(r"([1-9][0-9]{0,4})(m|h|d|w|mo|y)")
_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "mo": 31 * 86400, "y": 366 * 86400}
_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS_OF_A_YEAR = 12


@dataclass(frozen=True, slots=True)
class Period:
    """So many of a unit."""

    count: int
    unit: str

    @classmethod
    def parse(cls, text: str) -> Period:
        """The period that `text` names; raises `ValueError`."""
        found = _PERIOD.fullmatch(text)
        if not found:
            raise ValueError(f"{text!r} is not a period such as 15m, 1h, 1d, 1w, 1mo or 1y")
        return cls(int(found[1]), found[2])

    @property
    def length(self) -> timedelta:
        """How long it is; months and years at their longest, so that a window never ends early."""
        return timedelta(seconds=self.count * _SECONDS[self.unit])

    def bucket(self, time: datetime, zone: tzinfo = UTC) -> int:
        """The number of the period that `time` is in."""
        civil = time.astimezone(zone)
        if self.unit == "y":
            return civil.year // self.count
        if self.unit == "mo":
            return (civil.year * _MONTHS_OF_A_YEAR + civil.month - 1) // self.count
        # An hour that comes twice when clocks go back is two hours: below a day the zone plays no part.
        counted = time if self.unit in ("m", "h") else civil.replace(tzinfo=UTC)
        start = _MONDAY if self.unit == "w" else _EPOCH
        return (counted - start) // timedelta(seconds=self.count * _SECONDS[self.unit])

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"
