"""What the commands about holds print, and the dates they take."""

from __future__ import annotations

from datetime import UTC, datetime

from backstay import errors
from backstay.cli.render.plain import Plain
from backstay.cli.repository.rendering import time_plain
from backstay.repository.retention.holds import Hold


def hold_plain(hold: Hold, now: datetime) -> dict[str, Plain]:
    """A hold as JSON and YAML have it."""
    released = hold.release
    return {
        "id": hold.id,
        "time": time_plain(hold.time),
        "reason": hold.reason,
        "until": None if hold.until is None else time_plain(hold.until),
        "points": list(hold.points),
        "by": hold.by,
        "active": hold.is_active(now),
        "released": None
        if released is None
        else {"time": time_plain(released.time), "reason": released.reason, "by": released.by},
    }


def state_text(hold: Hold, now: datetime) -> str:
    """Whether it holds, in a few words."""
    if hold.release is not None:
        return f"released {time_plain(hold.release.time)}"
    if hold.until is None:
        return "until it is released"
    return f"{'until' if hold.is_active(now) else 'ended'} {time_plain(hold.until)}"


def parse_until(text: str, now: datetime) -> datetime:
    """A date or a time in UTC, after `now`. Raises `USAGE`."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError as problem:
        raise errors.USAGE.error(f"`{text}` is no time", why=str(problem)) from problem
    time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    if time <= now:
        raise errors.USAGE.error(f"`{text}` is in the past", why=f"it is {time_plain(now)}")
    return time
