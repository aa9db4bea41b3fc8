"""How long ago something was, in `kubectl`'s two or three figures: `45s`, `5m30s`, `7d4h`, `3y12d`.

The moment to count from is always passed in: for a backup that is a choice (now, or when the backup was made).
"""

from __future__ import annotations

from datetime import UTC, datetime

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400
UNKNOWN = "<unknown>"


def age(timestamp: object, now: datetime) -> str:
    """The time since `timestamp`, a text as the API server writes times; `<unknown>` where there is none."""
    moment = moment_of(timestamp)
    return UNKNOWN if moment is None else duration_text((now - moment).total_seconds())


def until(timestamp: object, now: datetime) -> str:
    """The time from `now` to `timestamp`."""
    moment = moment_of(timestamp)
    return UNKNOWN if moment is None else duration_text((moment - now).total_seconds())


def moment_of(timestamp: object) -> datetime | None:
    """The moment that `timestamp` names; None where it names none."""
    if not isinstance(timestamp, str):
        return None
    try:
        moment = datetime.fromisoformat(timestamp)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def duration_text(seconds: float) -> str:
    """`seconds` for a reader; a clock may be off by less than two seconds, more is `<invalid>`."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 0:
        return "0s"
    if whole < 2 * _MINUTE:
        return f"{whole}s"
    if whole < 10 * _MINUTE:
        return _two(whole, _MINUTE, "m", 1, "s")
    if whole < 3 * _HOUR:
        return f"{whole // _MINUTE}m"
    if whole < 8 * _HOUR:
        return _two(whole, _HOUR, "h", _MINUTE, "m")
    if whole < 48 * _HOUR:
        return f"{whole // _HOUR}h"
    if whole < 8 * _DAY:
        return _two(whole, _DAY, "d", _HOUR, "h")
    if whole < 2 * _YEAR:
        return f"{whole // _DAY}d"
    if whole < 8 * _YEAR:
        return _two(whole, _YEAR, "y", _DAY, "d")
    return f"{whole // _YEAR}y"


def _two(seconds: int, unit: int, name: str, smaller: int, smaller_name: str) -> str:
    rest = seconds % unit // smaller
    return f"{seconds // unit}{name}" + (f"{rest}{smaller_name}" if rest else "")
